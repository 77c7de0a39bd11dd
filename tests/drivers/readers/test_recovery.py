"""Readers under their supervisor: away for any time, and soon back with the device."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pytest

from agent.backoff import JITTER
from agent.supervisor import supervise
from drivers.readers.base import CardArrived, ReaderUp
from drivers.readers.formats import em4100, rdm6300
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from drivers.readers.wedge import Surroundings, WedgeConfig, WedgeReader
from tests.drivers.pipes import open_files
from tests.drivers.readers.modules import Sl032Emulator
from tests.drivers.readers.wedge_bench import FakeKeyboard, InputTree, load
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.readers.base import Reader, ReaderEvent

TIMES = 100
REOPEN_MAX_S = 30 * (1 + JITTER)
AWAY_S = (0.4, 3.0, 29.0, 61.0, 3600.0)
HELD_S = 3.0  # After so long without it a card has left, and is seen with the next look


class Bench(ABC):
    """A device that can be pulled out, and the reader for it."""

    reader: Reader

    @abstractmethod
    def plug(self) -> None:
        """Plug it in."""

    @abstractmethod
    def unplug(self) -> None:
        """Pull it out, whatever is going on."""

    @abstractmethod
    def lay(self, uid: bytes) -> None:
        """Lay a card on it."""


class Heard(Bench):
    """A reader that reports by itself."""

    def __init__(self, _: Path) -> None:
        self._line = FakeLine()
        config = SerialReaderConfig(port="/dev/fake", format=Format.RDM6300)
        self.reader = SerialReader(config, monotonic=now, open_port=self._line.open)

    def plug(self) -> None:
        """Let it be opened."""
        self._line.gone = False

    def unplug(self) -> None:
        """In the middle of a frame."""
        self._line.send(em4100.STX)
        self._line.unplug()

    def lay(self, uid: bytes) -> None:
        """Let it be reported."""
        self._line.send(em4100.build(uid, rdm6300.TAIL))


class Polled(Bench):
    """A module that is asked."""

    def __init__(self, _: Path) -> None:
        self._device = Sl032Emulator()
        self._line = FakeLine(self._device)
        config = SerialReaderConfig(port="/dev/fake", format=Format.SL032)
        self.reader = SerialReader(config, monotonic=now, open_port=self._line.open)

    def plug(self) -> None:
        """Let it be opened; no card lies there."""
        self._device.card = b""
        self._line.gone = False

    def unplug(self) -> None:
        """At any moment."""
        self._line.unplug()

    def lay(self, uid: bytes) -> None:
        """Lay one of 4 bytes."""
        self._device.card = uid[-4:]


class Wedge(Bench):
    """A keyboard."""

    def __init__(self, folder: Path) -> None:
        self._tree = InputTree(folder)
        self._keyboard = FakeKeyboard()
        self._node = self._tree.plug(0)
        self._plugged = 0
        self.reader = WedgeReader(
            WedgeConfig(device="ffff:0035"),
            monotonic=now,
            surroundings=Surroundings(
                self._tree.sysfs, self._tree.nodes, load(self._keyboard)
            ),
        )

    def plug(self) -> None:
        """Plug it in under another number."""
        self._plugged += 1
        self._node = self._tree.plug(self._plugged % 7)

    def unplug(self) -> None:
        """Take it away from under the driver."""
        self._tree.unplug(self._node)
        self._keyboard.unplug()

    def lay(self, uid: bytes) -> None:
        """Let it type."""
        self._keyboard.type_out(uid.hex())


class Watch:
    """Keeps what the supervisor passes on, and waits for it."""

    def __init__(self) -> None:
        self.downs = 0
        self._events: asyncio.Queue[ReaderEvent] = asyncio.Queue()

    def on_event(self, event: ReaderEvent) -> None:
        """Take one."""
        self._events.put_nowait(event)

    def on_down(self, _: str) -> None:
        """Count it."""
        self.downs += 1

    async def wait_for(self, kind: type[ReaderEvent], within_s: float) -> None:
        """Drop what comes before such an event."""
        async with asyncio.timeout(within_s):
            while not isinstance(await self._events.get(), kind):
                pass


@pytest.mark.parametrize("make", [Heard, Polled, Wedge])
def test_a_device_that_comes_back_is_found_in_time(
    make: Callable[[Path], Bench], tmp_path: Path
) -> None:
    """A hundred times pulled out in mid-use, for a moment or an hour; none leaks."""

    async def main() -> None:
        bench = make(tmp_path)
        watch = Watch()
        running = asyncio.create_task(
            supervise("reader", bench.reader.events, watch.on_event, watch.on_down)
        )
        files = 0
        for number in range(TIMES):
            await watch.wait_for(ReaderUp, REOPEN_MAX_S)
            files = files or open_files()
            assert open_files() == files
            await asyncio.sleep(HELD_S)
            bench.lay(b"\x04" + number.to_bytes(4))
            await watch.wait_for(CardArrived, HELD_S)
            bench.unplug()
            await asyncio.sleep(AWAY_S[number % len(AWAY_S)])
            bench.plug()
        assert watch.downs >= TIMES
        running.cancel()
        await asyncio.wait([running])

    run_virtual(main())
