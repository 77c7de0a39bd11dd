"""The daemon: builds the station from its configuration, runs it, and takes it down.

Start-up reads top to bottom in `Daemon._run_once`; shutdown is the exact reverse.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from agent import service
from agent.actuators import CHARGER_TIMEOUT
from agent.assembly import Assembly
from agent.clock import SystemClock
from agent.commands import Commands
from agent.config import load_config
from agent.control import SOCKET, ControlServer
from agent.domain.messages import Closing
from agent.errors import STORE_ERRORS, ConfigError
from agent.health import Health
from agent.registrations import RegistrationCommands
from agent.service import credentials_directory, lock_state

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

    from agent.config import Config
    from agent.station_memory import Memory

_LOGGER = logging.getLogger(__name__)

CHARGERS_FOUND_WITHIN = timedelta(seconds=5)
#: Longer than a charger may take over a command that is under way.
DRAIN_WITHIN = CHARGER_TIMEOUT + timedelta(seconds=2)
JOURNAL_ANSWERS_WITHIN = timedelta(seconds=10)
READER_SILENT_AT_MOST = timedelta(seconds=60)


class Daemon:
    """One station; its parts are built anew at every reload, its memory goes on."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock = SystemClock()
        self.started_at = self.clock.now()
        self.health = Health(self.clock)
        self._stopping = asyncio.Event()
        self._terminating = False
        self._next_config: Config | None = None
        self._remembered: Memory | None = None
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_terminate)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        with lock_state(self.config.station.state_dir):
            while True:
                await self._run_once()
                if self._next_config is None or self._terminating:
                    break
                self.health.forget(_names(self.config) - _names(self._next_config))
                self.config, self._next_config = self._next_config, None
                self._stopping.clear()
        if self._failure is not None:
            raise self._failure
        _LOGGER.info("stopped; open sessions go on at the next start")

    async def _run_once(self) -> None:
        async with AsyncExitStack() as stack:
            parts = self.parts = Assembly(self.config, self.clock, self.health, stack)
            await self._restore(parts)
            # Chargers first: no tap is taken before every open session has met the
            # real state of its charger.
            await self._start(stack, parts.authorizer.run())
            await self._start(stack, parts.runner.run())
            stack.push_async_callback(self._remember, parts)
            await self._start(stack, *[one.run() for one in parts.chargers.values()])
            await self._wait_for_chargers(parts)
            await self._start(stack, *[one.run() for one in parts.indicators.values()])
            await self._start(stack, *[one.run() for one in parts.upstreams])
            await stack.enter_async_context(parts.reception.open())
            await self._start(stack, parts.reception.run())
            commands = Commands(parts, self.started_at).table()
            commands |= RegistrationCommands(parts.reception.registrations).table()
            server = ControlServer(self.config.station.state_dir / SOCKET, commands)
            await stack.enter_async_context(server.running())
            stack.push_async_callback(self._drain, parts)
            await self._start(stack, *[one.run() for one in parts.readers.values()])
            await self._start(stack, service.feed_watchdog(parts.find_stuck))
            await self._start(stack, parts.keeper.run())
            await self._start(stack, parts.timekeeper.run())
            service.notify("READY=1")
            _LOGGER.info(
                "ready: readers %s; EVSEs %s",
                *(", ".join(names) for names in (parts.readers, parts.chargers)),
            )
            await self._stopping.wait()
            service.notify("STOPPING=1" if self._terminating else "RELOADING=1")

    # ---- start, in order ------------------------------------------------------------

    async def _restore(self, parts: Assembly) -> None:
        """Go on where the journal, or the run before a reload, has left off."""
        names = {upstream.name for upstream in parts.upstreams}
        for sink in set(await parts.journal.sinks()) - names:
            self.health.bad(
                f"reporting to {sink}", "it is no longer configured; its reports wait"
            )
        if (last_known := await parts.journal.last_known()) is not None:
            self.clock.never_before(last_known)
        await parts.timekeeper.load()
        memory, self._remembered = self._remembered, None
        await parts.runner.restore(await parts.journal.open_sessions(), memory)

    async def _start(
        self, stack: AsyncExitStack, *routines: Coroutine[None, None, None]
    ) -> None:
        """Run parts until the stack unwinds; a part that breaks stops the daemon.

        They end together: a charger that hangs does not keep others from switching off.
        """
        tasks = [asyncio.create_task(routine) for routine in routines]
        for task in tasks:
            task.add_done_callback(self._on_part_ended)
        stack.push_async_callback(_cancel, tasks)

    async def _wait_for_chargers(self, parts: Assembly) -> None:
        found = [charger.found.wait() for charger in parts.chargers.values()]
        try:
            async with asyncio.timeout(CHARGERS_FOUND_WITHIN.total_seconds()):
                await asyncio.gather(*found)
            await parts.runner.drain()
        except TimeoutError:
            for uid, charger in parts.chargers.items():
                if not charger.found.is_set():
                    _LOGGER.warning("EVSE %s: no word from its charger so far", uid)

    # ---- while running --------------------------------------------------------------

    def _on_part_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (err := task.exception()) is not None:
            _LOGGER.critical("a part of the daemon broke; stopping", exc_info=err)
            self._failure = err
            self._terminating = True
            self._stopping.set()

    def _on_terminate(self) -> None:
        self._terminating = True
        self._stopping.set()

    def _on_reload(self) -> None:
        """Check the new file first; a bad one changes nothing."""
        try:
            config = self._reread_config()
        except ConfigError as err:
            _LOGGER.error("reload refused, nothing has changed:\n%s", err)  # noqa: TRY400 - no bug of ours
            return
        _LOGGER.info("reloading %s", config.path)
        self._next_config = config
        self._stopping.set()

    def _reread_config(self) -> Config:
        config = load_config(self.config.path, credentials_directory())
        if config.station.state_dir != self.config.station.state_dir:
            raise ConfigError("state_dir cannot change while running; restart instead")
        return config

    # ---- stop -----------------------------------------------------------------------

    async def _drain(self, parts: Assembly) -> None:
        """Finish what has been tapped, after the readers and before the rest stop."""
        try:
            async with asyncio.timeout(DRAIN_WITHIN.total_seconds()):
                if self._terminating:
                    parts.runner.post(Closing())
                await parts.runner.drain()
                # A stop that was decided has reached its charger before we go.
                for charger in parts.chargers.values():
                    await charger.settle()
                await parts.runner.drain()
                await parts.runner.record_the_rest()
                await parts.journal.note_time(self.clock.now().wall)
        except TimeoutError:
            _LOGGER.warning("some inputs could not be handled before stopping")
        except STORE_ERRORS as err:
            _LOGGER.warning("the time cannot be kept for the next start: %s", err)

    async def _remember(self, parts: Assembly) -> None:
        """Keep the station for the run after a reload, when its chargers are closed.

        The runner ends right after this, so that nothing can happen in between.
        """
        try:
            async with asyncio.timeout(DRAIN_WITHIN.total_seconds()):
                self._remembered = await parts.runner.come_to_rest()
        except TimeoutError:
            _LOGGER.warning("the station does not come to rest; the journal knows best")


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _names(config: Config) -> set[str]:
    """Name everything whose parts have a health of their own."""
    evses = {evse.uid for evse in config.evses}
    readers = {reader.name for reader in config.readers}
    return evses | readers | {upstream.config.name for upstream in config.upstreams}
