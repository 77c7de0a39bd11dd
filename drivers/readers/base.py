"""The Reader port: an async stream of what happens at a card reader."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from drivers.driver import Driver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Technology(StrEnum):
    """What kind of card was read; it decides which uid lengths are possible."""

    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    EM4100 = "EM4100"


@dataclass(frozen=True, slots=True)
class CardArrived:
    """A card came into the field and was read, once per arrival.

    `uid` is byte 0 first (ISO/IEC 14443-3 order), of whatever length the card
    gave; `slot` tells the antennas of one reader apart; `at` is monotonic seconds.
    `lying` says that it was there already, or may have been, when the reader was
    first looked at.
    """

    uid: bytes
    technology: Technology
    at: float
    slot: str = ""
    lying: bool = False

    def __repr__(self) -> str:
        """Name everything but the card number."""
        return f"CardArrived({self.technology}, {len(self.uid)} bytes, at={self.at})"


@dataclass(frozen=True, slots=True)
class CardUnreadable:
    """A card came into the field and gave no uid: torn, mute or unknown."""

    reason: str
    at: float
    slot: str = ""


@dataclass(frozen=True, slots=True)
class CardLeft:
    """The card left the field; follows every CardArrived and CardUnreadable."""

    at: float
    slot: str = ""


@dataclass(frozen=True, slots=True)
class ReaderUp:
    """The reader is ready for cards; `device` is its own name for the logs.

    Said again when there is more to say of it, such as that its bytes make no sense.
    """

    device: str


@dataclass(frozen=True, slots=True)
class ReaderDown:
    """The reader cannot see cards until the next ReaderUp; the driver keeps trying."""

    reason: str


ReaderEvent = CardArrived | CardUnreadable | CardLeft | ReaderUp | ReaderDown


class Reader(Driver):
    """One configured card reader."""

    @abstractmethod
    def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield events until closed; raise a DriverError when reopening is needed.

        Called again after a failure, so it opens what it needs and its `finally`
        releases all of it.
        """

    def alive_at(self) -> float | None:
        """Monotonic seconds of the last proof of life, None if no thread can hang."""
        return None
