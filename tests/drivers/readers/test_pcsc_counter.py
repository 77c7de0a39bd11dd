"""Insertions that pcscd counts late, and the watcher hears of late.

pcsc-lite shows a card before it counts it, for a moment; and its library tells what was
before, for 0.4 s, when a mute card lies on any reader.
"""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import pytest

from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderUp,
)
from drivers.readers.pcsc import PcscConfig, PcscReader
from drivers.readers.pcsc_codes import Code
from drivers.readers.pcsc_watcher import PNP
from tests.drivers.readers.listening import listen
from tests.drivers.readers.pcsc_bench import READER, UID, put_in_place, pyscard

if TYPE_CHECKING:
    from tests.drivers.readers.listening import Events

OTHER_UID: Final = UID[::-1]
#: State words: the number of insertions and removals, and what lies there.
EMPTY_4, SHOWN_4, COUNTED_5 = 0x0004_0012, 0x0004_0022, 0x0005_0022
GONE_5, EMPTY_6, SWAPPED_7 = 0x0005_0012, 0x0006_0012, 0x0007_0022
MUTE_5, EMPTY_8, COUNTED_9 = 0x0005_0222, 0x0008_0012, 0x0009_0022
UNPLUGGED, PLUGGED_1 = 0x0000_000E, 0x0001_0022


class Pcscd:
    """A pyscard whose reader shows one state word after the other, as it is told to."""

    def __init__(self) -> None:
        self.uid = UID
        #: How much pcscd has counted, as who connects to a card learns.
        self.count = 0
        #: One for each time that a card was asked for its uid.
        self.asked = threading.Semaphore(0)
        self.answers = threading.Event()
        self.answers.set()
        self.module = pyscard()
        self._words: SimpleQueue[int | None] = SimpleQueue()
        vars(self.module).update(
            SCardGetStatusChange=self._wait,
            SCardCancel=lambda _context: self._words.put(None),
            SCardTransmit=self._transmit,
            SCardStatus=lambda _card: (0, READER, self.count << 16, 3, [0x3B, 0x00]),
        )

    def show(self, *words: int) -> None:
        """Let the driver see these next."""
        for word in words:
            self._words.put(word)

    def _wait(self, *_: object) -> tuple[int, list[tuple[str, int, list[int]]]]:
        word = self._words.get()
        if word is None:
            return Code.SCARD_E_CANCELLED, []
        return 0, [(READER, word, []), (PNP, 0, [])]

    def _transmit(self, *_: object) -> tuple[int, list[int]]:
        self.asked.release()
        self.answers.wait()
        return 0, [*self.uid, 0x90, 0x00]


@pytest.fixture
def pcscd(monkeypatch: pytest.MonkeyPatch) -> Pcscd:
    """Put a scripted pcscd in the place of the real one."""
    scripted = Pcscd()
    put_in_place(monkeypatch, scripted.module)
    return scripted


async def arrival(events: Events) -> bytes:
    """Expect a card; give its uid."""
    event = await anext(events)
    assert isinstance(event, CardArrived), event
    return event.uid


async def departure(events: Events) -> None:
    """Expect the card to leave."""
    event = await anext(events)
    assert isinstance(event, CardLeft), event


async def up(events: Events) -> None:
    """Expect the reader."""
    assert isinstance(await anext(events), ReaderUp)


def test_a_card_counted_after_it_was_read_is_one_tap(pcscd: Pcscd) -> None:
    """What is counted late is neither a removal nor a second insertion."""

    async def scenario(events: Events) -> None:
        pcscd.show(EMPTY_4, SHOWN_4)
        await up(events)
        assert await arrival(events) == UID
        pcscd.show(COUNTED_5, GONE_5, EMPTY_6)
        await departure(events)
        pcscd.uid = OTHER_UID
        pcscd.show(SWAPPED_7)
        # Nothing was told between the two cards.
        assert await arrival(events) == OTHER_UID

    listen(PcscReader(PcscConfig()), scenario)


