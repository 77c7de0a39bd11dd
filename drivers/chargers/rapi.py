"""RAPI, the serial protocol of OpenEVSE controllers: words to lines and back.

A command is `$GS :01^2B` and a carriage return: words, an id that the reply repeats,
and the XOR of all characters before the `^`. Facts from the firmware's rapi_proc.h and
rapi_proc.cpp, RAPI 5.2.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Final

from drivers.errors import FrameError

START: Final = 0x24  # "$"; never inside a line, so it always starts one
END: Final = b"\r"
MAX_COMMAND_CHARS: Final = 31  # The controller drops longer ones in silence
MAX_LINE_BYTES: Final = 128  # The longest reply of all has about half of it
MAX_SEQUENCE_ID: Final = 0xFF  # From 1; the controller takes 00 for none

_WORD: Final = re.compile(r"[0-9A-Za-z]+")
_LINE: Final = re.compile(r"\$([ -#%-)+-\]_-~]+)(?:([\^*])([0-9A-Fa-f]{2}))?")
_ID: Final = re.compile(r":([0-9A-Fa-f]{2})")
_NOTICES: Final = ("AT", "AB", "AN", "WF")


@dataclass(frozen=True, slots=True)
class Reply:
    """`$OK` or `$NK`, what follows it, and whether a checksum vouches for it.

    `sequence_id` is that of the command. The controller sends none when it could not
    read the command.
    """

    ok: bool
    words: tuple[str, ...] = ()
    sequence_id: int | None = None
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """What the controller says unasked.

    AT: its state changed; AB: it has booted; AN: the button; WF: a wish of the menu.
    """

    kind: str
    words: tuple[str, ...] = ()
    checked: bool = True


Message = Reply | Notice


def xor_checksum(characters: bytes) -> int:
    """Return the checksum that follows `^`."""
    return reduce(xor, characters, 0)


def additive_checksum(characters: bytes) -> int:
    """Return the checksum that follows `*`, of old firmware."""
    return sum(characters) & 0xFF


def build_command(*words: str, sequence_id: int | None = None) -> bytes:
    """Build a command; ValueError if the controller could not understand it."""
    for word in words:
        if not _WORD.fullmatch(word):
            raise ValueError(f"expected letters and digits, got {word!r}")
    text = "$" + " ".join(words)
    if sequence_id is not None:
        if not 1 <= sequence_id <= MAX_SEQUENCE_ID:
            raise ValueError(f"expected a sequence id from 1 to 255, got {sequence_id}")
        text += f" :{sequence_id:02X}"
    line = f"{text}^{xor_checksum(text.encode()):02X}".encode()
    if len(line) > MAX_COMMAND_CHARS:
        raise ValueError(
            f"expected at most {MAX_COMMAND_CHARS} characters, got {len(line)}"
        )
    return line + END


def parse_line(line: bytes) -> Message:
    """Parse one line without its end; raise FrameError if it is not a message."""
    match = _LINE.fullmatch(line.decode("latin-1"))
    if match is None:
        raise FrameError("expected $, words and a checksum")
    text, mark, digits = match.groups()
    if mark:
        compute = xor_checksum if mark == "^" else additive_checksum
        computed, received = compute(f"${text}".encode()), int(digits, 16)
        if computed != received:
            raise FrameError(f"expected checksum {computed:02X}, got {received:02X}")
    # Words stand exactly one space apart; a build for old hardware puts two in one
    # reply, which nobody here asks for.
    head, *words = text.split(" ")
    checked = bool(mark)
    if head in _NOTICES:
        return Notice(head, tuple(word for word in words if word), checked)
    if head not in ("OK", "NK"):
        raise FrameError("expected OK, NK or a notice")
    sequence_id = None
    if words and words[-1].startswith(":"):
        sequence_id = _parse_id(words.pop())
    return Reply(head == "OK", tuple(words), sequence_id, checked)


def _parse_id(word: str) -> int:
    match = _ID.fullmatch(word)
    if match is None or (sequence_id := int(match[1], 16)) == 0:
        raise FrameError(f"expected a sequence id, got {word!r}")
    return sequence_id


class LineParser:
    """Takes bytes as they come and gives messages; what is damaged is dropped."""

    def __init__(self) -> None:
        self._line = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that end in `data`."""
        messages = []
        for byte in data:
            if byte == START:
                # Whatever stood before this lost its end.
                self._line[:] = b"$"
            elif not self._line:
                continue  # Noise between lines
            elif byte == END[0]:
                messages += self._end()
            elif len(self._line) < MAX_LINE_BYTES:
                self._line.append(byte)
            else:
                self._line.clear()
        return messages

    def _end(self) -> list[Message]:
        line = bytes(self._line)
        self._line.clear()
        try:
            return [parse_line(line)]
        except FrameError:
            return []
