"""The PC/SC reader driver on the real pcscd with virtual cards."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from drivers.errors import TransientDeviceError
from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderDown,
    ReaderEvent,
    ReaderUp,
    Technology,
)
from drivers.readers.pcsc import PcscConfig, PcscReader, list_readers
from drivers.readers.pcsc_codes import ScardError
from drivers.readers.pcsc_scard import Scard
from tests.stack import virtual_card
from tests.stack.virtual_card import Fault, VirtualCard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from tests.stack.pcscd import Pcscd, VirtualSlot

pytestmark = pytest.mark.stack

UID: Final = bytes.fromhex("04A1B2C3D4E5F6")
OTHER_UID: Final = bytes.fromhex("04998877665544")
EVENT_S: Final = 5.0
SHORT: Final = timedelta(seconds=0.5)


async def following(events: AsyncGenerator[ReaderEvent]) -> ReaderEvent:
    """Wait for the next event."""
    async with asyncio.timeout(EVENT_S):
        return await anext(events)


async def arrival(events: AsyncGenerator[ReaderEvent]) -> tuple[bytes, str]:
    """Expect a CardArrived; give its uid and slot."""
    event = await following(events)
    assert isinstance(event, CardArrived), event
    return event.uid, event.slot


async def departure(events: AsyncGenerator[ReaderEvent]) -> str:
    """Expect a CardLeft; give its slot."""
    event = await following(events)
    assert isinstance(event, CardLeft), event
    return event.slot


async def kinds(events: AsyncGenerator[ReaderEvent], count: int) -> list[type]:
    """Give the classes of the next events."""
    return [type(await following(events)) for _ in range(count)]


def driver_threads() -> list[threading.Thread]:
    """Give the driver's threads that run now."""
    return [t for t in threading.enumerate() if t.name.startswith("pcsc-")]


def end_of_driver_threads() -> bool:
    """Wait until the driver's threads have ended; False if one stays."""
    for thread in driver_threads():
        thread.join(EVENT_S)
    return not driver_threads()


@contextmanager
def held_exclusively(slot: VirtualSlot) -> Iterator[Callable[[], None]]:
    """Hold the card on `slot` as another program would; gives the call to let go."""
    library = Scard.load()._library
    _, context = library.SCardEstablishContext(library.SCARD_SCOPE_SYSTEM)
    deadline = time.monotonic() + EVENT_S
    while True:
        code, handle, _ = library.SCardConnect(
            context,
            slot.reader,
            library.SCARD_SHARE_EXCLUSIVE,
            library.SCARD_PROTOCOL_ANY,
        )
        if not code:
            break
        assert time.monotonic() < deadline, f"no card yet: 0x{code:X}"
        time.sleep(0.01)
    try:
        yield lambda: library.SCardDisconnect(handle, library.SCARD_LEAVE_CARD)
    finally:
        library.SCardReleaseContext(context)


def test_a_card_arrives_and_leaves(pcscd: Pcscd) -> None:
    """One arrival with the uid, one removal, and the reader's name on both."""
    slot = pcscd.slots[0]

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            assert await following(events) == ReaderUp(
                ", ".join(s.reader for s in pcscd.slots)
            )
            with VirtualCard(UID):
                arrived = await following(events)
            left = await following(events)
        assert isinstance(arrived, CardArrived)
        assert (arrived.uid, arrived.slot) == (UID, slot.reader)
        assert arrived.technology is Technology.ISO14443
        assert isinstance(left, CardLeft)
        assert left.slot == slot.reader
        assert arrived.at <= left.at <= time.monotonic()

    asyncio.run(scenario())


def test_card_that_lies_there_at_the_opening(pcscd: Pcscd) -> None:
    """Whoever looks at a reader first cannot tell when its card came; then one can."""
    slot = pcscd.slots[0]

    async def scenario() -> None:
        with VirtualCard(UID) as card:
            async with aclosing(PcscReader(PcscConfig()).events()) as events:
                await following(events)
                found = await following(events)
                card.remove()
                assert isinstance(await following(events), CardLeft)
                card.insert()
                came = await following(events)
        assert isinstance(found, CardArrived)
        assert isinstance(came, CardArrived)
        assert (found.slot, found.lying, came.lying) == (slot.reader, True, False)

    asyncio.run(scenario())


def test_two_slots_are_apart(pcscd: Pcscd) -> None:
    """Cards on two readers of one pattern arrive and leave each on its own slot."""
    first, second = pcscd.slots

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig("Virtual PCD*")).events()) as events:
            await following(events)
            with VirtualCard(UID, port=first.port):
                assert await arrival(events) == (UID, first.reader)
                with VirtualCard(OTHER_UID, port=second.port):
                    assert await arrival(events) == (OTHER_UID, second.reader)
                assert await departure(events) == second.reader
            assert await departure(events) == first.reader

    asyncio.run(scenario())