def test_a_card_counted_while_it_is_read_is_not_torn(pcscd: Pcscd) -> None:
    """It is read again, and told of once; it lay there all the time."""
    pcscd.answers.clear()

    async def scenario(events: Events) -> None:
        pcscd.show(EMPTY_4, SHOWN_4)
        await up(events)
        await asyncio.to_thread(pcscd.asked.acquire)
        pcscd.show(COUNTED_5)
        await asyncio.to_thread(pcscd.asked.acquire)
        pcscd.answers.set()
        assert await arrival(events) == UID
        pcscd.show(EMPTY_6)
        await departure(events)

    listen(PcscReader(PcscConfig()), scenario)


def test_a_removal_counted_late_is_no_torn_card(pcscd: Pcscd) -> None:
    """The next event after a card has left is the next card."""

    async def scenario(events: Events) -> None:
        pcscd.show(EMPTY_4, COUNTED_5)
        await up(events)
        await arrival(events)
        pcscd.show(GONE_5, EMPTY_6, SWAPPED_7)
        await departure(events)
        await arrival(events)

    listen(PcscReader(PcscConfig()), scenario)


def test_a_swap_hidden_by_a_late_count_is_seen(pcscd: Pcscd) -> None:
    """Another card than the one that was shown first is told of as another one."""

    async def scenario(events: Events) -> None:
        pcscd.show(EMPTY_4, SHOWN_4)
        await up(events)
        assert await arrival(events) == UID
        pcscd.uid = OTHER_UID
        pcscd.show(SWAPPED_7)
        await departure(events)
        assert await arrival(events) == OTHER_UID

    listen(PcscReader(PcscConfig()), scenario)


@pytest.mark.parametrize(
    "late", [[], [SWAPPED_7], [EMPTY_6, SWAPPED_7], [GONE_5, EMPTY_6, SWAPPED_7]]
)
def test_a_card_read_before_its_insertion_is_heard_of_is_one_tap(
    pcscd: Pcscd, late: list[int]
) -> None:
    """It came after a mute one; what the watcher tells of that later is history."""
    pcscd.count = 7

    async def scenario(events: Events) -> None:
        pcscd.show(EMPTY_4, MUTE_5)
        await up(events)
        assert await arrival(events) == UID
        pcscd.show(*late, EMPTY_8)
        await departure(events)
        pcscd.count = 9
        pcscd.show(COUNTED_9)
        # The same card, and nothing was told in between.
        assert await arrival(events) == UID

    listen(PcscReader(PcscConfig()), scenario)


def test_a_swap_after_a_card_that_was_read_early_is_seen(pcscd: Pcscd) -> None:
    """Only what came before its reading, or with it, is history."""
    pcscd.count = 7

    async def scenario(events: Events) -> None:
        pcscd.show(EMPTY_4, MUTE_5)
        await up(events)
        assert await arrival(events) == UID
        pcscd.uid, pcscd.count = OTHER_UID, 9
        pcscd.show(COUNTED_9)
        await departure(events)
        assert await arrival(events) == OTHER_UID

    listen(PcscReader(PcscConfig()), scenario)


def test_a_reader_that_is_back_counts_anew(pcscd: Pcscd) -> None:
    """Its small numbers are no history of the card that was read early."""
    pcscd.count = 7

    async def scenario(events: Events) -> None:
        pcscd.show(EMPTY_4, MUTE_5)
        await up(events)
        assert await arrival(events) == UID
        pcscd.uid, pcscd.count = OTHER_UID, 1
        pcscd.show(UNPLUGGED, PLUGGED_1)
        await departure(events)
        assert await arrival(events) == OTHER_UID

    listen(PcscReader(PcscConfig()), scenario)


def test_a_reader_that_hangs_is_remembered_when_its_count_is_late(
    pcscd: Pcscd,
) -> None:
    """Readings that are stuck are counted, however often the count stumbles."""
    pcscd.answers.clear()
    threads_before = threading.active_count()

    async def scenario(events: Events) -> None:
        pcscd.show(*(number << 16 | 0x22 for number in range(5, 15)))
        await up(events)
        unread = await anext(events)
        assert isinstance(unread, CardUnreadable)
        assert "hangs" in unread.reason
        assert threading.active_count() - threads_before < 10

    try:
        listen(PcscReader(PcscConfig()), scenario)
    finally:
        pcscd.answers.set()
