"""What one PC/SC reader has told of its field, as events in strict alternation; pure.

A restart of pcscd must not look like a tap, for a tap may end somebody's charging.
So a card that was told of is not taken back when its reader goes away. Its CardLeft
comes once the reader is back and shows an empty field, or another card; the same card
is not told of again, not even if it was lifted and laid back unseen. If the reader
stays away, so does the CardLeft.
"""

from __future__ import annotations

from drivers.readers.base import CardArrived, CardLeft, CardUnreadable, ReaderEvent


class Slot:
    """The events of the reader `name`; each method takes one input and returns them.

    `reading`: a card lies there whose reading is wanted. `in_doubt`: the reader was
    away, and a card that was told of may still lie there.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reading = False
        self.in_doubt = False
        self._told: CardArrived | CardUnreadable | None = None

    @property
    def holds_card(self) -> bool:
        """Whether a CardLeft is still owed."""
        return self._told is not None

    def lost(self) -> None:
        """The reader went away."""
        self.reading = False
        self.in_doubt = self.holds_card

    def inserted(self) -> None:
        """A card lies in the field."""
        self.reading = True
        self.in_doubt = False

    def read(self, card: CardArrived | CardUnreadable) -> list[ReaderEvent]:
        """The reading that was wanted ended."""
        self.reading = False
        told, self._told = self._told, card
        match told, card:
            case None, _:
                return [card]
            case CardArrived(uid=before), CardArrived(uid=now) if before == now:
                return []
            case _, CardUnreadable():
                self._told = told  # Nothing proves that it is another card
                return []
        return [CardLeft(card.at, self.name), card]

    def emptied(self, at: float) -> list[ReaderEvent]:
        """No card lies in the field, unless `in_doubt`: then it may not be felt yet."""
        if self.in_doubt:
            return []
        reading, self.reading = self.reading, False
        told, self._told = self._told, None
        if told:
            return [CardLeft(at, self.name)]
        if reading:
            torn = "torn: the card left the field before it was read; hold it still"
            return [CardUnreadable(torn, at, self.name), CardLeft(at, self.name)]
        return []

    def still_empty(self, at: float) -> list[ReaderEvent]:
        """End the doubt: the card would have been felt by now."""
        self.in_doubt = False
        return self.emptied(at)
