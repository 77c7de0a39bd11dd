"""One slot with the reading that runs for it; used in the loop's thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.readers.pcsc_slot import Slot
from drivers.readers.pcsc_states import Edge, is_later

if TYPE_CHECKING:
    import asyncio

    from drivers.readers.pcsc_card import Reading
    from drivers.readers.pcsc_watcher import Edges


class Field:
    """A slot, with the reading and the deadline that run for it."""

    def __init__(self, name: str) -> None:
        self.slot = Slot(name)
        self.reading: Reading | None = None
        self.deadline: asyncio.TimerHandle | None = None
        #: The card was there, as far as we know, before we were.
        self.lying = False
        #: Up to where the watcher has told what happened, as pcscd counts.
        self.count = 0
        #: When the card was read, if the watcher had not told of it by then.
        self.read_at: int | None = None
        self._begun: list[Reading] = []

    @property
    def running(self) -> int:
        """How many readings have not ended, those of cards that left included."""
        self._begun = [reading for reading in self._begun if reading.runs]
        return len(self._begun)

    def is_old(self, news: Edges) -> bool:
        """Whether the card that was told of came with what is told now, or later.

        The watcher comes late when a mute card lies on any reader: then the library of
        pcscd waits 0.4 s, and tells what was before.
        """
        if self.read_at is None or news.edges == (Edge.LOST,):
            return False
        return not is_later(news.count, self.read_at)

    def begin(self, reading: Reading, deadline: asyncio.TimerHandle) -> None:
        """Run a reading until the deadline."""
        self.reading, self.deadline = reading, deadline
        self._begun.append(reading)
        reading.start()

    def rest(self) -> None:
        """Let nothing run."""
        if self.reading:
            self.reading.cancel()
        if self.deadline:
            self.deadline.cancel()
        self.reading = self.deadline = None
