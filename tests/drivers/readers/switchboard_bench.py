"""A switchboard between a module that only notes what it is told, and who shows."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from drivers.errors import DriverError, TransientDeviceError
from drivers.gpio import OutputLine
from drivers.readers.formats.dialogue import Module
from drivers.readers.formats.twn4_panel import BOARD, Twn4Panel
from drivers.readers.switchboard import Switchboard
from tests.drivers.serial_bench import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.readers.formats.framing import CardReport
    from drivers.readers.formats.panel import Panel

RED, GREEN, NONE = frozenset({"red"}), frozenset({"green"}), frozenset[str]()
SET_UP, DARK = "0400070000", "040307"
FIRST = [SET_UP, DARK]
WITH_BUZZER = Twn4Panel({**BOARD, "buzzer": OutputLine(line="GPIO3")})
BUSY = TransientDeviceError("no answer")


class FakeModule(Module):
    """Obeys in `takes_s`, unless the next of its failures is an error."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        self.told: list[tuple[float, str]] = []
        self.failures: list[DriverError | None] = []
        #: Fails at commands that begin so.
        self.refuses = "?"
        self.looks: list[float] = []

    async def start(self) -> str:
        """Do nothing."""
        return "fake"

    async def find(self) -> CardReport | None:
        """See no card."""
        self.looks.append(now())
        return None

    async def tell(self, command: bytes) -> None:
        """Note it."""
        await asyncio.sleep(self.takes_s)
        self.told.append((now(), command.hex().upper()))
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        if command.hex().startswith(self.refuses):
            raise TransientDeviceError("refused")

    def commands(self) -> list[str]:
        """Return what was told since the last time."""
        told, self.told = self.told, []
        return [command for _, command in told]


class Bench:
    """A switchboard at a reader that looks for cards five times a second."""

    def __init__(self, panel: Panel | None = None) -> None:
        self.board = Switchboard(now)
        self.board.install(panel or Twn4Panel(BOARD))
        self.module = FakeModule()
        self.look_takes_s = 0.0
        self.pause_s = 0.2

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the reader, let it tell what it tells at first, and close it."""
        self.board.open(self.module)
        reading = asyncio.create_task(self._look())
        await asyncio.sleep(self.pause_s / 2)
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.wait({reading})
            await self.board.close()

    async def _look(self) -> None:
        while True:
            await self.board.pass_time(self.pause_s)
            await self.module.find()
            await asyncio.sleep(self.look_takes_s)
