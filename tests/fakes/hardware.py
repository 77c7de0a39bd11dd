"""Hardware that does what a test says, and remembers what it was told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from drivers.chargers.base import Charger, ChargerState, ChargerUp, Vehicle
from drivers.indicators.base import Indicator
from drivers.readers.base import Reader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from drivers.chargers.base import ChargerEvent
    from drivers.indicators.base import Signal
    from drivers.readers.base import ReaderEvent

#: What a stream yields: an event, an error to raise, or seconds to wait.
Step: TypeAlias = "ReaderEvent | BaseException | float"


@dataclass(frozen=True, slots=True)
class NoConfig:
    """Nothing to configure."""


async def play(
    steps: Sequence[Step], *, then_wait: bool
) -> AsyncGenerator[ReaderEvent]:
    """Yield events at their times, and raise what a step says."""
    for step in steps:
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, float):
            await asyncio.sleep(step)
        else:
            yield step
    if then_wait:
        await asyncio.Event().wait()


class FakeReader(Reader):
    """Plays one script per opening; after the last script it is silent."""

    Config = NoConfig

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self._scripts = list(scripts)
        #: When it was opened.
        self.opened: list[float] = []
        self.closed = 0

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Play the next script."""
        self.opened.append(asyncio.get_running_loop().time())
        is_last = len(self._scripts) <= 1
        steps = self._scripts.pop(0) if self._scripts else ()
        try:
            async for event in play(steps, then_wait=is_last):
                yield event
        finally:
            self.closed += 1


class FakeCharger(Charger):
    """One socket; `enable` and `disable` raise the next of their failures.

    `on_command` hears of each command at the moment it arrives.
    """

    Config = NoConfig

    def __init__(self) -> None:
        self.state = ChargerState(
            vehicle=Vehicle.ABSENT, enabled=False, wh=1000, fault=None
        )
        self.commands: list[str] = []
        self.failures: dict[str, list[Exception]] = {"enable": [], "disable": []}
        self.takes_s = 0.0
        self.on_command: Callable[[str], None] = lambda _: None
        self.opened: list[float] = []
        self._news: asyncio.Queue[ChargerEvent | Exception] = asyncio.Queue()

    def tell(self, event: ChargerEvent | Exception) -> None:
        """Let it report an event, or fail."""
        self._news.put_nowait(event)

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Say what state it is in, then what a test lets it tell."""
        self.opened.append(asyncio.get_running_loop().time())
        yield ChargerUp(self.state)
        while True:
            event = await self._news.get()
            if isinstance(event, Exception):
                raise event
            yield event

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow."""
        del limit_amps
        await self._obey("enable")
        self._switch(enabled=True)

    async def disable(self) -> int | None:
        """Stop energy."""
        await self._obey("disable")
        self._switch(enabled=False)
        return self.state.wh

    async def _obey(self, command: str) -> None:
        self.commands.append(command)
        self.on_command(command)
        await asyncio.sleep(self.takes_s)
        if self.failures[command]:
            raise self.failures[command].pop(0)

    def _switch(self, *, enabled: bool) -> None:
        state = self.state
        self.state = ChargerState(state.vehicle, enabled, state.wh, state.fault)


class FakeIndicator(Indicator):
    """Remembers the signals; each may take time, and may fail."""

    Config = NoConfig

    def __init__(self, takes_s: float = 0.0) -> None:
        self.shown: list[str] = []
        self.failures: list[Exception] = []
        self.takes_s = takes_s
        #: What is being shown, or tried, at this moment.
        self.showing: list[str] = []
        self.closed = 0
        self._news: asyncio.Queue[Exception | None] = asyncio.Queue()

    def tell(self, failure: Exception | None) -> None:
        """Let what is shown fail, or be seen again."""
        self._news.put_nowait(failure)

    async def close(self) -> None:
        """Count it."""
        self.closed += 1

    async def show(self, signal: Signal) -> AsyncGenerator[None]:
        """Show the signal, for as long as a test lets it."""
        self.showing.append(signal.value)
        try:
            await asyncio.sleep(self.takes_s)
            if self.failures:
                raise self.failures.pop(0)
            self.shown.append(signal.value)
            yield
            while True:
                if failure := await self._news.get():
                    raise failure
                yield
        finally:
            self.showing.remove(signal.value)
