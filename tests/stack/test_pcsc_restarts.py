"""The PC/SC driver while pcscd starts, stops and is killed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from drivers.readers.base import CardLeft, ReaderDown, ReaderUp
from drivers.readers.pcsc import PcscConfig, PcscReader
from tests.stack.pcsc_bench import (
    EVENT_S,
    OTHER_UID,
    UID,
    arrival,
    end_of_driver_threads,
    following,
    kinds,
    listen,
)
from tests.stack.virtual_card import VirtualCard

if TYPE_CHECKING:
    from tests.drivers.readers.listening import Events
    from tests.stack.pcscd import Pcscd

pytestmark = pytest.mark.stack


def test_pcscd_comes_later(pcscd: Pcscd) -> None:
    """Without pcscd the reader is down once, with advice, and up when it starts."""
    pcscd.stop()

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            down = await following(events)
            assert isinstance(down, ReaderDown)
            assert "systemctl start pcscd" in down.reason
            pcscd.start()
            assert isinstance(await following(events), ReaderUp)
            with VirtualCard(UID):
                assert (await arrival(events))[0] == UID

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_under_a_resting_card(pcscd: Pcscd, end: str) -> None:
    """The same card is no second tap, and its removal is still told."""

    async def scenario(events: Events) -> None:
        with VirtualCard(UID) as card:
            await arrival(events)
            getattr(pcscd, end)()
            assert await kinds(events, 1) == [ReaderDown]
            pcscd.start()
            card.insert()
            assert await kinds(events, 1) == [ReaderUp]
            assert await asyncio.to_thread(card.asked.wait, EVENT_S)
        assert await kinds(events, 1) == [CardLeft]
        with VirtualCard(UID):
            assert (await arrival(events))[0] == UID

    listen(scenario)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_card_goes_during_a_restart(pcscd: Pcscd, end: str) -> None:
    """A card that is gone when the reader is back has left."""

    async def scenario(events: Events) -> None:
        with VirtualCard(UID):
            await arrival(events)
            getattr(pcscd, end)()
        pcscd.start()
        assert await kinds(events, 3) == [ReaderDown, ReaderUp, CardLeft]

    listen(scenario)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_card_changes_during_a_restart(pcscd: Pcscd, end: str) -> None:
    """Another card than before the restart is a tap."""

    async def scenario(events: Events) -> None:
        with VirtualCard(UID):
            await arrival(events)
            getattr(pcscd, end)()
        pcscd.start()
        with VirtualCard(OTHER_UID):
            assert await kinds(events, 3) == [ReaderDown, ReaderUp, CardLeft]
            assert (await arrival(events))[0] == OTHER_UID

    listen(scenario)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_without_a_card(pcscd: Pcscd, end: str) -> None:
    """After a restart the reader goes down and up once, and reads cards again."""

    async def scenario(events: Events) -> None:
        getattr(pcscd, end)()
        pcscd.start()
        assert await kinds(events, 2) == [ReaderDown, ReaderUp]
        with VirtualCard(UID):
            assert (await arrival(events))[0] == UID

    listen(scenario)
    assert end_of_driver_threads()
