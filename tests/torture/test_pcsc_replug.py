"""PC/SC readers that are pulled out and put back in the middle of what they do."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final

import pytest

from drivers.readers.base import (
    CardArrived,
    CardLeft,
    ReaderDown,
    ReaderEvent,
    ReaderUp,
)
from drivers.readers.pcsc import PcscConfig, PcscReader
from tests.stack.eight import nothing_left_behind, signals_everywhere
from tests.stack.pcsc_bench import EVENT_S, following
from tests.stack.pcscd import run_pcscd
from tests.stack.virtual_card import VirtualCard
from tests.torture.crowd import SCALE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from tests.stack.pcscd import Pcscd

pytestmark = [pytest.mark.stack, pytest.mark.timeout(60 * SCALE)]

#: `make torture` makes a hundred of them and more.
REPLUGS: Final = 10 * SCALE
#: More than all of a test's cards take together; who waits for it is cut off.
NEVER_S: Final = 3600.0


@pytest.fixture
def pcscd(tmp_path: Path) -> Iterator[Pcscd]:
    """Run pcscd with two slots."""
    with run_pcscd(tmp_path / "pcscd") as running:
        yield running


class Replugging:
    """Ways to lose a reader; each leaves a card on it, `held`, which was told of."""

    def __init__(self, pcscd: Pcscd, events: AsyncGenerator[ReaderEvent]) -> None:
        self.held: VirtualCard | None = None
        self._pcscd = pcscd
        self._events = events
        self._number = 0

    async def stop_under_a_card(self) -> None:
        """End pcscd in order; the card that lies there all the time is no tap."""
        held = self.held or await self._arrive()
        await asyncio.to_thread(self._pcscd.stop)
        await self._return(held)
        # It is read, and nothing told of it: the next event is another's.
        assert await asyncio.to_thread(held.asked.wait, EVENT_S)

    async def kill_while_a_card_is_read(self) -> None:
        """End pcscd at once, between the question for a uid and its answer."""
        await self._leave()
        card = self._next_card(delay_s=NEVER_S)
        await asyncio.to_thread(card.insert)
        assert await asyncio.to_thread(card.asked.wait, EVENT_S)
        await asyncio.to_thread(self._pcscd.kill)
        await asyncio.to_thread(card.remove)
        await self._return(self._next_card(card.uid))
        await self._expect_arrival()

    async def swap_cards_meanwhile(self) -> None:
        """Pull the readers out, and put them back with another card."""
        held = self.held or await self._arrive()
        await asyncio.to_thread(self._pcscd.unplug)
        await asyncio.to_thread(held.remove)
        await self._expect_down("no PC/SC reader matches")
        await asyncio.to_thread(self._pcscd.stop)
        await self._return(self._next_card())
        assert isinstance(await following(self._events), CardLeft)
        await self._expect_arrival()

    async def _arrive(self) -> VirtualCard:
        card = self.held = self._next_card()
        await asyncio.to_thread(card.insert)
        await self._expect_arrival()
        return card

    async def _leave(self) -> None:
        if self.held:
            await asyncio.to_thread(self.held.remove)
            self.held = None
            assert isinstance(await following(self._events), CardLeft)

    async def _return(self, card: VirtualCard) -> None:
        """Start pcscd with a card on its reader."""
        await asyncio.to_thread(self._pcscd.start)
        await asyncio.to_thread(card.insert)
        self.held = card
        event = await following(self._events)
        while isinstance(event, ReaderDown):
            event = await following(self._events)
        assert isinstance(event, ReaderUp), event

    async def _expect_down(self, reason: str) -> None:
        event = await following(self._events)
        while isinstance(event, ReaderDown) and reason not in event.reason:
            event = await following(self._events)
        assert isinstance(event, ReaderDown), event

    async def _expect_arrival(self) -> None:
        event = await following(self._events)
        assert isinstance(event, CardArrived), event
        assert self.held is None or event.uid == self.held.uid

    def _next_card(self, uid: bytes = b"", delay_s: float = 0.0) -> VirtualCard:
        self._number += 1
        numbered = b"\x04" + self._number.to_bytes(6, "big")
        return VirtualCard(uid or numbered, delay_s=delay_s)


def test_readers_that_come_and_go_lose_no_card_and_leak_nothing(pcscd: Pcscd) -> None:
    """However often, at whatever moment, and with signals shown all the time."""

    async def scenario() -> None:
        async with (
            aclosing(PcscReader(PcscConfig()).events()) as events,
            signals_everywhere(),
        ):
            assert isinstance(await following(events), ReaderUp)
            replugging = Replugging(pcscd, events)
            ways = (
                replugging.stop_under_a_card,
                replugging.kill_while_a_card_is_read,
                replugging.swap_cards_meanwhile,
            )
            try:
                for lose_reader in islice(cycle(ways), REPLUGS):
                    await lose_reader()
            finally:
                if replugging.held:
                    replugging.held.remove()

    with nothing_left_behind():
        asyncio.run(scenario())
