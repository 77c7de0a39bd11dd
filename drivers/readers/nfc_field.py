"""What one look after the other says about the card on an NFC adapter; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.readers.base import Technology
from drivers.readers.formats.framing import CardReport
from drivers.readers.presence import Presence
from drivers.readers.uids import UID_LENGTHS, find_flaw

if TYPE_CHECKING:
    from drivers.readers.base import ReaderEvent

PUPI_LENGTH: Final = 4  # ISO/IEC 14443-3, type B
# First byte of a 4-byte uid that is drawn at power-on: 08 by ISO/IEC 14443-3, 80 of
# DESFire cards that are set up so. Some cards of a fixed uid begin with 80 as well.
RANDOM_UIDS: Final = (0x08, 0x80)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The card that one look found: the uid of type A, or the PUPI of type B."""

    uid: bytes
    is_type_b: bool = False

    @property
    def problem(self) -> str:
        """Say what is wrong with the number, if anything is."""
        if self.is_type_b:
            size = len(self.uid)
            return "" if size == PUPI_LENGTH else f"expected a PUPI, got {size} bytes"
        return find_flaw(self.uid)

    def __repr__(self) -> str:
        """Name everything but the card number."""
        return f"Sighting({len(self.uid)} bytes, is_type_b={self.is_type_b})"


class Field:
    """Arrivals and leavings at an adapter; moments are monotonic seconds.

    nfcpy switches the field off before each look, so a card that draws its number at
    power-on has another one each time. It is told of once, by its first number.
    """

    def __init__(self, held_for_s: float) -> None:
        self._held_for_s = held_for_s
        self._presence = Presence(held_for_s)
        self._changing: _Changing | None = None

    def connected(self, at: float) -> None:
        """The adapter is there, or there again."""
        self._presence.connected(at)
        if self._changing:
            self._changing.seen_at = at

    def looked(self, sighting: Sighting | None, at: float) -> list[ReaderEvent]:
        """Take what a look found that began at this moment."""
        if sighting is None:
            return self._presence.unseen(at)
        if sighting.problem:
            return self._presence.unreadable(sighting.problem, at)
        report = CardReport(self._number(sighting, at), Technology.ISO14443)
        return self._presence.saw(report, at)

    def _number(self, sighting: Sighting, at: float) -> bytes:
        """Return the number by which this card was told of."""
        known = self._changing
        if known and at < known.seen_at + self._held_for_s and known.may_be(sighting):
            known.see(sighting, at)
            return known.uid
        if sighting.is_type_b or _is_random(sighting):
            self._changing = _Changing(sighting, at)
        return sighting.uid


class _Changing:
    """A card that draws its number anew each time, as far as is known."""

    def __init__(self, sighting: Sighting, at: float) -> None:
        self.uid = sighting.uid
        self.seen_at = at
        self._is_type_b = sighting.is_type_b
        #: Seen twice, so no other number can be its.
        self._is_fixed = False

    def may_be(self, sighting: Sighting) -> bool:
        """Whether this sighting can be of the same card."""
        if sighting.is_type_b != self._is_type_b:
            return False
        if sighting.uid == self.uid:
            return True
        return not self._is_fixed and (sighting.is_type_b or _is_random(sighting))

    def see(self, sighting: Sighting, at: float) -> None:
        """Note another sighting of it."""
        self.seen_at = at
        self._is_fixed = sighting.uid == self.uid


def _is_random(sighting: Sighting) -> bool:
    return len(sighting.uid) == UID_LENGTHS[0] and sighting.uid[0] in RANDOM_UIDS
