"""Which card lies on a reader that sees no more than one at a time; pure.

Readers report a card that is held again and again, miss it now and then, and take
turns between two cards that are held together. Here a card is told of once, until it
was unseen for `held_for_s`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from drivers.readers.base import CardArrived, CardLeft, CardUnreadable, ReaderEvent

if TYPE_CHECKING:
    from drivers.readers.formats.framing import CardReport

#: More cards at a time are held up by nobody: it is noise that looks like numbers, and
#: each of them would be a tap, perhaps with somebody's number.
MOST_CARDS: Final = 8
#: Without such noise for so long, cards are believed again.
NOISE_S: Final = 10.0
NOISE: Final = (
    f"over {MOST_CARDS} different numbers at once are noise; cards are believed again "
    f"after {NOISE_S:g} s without"
)


class Presence:
    """Arrivals and leavings, in strict alternation; moments are monotonic seconds.

    It outlives the connection. A card that was told of is not taken back when its
    reader goes away: a bad plug must not look like a tap, which may end somebody's
    charging. Its CardLeft comes once the reader is back and does not see it.
    """

    def __init__(self, held_for_s: float) -> None:
        self._held_for_s = held_for_s
        self._told: CardReport | None = None
        #: Since when each card about is unseen, None while it is seen.
        self._unseen_since: dict[CardReport, float | None] = {}
        self._first_up_at: float | None = None
        self._connected_at = -inf
        self._unreadable = False
        self._noisy_until = -inf

    def connected(self, at: float) -> None:
        """The reader is there, or there again: what was held may still be."""
        if self._first_up_at is None:
            self._first_up_at = at
        # But not what was not seen all the last time that it was there.
        before, self._connected_at = self._connected_at, at
        self._unseen_since = {
            card: at
            for card, since in self._unseen_since.items()
            if card == self._told or since != before
        }

    def saw(self, card: CardReport, at: float) -> list[ReaderEvent]:
        """The reader reported this card."""
        self._unreadable = False
        # This card may have been missed once, and nobody has looked since.
        events = self._forget(at, but=card)
        for other, since in self._unseen_since.items():
            if other != card and since is None:
                self._unseen_since[other] = at
        new = card not in self._unseen_since
        if new and len(self._unseen_since) >= MOST_CARDS:
            return events + self._drown(at)
        self._unseen_since[card] = None
        if not new or self.is_noisy(at):
            return events
        if self._told:
            events.append(CardLeft(at))
        self._told = card
        first = self._first_up_at
        lying = first is not None and at - first < self._held_for_s
        events.append(CardArrived(card.uid, card.technology, at, lying=lying))
        return events

    def unseen(self, at: float) -> list[ReaderEvent]:
        """The reader sees no card at this moment."""
        self._unreadable = False
        for card, since in self._unseen_since.items():
            if since is None:
                self._unseen_since[card] = at
        return self._forget(at)

    def unreadable(self, reason: str, at: float) -> list[ReaderEvent]:
        """The reader sees a card that gives no uid; it is told of once."""
        known = self._unreadable or self._told is not None
        self._unreadable = True
        # Nothing proves that it is another card than the one that was told of.
        return [] if known else [CardUnreadable(reason, at), CardLeft(at)]

    def is_noisy(self, at: float) -> bool:
        """Whether no number is believed at this moment."""
        return at < self._noisy_until

    def leaves_at(self) -> float | None:
        """When the card that was told of has left unless it is seen before."""
        since = self._unseen_since.get(self._told) if self._told else None
        return None if since is None else since + self._held_for_s

    def _drown(self, at: float) -> list[ReaderEvent]:
        """Believe no number for a while, and tell so once."""
        is_known = self.is_noisy(at)
        self._noisy_until = at + NOISE_S
        if is_known:
            return []
        left: list[ReaderEvent] = [CardLeft(at)] if self._told else []
        self._told = None
        return [*left, CardUnreadable(NOISE, at), CardLeft(at)]

    def _forget(self, at: float, but: CardReport | None = None) -> list[ReaderEvent]:
        """Give up what was unseen for too long."""
        self._unseen_since = {
            card: since
            for card, since in self._unseen_since.items()
            if since is None or at < since + self._held_for_s or card == but
        }
        if self._told and self._told not in self._unseen_since:
            self._told = None
            return [CardLeft(at)]
        return []
