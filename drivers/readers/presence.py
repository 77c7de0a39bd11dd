"""Which card lies on a reader that sees no more than one at a time; pure.

Readers report a card that is held again and again, miss it now and then, and take
turns between two cards that are held together. Here a card is told of once, until it
was unseen for `held_for_s`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.readers.base import CardArrived, CardLeft, CardUnreadable, ReaderEvent

if TYPE_CHECKING:
    from drivers.readers.formats.framing import CardReport


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
        self._unreadable = False

    def connected(self, at: float) -> None:
        """The reader is there, or there again: what was held may still be."""
        if self._first_up_at is None:
            self._first_up_at = at
        self._unseen_since = dict.fromkeys(self._unseen_since, at)

    def saw(self, card: CardReport, at: float) -> list[ReaderEvent]:
        """The reader reported this card."""
        self._unreadable = False
        # This card may have been missed once, and nobody has looked since.
        events = self._forget(at, but=card)
        for other, since in self._unseen_since.items():
            if other != card and since is None:
                self._unseen_since[other] = at
        new = card not in self._unseen_since
        self._unseen_since[card] = None
        if not new:
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

    def leaves_at(self) -> float | None:
        """When the card that was told of has left unless it is seen before."""
        since = self._unseen_since.get(self._told) if self._told else None
        return None if since is None else since + self._held_for_s

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
