"""The emulated controller's lines: how its firmware reads and writes them."""

from __future__ import annotations

from typing import NamedTuple

NAK_OF_DAMAGE = b"$NK^21\r"
MAX_WORDS = 10


class Words(NamedTuple):
    """A command that could be read."""

    command: list[str]
    sequence_id: str


def xor(text: str) -> int:
    """Compute the checksum as the firmware does, character by character."""
    check = 0
    for character in text:
        check ^= ord(character)
    return check


def sealed(text: str) -> bytes:
    """Append the checksum and the end of the line."""
    return f"{text}^{xor(text):02X}\r".encode()


def read_words(line: bytes) -> Words | None:
    """Read a line from `$` on, without its end; None if its checksum is wrong."""
    text = line.decode("latin-1")
    for mark in "^*":
        body, found, digits = text.partition(mark)
        if not found:
            continue
        right = xor(body) if mark == "^" else sum(body.encode("latin-1")) & 0xFF
        if digits.upper() != f"{right:02X}":
            return None
        text = body
    words = text[1:].split(" ")
    if len(words) > MAX_WORDS:
        return None
    sequence_id = words.pop()[1:] if len(words) > 1 and words[-1][:1] == ":" else ""
    return Words(words, sequence_id)


def reply_line(text: str, sequence_id: str, *, ok: bool) -> bytes:
    """Write `$OK` or `$NK`, with the command's id if it had one."""
    parts = ["$OK" if ok else "$NK", text, f":{sequence_id}" if sequence_id else ""]
    return sealed(" ".join(part for part in parts if part))


def state_line(state: int, amps: int, flags: int) -> bytes:
    """Write `$AT`."""
    return sealed(f"$AT {state:02x} {state:02x} {amps} {flags:04x}")


def boot_line() -> bytes:
    """Write `$AB`."""
    return sealed("$AB 00 8.2.3")
