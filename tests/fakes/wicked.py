"""A whole daemon in this process, on virtual time, with parts that do not end."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from agent.config import load_config
from agent.daemon import Daemon
from agent.store.journal_thread import JournalThread
from drivers.readers.base import ReaderUp
from tests.fakes.hardware import FakeCharger, FakeIndicator, FakeReader
from tests.fakes.loop_clock import LoopClock
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    import pytest

    from drivers.chargers.base import ChargerEvent
    from drivers.readers.base import ReaderEvent

ENDS_WITHIN_S = 15.0  # TimeoutStopSec of systemd/rfid-agent.service

_CONFIG = """
[station]
country_code = "SE"
party_id = "ABC"
location_id = "LOC-1"
state_dir = "state"
[[evse]]
uid = "E1"
charger = { driver = "simulated", control = "1.ctl", log = "1.log" }
[[evse]]
uid = "E2"
charger = { driver = "simulated", control = "2.ctl", log = "2.log" }
[[reader]]
name = "front"
driver = "pipe"
path = "front.cards"
[[upstream]]
name = "cpo"
versions_url = "http://127.0.0.1:9/versions"
token = { file = "cpo.token" }
"""


async def hang(*_: object) -> None:
    """Wait for ever, unless cancelled."""
    await asyncio.Event().wait()


async def resist(*_: object) -> None:
    """Wait for ever, whoever cancels that, until the test is over."""
    resisting = asyncio.get_running_loop().create_future()
    RESISTING.append(resisting)
    while not resisting.done():
        try:
            await asyncio.wait({resisting})
        except asyncio.CancelledError:
            continue


async def give_in() -> None:
    """Let everything that waits in `resist` come to its end."""
    while RESISTING:
        RESISTING.pop().cancel()
    await asyncio.sleep(0.1)


async def cancel_itself(*_: object) -> None:
    """Be cancelled by nobody, a second later."""
    await asyncio.sleep(1)
    raise asyncio.CancelledError


_close = JournalThread.close  # Before any test puts something else in its place

#: What waits in `resist`.
RESISTING: list[asyncio.Future[None]] = []


class Clock(LoopClock):
    """The loop's, in place of the machine's."""

    boot_id = "boot-1"

    def never_before(self, moment: datetime) -> None:
        """Know the time already."""


class Switch(FakeCharger):
    """Notes when its events were closed, which switches it off; `closes` first."""

    def __init__(self) -> None:
        super().__init__()
        self.off_at: float | None = None
        self.opens: Callable[[], Awaitable[None]] | None = None
        self.closes: Callable[[], Awaitable[None]] | None = None

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Be switched off in the end."""
        if self.opens is not None:
            await self.opens()
        try:
            async for event in super().events():
                yield event
        finally:
            if self.closes is not None:
                await self.closes()
            self._switch(enabled=False)
            self.off_at = asyncio.get_running_loop().time()


class Door(FakeReader):
    """A reader that does something while it is closed."""

    def __init__(self) -> None:
        super().__init__([ReaderUp("door")])
        self.closes: Callable[[], Awaitable[None]] | None = None

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Close as the test says."""
        try:
            async for event in super().events():
                yield event
        finally:
            if self.closes is not None:
                await self.closes()


class Lamp(FakeIndicator):
    """An indicator that does something while it is closed."""

    closes: Callable[[], Awaitable[None]] | None = None

    async def close(self) -> None:
        """Close as the test says."""
        await super().close()
        if self.closes is not None:
            await self.closes()


class Wicked:
    """A daemon, its parts, what it has told systemd and how it has ended."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.chargers = [Switch(), Switch()]
        self.reader, self.indicator = Door(), Lamp()
        self.told: list[str] = []
        self.exit_codes: list[int] = []
        self._made = 0
        (folder / "state").mkdir(mode=0o700)
        (folder / "cpo.token").write_text("secret")
        (folder / "cpo.token").chmod(0o600)
        (folder / "config.toml").write_text(_CONFIG)
        self.config = load_config(folder / "config.toml", None)
        patch.setattr("agent.daemon.SystemClock", Clock)
        patch.setattr("agent.registry.load_driver", self._load)
        patch.setattr("agent.daemon.load_config", lambda *_: self.config)
        patch.setattr("agent.service.notify", self.told.append)
        patch.setattr("logging.shutdown", lambda: None)

    def play(self, story: Callable[[], Awaitable[None]], *, ready: bool = True) -> None:
        """Run the daemon beside a story, which begins when it is ready."""

        async def main() -> None:
            self.daemon = Daemon(self.config, exit_now=self.exit_codes.append)
            async with self._running():
                if ready:
                    await self.until(lambda: "READY=1" in self.told)
                await story()

        run_virtual(main())

    async def until(self, happens: Callable[[], bool], within_s: float = 60.0) -> None:
        """Let time pass until something is so."""
        async with asyncio.timeout(within_s):
            while not happens():  # noqa: ASYNC110 - time is virtual, and costs nothing
                await asyncio.sleep(0.01)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal; return how many seconds it took to end."""
        signal.raise_signal(number)
        began = asyncio.get_running_loop().time()
        await self.until(self.task.done)
        return asyncio.get_running_loop().time() - began

    @property
    def failure(self) -> BaseException | None:
        """What it has ended with."""
        return self.task.exception()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        self.task = asyncio.create_task(self.daemon.run())
        try:
            yield
        finally:
            while rest := asyncio.all_tasks() - {asyncio.current_task()}:
                await give_in()
                for task in rest:
                    task.cancel()
                await asyncio.wait(rest, timeout=1)
            if hasattr(self.daemon, "parts"):
                # A test may have kept it open; once closed it takes no more calls.
                with suppress(RuntimeError):
                    await _close(self.daemon.parts.journal)

    def _load(self, group: str, _: str) -> Callable[[object], object]:
        if group.endswith("chargers"):
            return self._next_charger
        if group.endswith("readers"):
            return lambda _: self.reader
        return lambda _: self.indicator

    def _next_charger(self, _: object) -> Switch:
        self._made += 1
        return self.chargers[(self._made - 1) % 2]
