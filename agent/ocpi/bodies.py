"""The body of an answer, unpacked, in a bounded amount of memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What we ask for: the only packing that `read_body` can undo.
ACCEPT_ENCODING: Final = "gzip"

_GZIP: Final = 31  # zlib's wbits for a gzip header and the largest window
_STEP_BYTES: Final = 64 * 1024
_MAX_MEMBERS: Final = 1000
_MAX_DIGITS: Final = 20


class BodyError(Exception):
    """The body cannot be read; internal to the transport."""


async def read_body(answer: httpx.Response, max_bytes: int) -> bytes:
    """Read and unpack the whole body; raise BodyError if it is damaged or too long.

    Memory is bounded by `max_bytes` whatever comes, and so is what is read.
    """
    is_packed = _is_packed(answer.headers.get("content-encoding", ""))
    if _declares_more(answer.headers, max_bytes):
        raise _too_long(max_bytes)
    unpacker = Gunzip() if is_packed else None
    # One growing buffer: a list of a million small pieces would weigh many times more.
    body = bytearray()
    room = 2 * max_bytes
    stream = answer.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise BodyError("expected a body that arrives piece by piece")
    async for raw in stream:
        # What is packed takes less room, but empty members could go on for ever.
        room -= len(raw)
        if room < 0:
            raise _too_long(max_bytes)
        for piece in [raw] if unpacker is None else unpacker.feed(raw):
            body += piece
            if len(body) > max_bytes:
                raise _too_long(max_bytes)
    if unpacker is not None:
        unpacker.finish()
    return bytes(body)


class Gunzip:
    """Unpacks gzip as it arrives, several members in a row included (RFC 1952)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._is_inside = False
        self._members = 0

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """Yield what `raw` holds in small pieces; raise BodyError if it is no gzip."""
        # What is left to give out when all is taken in comes with the next bytes; the
        # last of a member are not taken in before.
        while raw:
            if not self._is_inside:
                self._start()
            try:
                piece = self._member.decompress(raw, _STEP_BYTES)
            except zlib.error as err:
                raise BodyError("expected gzip, got something else") from err
            self._is_inside = not self._member.eof
            raw = self._member.unconsumed_tail or self._member.unused_data
            if piece:
                yield piece

    def _start(self) -> None:
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise BodyError(f"expected at most {_MAX_MEMBERS} gzip members, got more")
        self._member = zlib.decompressobj(_GZIP)
        self._is_inside = True

    def finish(self) -> None:
        """Raise BodyError if something is missing."""
        if self._is_inside:
            raise BodyError("expected a whole gzip body, got the beginning of one")


def _is_packed(content_encoding: str) -> bool:
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    match [coding for coding in codings if coding not in {"", "identity"}]:
        case []:
            return False
        case ["gzip" | "x-gzip"]:
            return True
        case others:
            raise BodyError(
                f"expected a body packed with {ACCEPT_ENCODING} or not at all, "
                f"got Content-Encoding {', '.join(others)}"
            )


def _declares_more(headers: httpx.Headers, max_bytes: int) -> bool:
    declared = headers.get("content-length", "")
    # Python refuses to read numbers of thousands of digits.
    return declared.isdecimal() and (
        len(declared) > _MAX_DIGITS or int(declared) > max_bytes
    )


def _too_long(max_bytes: int) -> BodyError:
    # Without its commas a long number would be taken for a card's, and not be shown.
    return BodyError(
        f"expected at most {max_bytes:,} bytes, got more; "
        "ask the backend to send smaller pages"
    )
