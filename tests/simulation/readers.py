"""The card readers, and every card that was held to one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.cards import Card
    from tests.simulation.sockets import Socket


@dataclass(eq=False, slots=True)
class Tap:
    """A card that a reader has read; `life` is the number of the agent's run."""

    at: float
    reader: str
    card: Card
    life: int
    #: A socket was there for whoever may charge.
    room: bool = False
    tap_id: str | None = None
    outcomes: list[str] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)


class CardReader:
    """A reader and the sockets it serves; it is dark while nobody listens."""

    def __init__(self, name: str, sockets: list[Socket]) -> None:
        self.name = name
        self.sockets = sockets
        self.signal: str | None = None
        #: What the agent's driver has open, None while it is dark or broken.
        self.opened: asyncio.Queue[Card | Exception | None] | None = None
        self.lying: Card | None = None
        self.in_use = asyncio.Lock()

    @property
    def is_lit(self) -> bool:
        """Whether a person would hold a card to it."""
        return self.opened is not None

    async def hold(self, card: Card, for_s: float) -> bool:
        """Hold a card to it for a while; say whether it may have been read."""
        async with self.in_use:
            self.lying = card
            was_lit = self.opened is not None
            if self.opened is not None:
                self.opened.put_nowait(card)
            await asyncio.sleep(for_s)
            self.lying = None
            if self.opened is not None:
                self.opened.put_nowait(None)
            # Nobody is quicker than this with the next card.
            await asyncio.sleep(0.2)
            return was_lit
