"""The daemon: builds the station from its configuration, runs it, and takes it down.

Start-up reads top to bottom in `Daemon._start_all`; shutdown is the reverse, but
for the chargers: they are found first, and switched off first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from agent import charger_calls, service
from agent.assembly import Assembly
from agent.cancellation import noticed
from agent.clock import SystemClock
from agent.commands import Commands
from agent.config import load_config
from agent.control import SOCKET, ControlServer
from agent.domain.messages import Closing
from agent.ending import ALL_BY, CHARGERS_BY, DRAINED_BY, READERS_BY, Ending, shut_down
from agent.errors import STORE_ERRORS, ConfigError
from agent.health import Health
from agent.registrations import RegistrationCommands
from agent.service import credentials_directory, lock_state

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from agent.config import Config
    from agent.station_memory import Memory

_LOGGER = logging.getLogger(__name__)

CHARGERS_FOUND_WITHIN = timedelta(seconds=5)


class Runs(Protocol):
    """A part of the station."""

    async def run(self) -> None:
        """Work until cancelled."""


class Daemon:
    """One station; its parts are built anew at every reload, its memory goes on."""

    def __init__(
        self, config: Config, *, exit_now: Callable[[int], object] = os._exit
    ) -> None:
        self.config = config
        self.clock = SystemClock()
        self.started_at = self.clock.now()
        self.health = Health(self.clock)
        self._exit_now = exit_now
        self._stopping = asyncio.Event()
        self._terminated = asyncio.Event()
        self._ending = Ending()
        self._next_config: Config | None = None
        self._remembered: Memory | None = None
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_terminate)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        workers = ThreadPoolExecutor(thread_name_prefix="worker")
        loop.set_default_executor(workers)
        try:
            with lock_state(self.config.station.state_dir):
                await self._run_until_terminated()
                await self._ending.finish("the threads", shut_down(workers))
        finally:
            self._ending.leave_the_rest(self._exit_now)
        if self._failure is not None:
            raise self._failure
        _LOGGER.info("stopped; open sessions go on at the next start")

    async def _run_until_terminated(self) -> None:
        before: Config | None = None
        while True:
            try:
                await self._run_once()
            except ConfigError as err:
                if before is None:
                    raise
                # A port that is taken, say; a file alone does not show that.
                _LOGGER.error("reload failed, going back: %s", err)  # noqa: TRY400 - no bug of ours
                self._next_config, before = self._next_config or before, None
            else:
                before = self.config
            await self._ending.cancel(list(charger_calls.LEFT_BEHIND), ALL_BY)
            if self._next_config is None or self._terminated.is_set():
                return
            if self._ending.left_behind:
                # Two drivers on one device would be worse than a restart.
                _LOGGER.critical("cannot reload; stopping")
                return
            self.health.forget(_names(self.config) - _names(self._next_config))
            self.config, self._next_config = self._next_config, None
            self._stopping.clear()
            # A part that was slow to end must not be taken for one that hangs.
            service.notify("WATCHDOG=1")

    async def _run_once(self) -> None:
        self._ending = Ending()
        async with AsyncExitStack() as stack:
            if await self._is_started(stack):
                await self._stopping.wait()
            service.notify("STOPPING=1" if self._terminated.is_set() else "RELOADING=1")
            service.notify("WATCHDOG=1")

    # ---- start, in order ------------------------------------------------------------

    async def _is_started(self, stack: AsyncExitStack) -> bool:
        """Start all parts, unless an order to stop comes in between."""
        starting = asyncio.create_task(
            noticed("the start", self._start_all(stack)), name="the start"
        )
        terminated = asyncio.create_task(self._terminated.wait())
        try:
            await asyncio.wait(
                {starting, terminated}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            terminated.cancel()
            if not starting.done():
                await self._ending.cancel({starting}, READERS_BY)
        if starting.done() and not starting.cancelled():
            starting.result()
            return True
        return False

    async def _start_all(self, stack: AsyncExitStack) -> None:
        parts = self.parts = Assembly(
            self.config, self.clock, self.health, stack, self._ending
        )
        await self._restore(parts)
        # Chargers first: no tap is taken before every open session has met the
        # real state of its charger.
        await self._start(stack, {"asking": parts.authorizer.run()})
        await self._start(stack, {"the station": parts.runner.run()})
        stack.push_async_callback(self._remember, parts)
        chargers = await stack.enter_async_context(AsyncExitStack())
        await self._start(chargers, _run_each("charger", parts.chargers), CHARGERS_BY)
        await self._wait_for_chargers(parts)
        await self._start(stack, _run_each("indicator", parts.indicators))
        upstreams = {upstream.name: upstream for upstream in parts.upstreams}
        await self._start(stack, _run_each("upstream", upstreams))
        await stack.enter_async_context(parts.reception.open())
        await self._start(stack, {"the server": parts.reception.run()})
        # They are switched off before anything is waited for that has no say in that.
        stack.push_async_callback(chargers.aclose)
        commands = Commands(parts, self.started_at).table()
        commands |= RegistrationCommands(parts.reception.registrations).table()
        server = ControlServer(self.config.station.state_dir / SOCKET, commands)
        await stack.enter_async_context(server.running())
        stack.push_async_callback(self._drain, parts)
        await self._start(stack, _run_each("reader", parts.readers), READERS_BY)
        others = {
            "the watchdog": service.feed_watchdog(parts.find_stuck),
            "the whitelist": parts.keeper.run(),
            "the clock": parts.timekeeper.run(),
        }
        await self._start(stack, others, READERS_BY)
        service.notify("READY=1")
        _LOGGER.info(
            "ready: readers %s; EVSEs %s",
            *(", ".join(names) for names in (parts.readers, parts.chargers)),
        )

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
        self,
        stack: AsyncExitStack,
        routines: Mapping[str, Coroutine[None, None, None]],
        ends_by: timedelta = ALL_BY,
    ) -> None:
        """Run parts until the stack unwinds; a part that breaks stops the daemon.

        They end together: a charger that hangs does not keep others from switching off.
        """
        tasks = [
            asyncio.create_task(routine, name=name)
            for name, routine in routines.items()
        ]
        for task in tasks:
            task.add_done_callback(self._on_part_ended)
        stack.push_async_callback(self._ending.cancel, tasks, ends_by)

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
        err: BaseException | None
        if not task.cancelled():
            err = task.exception()
        elif not task.cancelling():
            err = RuntimeError(f"{task.get_name()} has cancelled itself")
        else:
            return
        if err is not None:
            _LOGGER.critical("a part of the daemon broke; stopping", exc_info=err)
            self._failure = err
            self._on_terminate()

    def _on_terminate(self) -> None:
        self._terminated.set()
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
            async with asyncio.timeout(self._ending.left_s(DRAINED_BY)):
                if self._terminated.is_set():
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
            async with asyncio.timeout(self._ending.left_s(ALL_BY)):
                self._remembered = await parts.runner.come_to_rest()
        except TimeoutError:
            _LOGGER.warning("the station does not come to rest; the journal knows best")


def _run_each(kind: str, ports: Mapping[str, Runs]) -> dict[str, Any]:
    return {f"{kind} {name}": port.run() for name, port in ports.items()}


def _names(config: Config) -> set[str]:
    """Name everything whose parts have a health of their own."""
    evses = {evse.uid for evse in config.evses}
    readers = {reader.name for reader in config.readers}
    return evses | readers | {upstream.config.name for upstream in config.upstreams}
