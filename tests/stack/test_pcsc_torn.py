"""Cards that leave at any point of what the real pcscd exchanges with them."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from contextlib import aclosing
from enum import Enum, auto
from itertools import product
from typing import TYPE_CHECKING, Final

import pytest

from drivers.readers import pcsc_card
from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderDown,
    ReaderUp,
)
from drivers.readers.pcsc import PcscConfig, PcscReader
from drivers.readers.pcsc_scard import Scard
from drivers.readers.pcsc_states import EMPTY
from tests.stack import virtual_card
from tests.stack.eight import eight_slots, nothing_left_behind
from tests.stack.pcsc_bench import EVENT_S, following
from tests.stack.virtual_card import VirtualCard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
    from pathlib import Path

    from drivers.readers.base import ReaderEvent
    from tests.stack.eight import Story
    from tests.stack.pcscd import Pcscd, VirtualSlot

pytestmark = pytest.mark.stack


class At(Enum):
    """What pcscd wants of a card when it leaves; in this order."""

    PRESENCE = auto()
    POWER_ON = auto()
    ATR = auto()
    UID = auto()
    STILL_THERE = auto()


class Leaves(Enum):
    """When it leaves."""

    BEFORE = auto()  # The answer
    AMID = auto()
    AFTER = auto()


POLL_S: Final = 0.45  # A little more than between two looks of pcscd at a field
#: For each of eight mute cards the library of pcscd waits for one look.
LATE_S: Final = 8 * POLL_S
POINTS: Final = list(product(At, Leaves))


class LeavingCard(VirtualCard):
    """A card that leaves by itself."""

    def __init__(self, uid: bytes, port: int, at: At, leaves: Leaves) -> None:
        super().__init__(uid, port=port)
        self.has_left = threading.Event()
        self._at = at
        self._leaves = leaves
        self._reached = At.PRESENCE

    def _answer(self, message: bytes) -> bytes | None:
        answer = super()._answer(message)
        if self._notice(message) is not self._at:
            return answer
        if answer and self._socket and self._leaves is not Leaves.BEFORE:
            frame = struct.pack(">H", len(answer)) + answer
            amid = self._leaves is Leaves.AMID
            self._socket.sendall(frame[:-3] if amid else frame)
        self.has_left.set()
        raise EOFError

    def _notice(self, message: bytes) -> At:
        """Say what this message is for; presence and ATR are asked for alike."""
        match message, self._reached:
            case virtual_card.POWER_ON, _:
                self._reached = At.POWER_ON
            case virtual_card.GET_ATR, At.POWER_ON:
                self._reached = At.ATR
            case virtual_card.GET_ATR, At.UID:
                self._reached = At.STILL_THERE
            case _ if message.startswith(virtual_card.GET_UID):
                self._reached = At.UID
        return self._reached


@pytest.fixture
def pcscd(tmp_path: Path) -> Iterator[Pcscd]:
    """Run pcscd with eight slots."""
    with eight_slots(tmp_path) as running:
        yield running


def wait_until_empty(slot: VirtualSlot) -> None:
    """Wait until pcscd has noticed that no card lies there; it misses quick swaps."""
    scard = Scard.load()
    with scard.context() as context:
        word = 0
        while not word & EMPTY:
            word = scard.wait(context, EVENT_S, [(slot.reader, word)])[slot.reader]


def lay_on_for_a_moment(card: LeavingCard, slot: VirtualSlot) -> None:
    """Return when the card has left, and pcscd knows."""
    with card:
        assert card.has_left.wait(EVENT_S)
    # It may not have told of the card yet.
    time.sleep(POLL_S)
    wait_until_empty(slot)


def stories_of(card: LeavingCard, at: At, leaves: Leaves) -> list[Story]:
    """Give what may be told of a card: nothing if it was never seen."""
    read: Story = [card.uid, "left"]
    unread: Story = ["unreadable", "left"]
    match at, leaves:
        case At.STILL_THERE, _:
            return [read]
        case At.UID, Leaves.AFTER:
            return [read]
        case At.UID, _:
            return [unread]
        case _:
            return [[], unread]


class Slot:
    """What is told of one slot."""

    def __init__(self, slot: VirtualSlot) -> None:
        self._slot = slot
        self._told: asyncio.Queue[bytes | str] = asyncio.Queue()

    def hear(self, event: ReaderEvent) -> None:
        """Take an event."""
        match event:
            case CardArrived(uid=uid):
                self._told.put_nowait(uid)
            case CardUnreadable():
                self._told.put_nowait("unreadable")
            case CardLeft():
                self._told.put_nowait("left")

    async def tear(self, at: At, leaves: Leaves) -> None:
        """Tear a card away, and lay on another, which is read whatever came before."""
        port, point = self._slot.port, POINTS.index((at, leaves))
        torn = LeavingCard(bytes([4, port & 0xFF, point, 0x0A]), port, at, leaves)
        await asyncio.to_thread(lay_on_for_a_moment, torn, self._slot)
        story: Story = []
        with VirtualCard(bytes([4, port & 0xFF, point, 0x0B]), port=port) as stays:
            while (told := await self._following()) != stays.uid:
                story.append(told)
        assert await self._following() == "left"
        assert story in stories_of(torn, at, leaves), (at, leaves, story)

    async def come_closer(self) -> None:
        """Lay on a card that is mute at first, and then lies there for a while."""
        port = self._slot.port
        uid = bytes([4, port & 0xFF, 0x0C, 0x0D])
        with LeavingCard(uid, port, At.POWER_ON, Leaves.BEFORE) as mute:
            assert await asyncio.to_thread(mute.has_left.wait, EVENT_S)
        await asyncio.sleep(POLL_S)
        with VirtualCard(uid, port=port):
            while (told := await self._following()) != uid:
                assert told in {"unreadable", "left"}
            # Whatever comes late now is no second tap.
            await asyncio.sleep(LATE_S)
        assert await self._following() == "left"
        assert self._told.empty()

    async def _following(self) -> bytes | str:
        async with asyncio.timeout(EVENT_S):
            return await self._told.get()


async def at_all_slots(
    pcscd: Pcscd, visit: Callable[[int, Slot], Coroutine[None, None, None]]
) -> None:
    """Run the driver, and visit all slots at the same time."""
    slots = {slot.reader: Slot(slot) for slot in pcscd.slots}

    async def hear(events: AsyncGenerator[ReaderEvent]) -> None:
        async for event in events:
            assert not isinstance(event, ReaderUp | ReaderDown), event
            slots[event.slot].hear(event)

    async with aclosing(PcscReader(PcscConfig()).events()) as events:
        assert isinstance(await following(events), ReaderUp)
        hearing = asyncio.create_task(hear(events))
        try:
            async with asyncio.TaskGroup() as group:
                for number, slot in enumerate(slots.values()):
                    group.create_task(visit(number, slot))
            assert not hearing.done()
        finally:
            hearing.cancel()
            await asyncio.wait({hearing})


def test_wherever_a_card_is_torn_away_the_next_one_is_read(pcscd: Pcscd) -> None:
    """It is told of at most once, never by a wrong number, and leaves nothing."""

    async def visit(number: int, slot: Slot) -> None:
        for at, leaves in POINTS[number :: len(pcscd.slots)]:
            await slot.tear(at, leaves)

    with nothing_left_behind():
        asyncio.run(at_all_slots(pcscd, visit))


def test_a_card_that_is_mute_at_first_is_one_tap(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is that comes closer slowly; eight of them hold up each other's events."""
    # So that it is read before the driver has heard that it came a second time.
    monkeypatch.setattr(pcsc_card, "TRIES", 20)

    async def visit(_: int, slot: Slot) -> None:
        await slot.come_closer()

    with nothing_left_behind():
        asyncio.run(at_all_slots(pcscd, visit))
