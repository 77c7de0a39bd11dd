"""Eight slots at once: cards on all of them, and what the driver tells of each."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drivers.errors import DriverError
from drivers.indicators.acs_link import Way
from drivers.indicators.base import Signal
from drivers.readers.base import CardArrived, CardLeft, CardUnreadable
from tests.drivers.indicators.acs_readers import Acr122u
from tests.stack.acs_cards import SILENT, CardOnAcr122u, indicator
from tests.stack.pcsc_bench import EVENT_S, following
from tests.stack.pcscd import run_pcscd
from tests.stack.virtual_card import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

    from drivers.readers.base import ReaderEvent
    from tests.drivers.indicators.showing import Screen
    from tests.stack.pcscd import Pcscd, VirtualSlot

PAIRS: Final = 4
#: Between two signals of one indicator.
PAUSE_S: Final = 0.005

#: What became of one slot: uids of cards, or words.
Story = list[bytes | str]


@contextmanager
def eight_slots(directory: Path) -> Iterator[Pcscd]:
    """Run pcscd with eight slots."""
    with run_pcscd(directory / "pcscd", pairs=PAIRS) as pcscd:
        yield pcscd


@dataclass(frozen=True)
class Place:
    """A slot, and the lamps of its reader."""

    slot: VirtualSlot
    device: Acr122u

    def card(self, number: int, fault: Fault = Fault.NONE) -> CardOnAcr122u:
        """Make a card for this slot that has a uid of its own."""
        uid = bytes([0x04, self.slot.port & 0xFF, number, 0xD4, 0xE5, 0xF6, 0x07])
        return CardOnAcr122u(uid, self.device, port=self.slot.port, fault=fault)


def places(pcscd: Pcscd) -> list[Place]:
    """Give every slot its lamps."""
    return [Place(slot, Acr122u()) for slot in pcscd.slots]


async def lay_on(cards: Iterable[CardOnAcr122u]) -> None:
    """Insert all of them as one."""
    for card in cards:
        await asyncio.to_thread(card.insert)


async def take_away(cards: Iterable[CardOnAcr122u]) -> None:
    """Remove all of them as one."""
    for card in cards:
        await asyncio.to_thread(card.remove)


async def stories(events: AsyncGenerator[ReaderEvent], count: int) -> dict[str, Story]:
    """Take so many events; give what they tell of each slot, in order."""
    told: dict[str, Story] = defaultdict(list)
    for _ in range(count):
        match await following(events):
            case CardArrived(uid=uid, slot=slot):
                told[slot].append(uid)
            case CardUnreadable(reason=reason, slot=slot):
                told[slot].append(reason)
            case CardLeft(slot=slot):
                told[slot].append("left")
            case event:
                raise AssertionError(event)
    return told


@asynccontextmanager
async def signals_everywhere() -> AsyncIterator[None]:
    """Show signals on all readers without a pause.

    One indicator for each pair of slots, by turns in the one way and in the other.
    """
    ways = cycle([Way.APDU, Way.AUTO])
    lamps = [
        indicator(way, SILENT, f"Virtual PCD {pair} *")
        for pair, way in zip(range(PAIRS), ways, strict=False)
    ]

    async def chatter(lamp: Screen) -> None:
        for signal in cycle(Signal):
            # Escapes are refused where no card lies, and pcscd may be away.
            with suppress(DriverError):
                await lamp.show(signal)
            await asyncio.sleep(PAUSE_S)

    noises = [asyncio.create_task(chatter(lamp)) for lamp in lamps]
    try:
        yield
        assert not any(noise.done() for noise in noises)
    finally:
        for noise in noises:
            noise.cancel()
        await asyncio.wait(noises)
        for lamp in lamps:
            await lamp.close()


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Look for descriptors and threads that were not there before."""
    before = descriptors()
    yield
    for thread in threads():
        thread.join(EVENT_S)
    assert threads() == []
    assert descriptors() == before


def descriptors() -> set[tuple[str, str]]:
    """Give what is open: the numbers, and what they stand for."""
    opened = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            kind = str(link.readlink()).partition(":")[0]
            opened.add((link.name, kind))
    return opened


def threads() -> list[threading.Thread]:
    """Give the threads of the reader driver and of the indicators."""
    ours = ("pcsc-", "acs-")
    return [one for one in threading.enumerate() if one.name.startswith(ours)]
