"""The end of the PC/SC driver on a real pcscd: quick, and nothing stays."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from drivers.readers.pcsc import PcscConfig, PcscReader
from tests.stack.pcsc_bench import (
    EVENT_S,
    UID,
    driver_threads,
    end_of_driver_threads,
    following,
    listen,
)
from tests.stack.virtual_card import Fault, VirtualCard

if TYPE_CHECKING:
    from tests.drivers.readers.listening import Events
    from tests.stack.pcscd import Pcscd

pytestmark = pytest.mark.stack


def test_closing_ends_the_threads(pcscd: Pcscd) -> None:
    """Closed while it waits, and while pcscd is away, the driver leaves no thread."""

    async def scenario(_: Events) -> None:
        assert driver_threads()

    listen(scenario)
    assert end_of_driver_threads()
    pcscd.stop()
    listen(scenario)
    assert end_of_driver_threads()


def test_cancelling_ends_the_threads(pcscd: Pcscd) -> None:
    """A cancelled consumer leaves no thread."""
    del pcscd

    async def consume(seen: asyncio.Event) -> None:
        async for _ in PcscReader(PcscConfig()).events():
            seen.set()

    async def scenario() -> None:
        seen = asyncio.Event()
        task = asyncio.create_task(consume(seen))
        await seen.wait()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())
    assert end_of_driver_threads()


def test_mute_card_does_not_hold_up_closing(pcscd: Pcscd) -> None:
    """The thread that a mute card blocks is left behind and ends with the card."""
    del pcscd

    card = VirtualCard(UID, fault=Fault.MUTE)

    async def scenario(_: Events) -> None:
        card.insert()
        assert await asyncio.to_thread(card.asked.wait, EVENT_S)

    try:
        listen(scenario)
        assert driver_threads()
    finally:
        card.remove()
    assert end_of_driver_threads()


def test_hanging_pcscd_does_not_hold_up_closing(pcscd: Pcscd) -> None:
    """Closing gives up on a pcscd that does not even cancel."""

    async def scenario() -> float:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            pcscd.pause()
            started = time.monotonic()
        return time.monotonic() - started

    try:
        assert asyncio.run(scenario()) < EVENT_S
    finally:
        pcscd.resume()
    assert end_of_driver_threads()