def test_iso15693_uid_is_turned(pcscd: Pcscd) -> None:
    """A uid that the reader gives as sent is told E0 first."""
    del pcscd
    uid = bytes.fromhex("E004010012345678")

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            with VirtualCard(uid[::-1], atr=virtual_card.ISO15693):
                arrived = await following(events)
            assert isinstance(arrived, CardArrived)
            assert arrived.uid == uid
            assert arrived.technology is Technology.ISO15693

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (VirtualCard(UID, fault=Fault.TORN), "torn"),
        (VirtualCard(UID, fault=Fault.MUTE), "does not answer"),
        (VirtualCard(UID, fault=Fault.REFUSING), "got 6A 81"),
        (VirtualCard(UID, atr=virtual_card.GARBAGE), "ATR"),
    ],
    ids=["torn", "mute", "refusing", "garbage ATR"],
)
def test_unreadable_card(pcscd: Pcscd, card: VirtualCard, reason: str) -> None:
    """A card without a uid is told of once, leaves, and the next card is read."""
    del pcscd
    config = PcscConfig(card_timeout=SHORT)

    async def scenario() -> None:
        async with aclosing(PcscReader(config).events()) as events:
            await following(events)
            with card:
                unreadable = await following(events)
            assert isinstance(unreadable, CardUnreadable)
            assert reason in unreadable.reason
            assert isinstance(await following(events), CardLeft)
            with VirtualCard(UID):
                assert (await arrival(events))[0] == UID

    asyncio.run(scenario())
    assert end_of_driver_threads()


def test_slow_card_is_read(pcscd: Pcscd) -> None:
    """A card may use all of its time."""
    del pcscd

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            with VirtualCard(UID, delay_s=0.3):
                assert (await arrival(events))[0] == UID

    asyncio.run(scenario())


def test_card_held_by_another_program(pcscd: Pcscd) -> None:
    """A card that another program keeps is unreadable, and the reason says so."""
    config = PcscConfig(card_timeout=SHORT)

    async def scenario() -> None:
        async with aclosing(PcscReader(config).events()) as events:
            await following(events)
            unreadable = await following(events)
            assert isinstance(unreadable, CardUnreadable)
            assert "another program holds the card" in unreadable.reason

    with VirtualCard(UID), held_exclusively(pcscd.slots[0]):
        asyncio.run(scenario())


def test_card_let_go_by_another_program(pcscd: Pcscd) -> None:
    """A card that another program lets go in time is read."""

    async def scenario(let_go: Callable[[], None]) -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            let_go()
            assert (await arrival(events))[0] == UID

    with VirtualCard(UID), held_exclusively(pcscd.slots[0]) as let_go:
        asyncio.run(scenario(let_go))


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

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
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

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_card_goes_during_a_restart(pcscd: Pcscd, end: str) -> None:
    """A card that is gone when the reader is back has left."""

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            with VirtualCard(UID):
                await arrival(events)
                getattr(pcscd, end)()
            pcscd.start()
            assert await kinds(events, 3) == [ReaderDown, ReaderUp, CardLeft]

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_card_changes_during_a_restart(pcscd: Pcscd, end: str) -> None:
    """Another card than before the restart is a tap."""

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            with VirtualCard(UID):
                await arrival(events)
                getattr(pcscd, end)()
            pcscd.start()
            with VirtualCard(OTHER_UID):
                assert await kinds(events, 3) == [ReaderDown, ReaderUp, CardLeft]
                assert (await arrival(events))[0] == OTHER_UID

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_without_a_card(pcscd: Pcscd, end: str) -> None:
    """After a restart the reader goes down and up once, and reads cards again."""

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            getattr(pcscd, end)()
            pcscd.start()
            assert await kinds(events, 2) == [ReaderDown, ReaderUp]
            with VirtualCard(UID):
                assert (await arrival(events))[0] == UID

    asyncio.run(scenario())
    assert end_of_driver_threads()


def test_no_reader_matches(pcscd: Pcscd) -> None:
    """The reason names the readers that are there."""

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig("ACS *")).events()) as events:
            down = await following(events)
            assert isinstance(down, ReaderDown)
            assert "no PC/SC reader matches 'ACS *'" in down.reason
            assert all(slot.reader in down.reason for slot in pcscd.slots)

    asyncio.run(scenario())


def test_closing_ends_the_threads(pcscd: Pcscd) -> None:
    """Closed while it waits, and while pcscd is away, the driver leaves no thread."""

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            assert driver_threads()

    asyncio.run(scenario())
    assert end_of_driver_threads()
    pcscd.stop()
    asyncio.run(scenario())
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

    async def scenario(card: VirtualCard) -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            await following(events)
            card.insert()
            assert await asyncio.to_thread(card.asked.wait, EVENT_S)

    card = VirtualCard(UID, fault=Fault.MUTE)
    try:
        asyncio.run(scenario(card))
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


def test_alive_at_follows_the_watcher(pcscd: Pcscd) -> None:
    """The proof of life is renewed with every round, and gone when closed."""
    del pcscd
    reader = PcscReader(PcscConfig())

    async def scenario() -> None:
        async with aclosing(reader.events()) as events:
            await following(events)
            before = reader.alive_at()
            assert before is not None
            with VirtualCard(UID):
                await arrival(events)
            await following(events)
            after = reader.alive_at()
            assert after is not None
            assert before < after <= time.monotonic()

    assert reader.alive_at() is None
    asyncio.run(scenario())
    assert reader.alive_at() is None


def test_list_readers(pcscd: Pcscd) -> None:
    """The readers are named while pcscd runs; without it, the error says what to do."""
    assert sorted(list_readers()) == [slot.reader for slot in pcscd.slots]
    pcscd.stop()
    with pytest.raises(ScardError, match="systemctl start pcscd") as caught:
        list_readers()
    assert isinstance(caught.value, TransientDeviceError)
