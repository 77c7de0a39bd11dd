"""Cutting frames out of bytes that arrive in any fragments; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.base import Technology

# A frame of 20 bytes lasts 20 ms at 9600 baud. What stands half for so long has lost
# its other half.
HALF_FRAME_S: Final = 0.2
# What was not gone on with for so long was noise, and no beginning of what comes now.
# Until then it may have been held up: by a network, or by ourselves.
FORGET_S: Final = 10.0

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class CardReport:
    """One card as a reader reported it; `uid` is byte 0 first, of any length."""

    uid: bytes
    technology: Technology

    def __repr__(self) -> str:
        """Name everything but the card number."""
        return f"CardReport({self.technology}, {len(self.uid)} bytes)"


class Codec(Protocol):
    """What understands a reader that reports by itself."""

    def feed(self, data: bytes, at: float) -> list[CardReport]:
        """Take the next bytes, read at `at` monotonic seconds; return what they end.

        Bytes that make no valid frame are dropped, and the next frame is found.
        """


@dataclass(frozen=True, slots=True)
class Cut(Generic[F]):
    """The first `length` bytes are done with: they were a frame, or garbage."""

    length: int
    frame: F | None = None


class Deframer(Generic[F]):
    """Calls `cut` as long as it takes something off the bytes that have come.

    `cut` gets at least one byte and returns None when the frame that they may begin
    has to wait for more. A half frame is dropped after HALF_FRAME_S without a byte.
    """

    def __init__(self, cut: Callable[[bytes], Cut[F] | None]) -> None:
        self._cut = cut
        self._tail = b""
        self._last_at = 0.0

    def feed(self, data: bytes, at: float) -> list[F]:
        """Take the next bytes, read at `at` monotonic seconds; return whole frames."""
        if not data:
            return []
        if at - self._last_at > HALF_FRAME_S:
            self.reset()
        self._last_at = at
        self._tail += data
        frames = []
        while self._tail and (cut := self._cut(self._tail)):
            self._tail = self._tail[cut.length :]
            if cut.frame is not None:
                frames.append(cut.frame)
        return frames

    def reset(self) -> None:
        """Drop what stands half."""
        self._tail = b""
