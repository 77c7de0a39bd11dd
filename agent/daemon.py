"""The daemon: builds the station from its configuration, runs it, and takes it down.

Start-up reads top to bottom in `Daemon._run_once`; shutdown is the exact reverse.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from agent import registry, service
from agent.actuators import ChargerPort, IndicatorPort
from agent.authorizer import Authorizer
from agent.card_readers import CardDesk, ReaderPort
from agent.clock import SystemClock
from agent.commands import Commands
from agent.config import load_config
from agent.control import SOCKET, ControlServer
from agent.domain.messages import ReadersStarting
from agent.errors import AgentError, ConfigError
from agent.events import EventLog
from agent.health import Health
from agent.service import credentials_directory, lock_state
from agent.station_runner import Memory, StationRunner
from agent.store.journal import FILE as JOURNAL_FILE
from agent.store.journal import Journal
from agent.store.journal_thread import JournalThread
from agent.store.keys import CardKeys, load_key
from agent.store.whitelist import Whitelist
from agent.upstreams import UpstreamPort
from agent.whitelist_keeper import WhitelistKeeper

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from agent.config import Config
    from agent.domain.messages import Show

_LOGGER = logging.getLogger(__name__)

CHARGERS_FOUND_WITHIN = timedelta(seconds=5)
DRAIN_WITHIN = timedelta(seconds=2)
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
                self.config, self._next_config = self._next_config, None
                self._stopping.clear()
        if self._failure is not None:
            raise self._failure
        _LOGGER.info("stopped; open sessions go on at the next start")

    async def _run_once(self) -> None:
        async with AsyncExitStack() as stack:
            self._open_stores(stack)
            self._build(stack)
            await self._restore()
            # Chargers first: no tap is taken before every open session has met the
            # real state of its charger.
            await self._start(stack, self.authorizer.run())
            await self._start(stack, self.runner.run())
            for charger in self.chargers.values():
                await self._start(stack, charger.run())
            await self._wait_for_chargers()
            for indicator in self.indicators.values():
                await self._start(stack, indicator.run())
            for upstream in self.upstreams:
                await self._start(stack, upstream.run())
            commands = Commands(self).table()
            server = ControlServer(self.config.station.state_dir / SOCKET, commands)
            await stack.enter_async_context(server.running())
            stack.push_async_callback(self._drain)
            self.runner.post(ReadersStarting())
            for reader in self.readers.values():
                await self._start(stack, reader.run())
            await self._start(stack, service.feed_watchdog(self._find_stuck))
            await self._start(stack, self.keeper.run())
            service.notify("READY=1")
            _LOGGER.info(
                "ready: %d readers, %d EVSEs", len(self.readers), len(self.chargers)
            )
            await self._stopping.wait()
            service.notify("STOPPING=1" if self._terminating else "RELOADING=1")

    # ---- start, in order ------------------------------------------------------------

    def _open_stores(self, stack: AsyncExitStack) -> None:
        state_dir = self.config.station.state_dir
        self.keys = CardKeys(load_key(state_dir, credentials_directory()))
        names = [upstream.config.name for upstream in self.config.upstreams]
        self.whitelist = Whitelist(state_dir, self.keys, self.clock.boot_id, names)
        stack.callback(self.whitelist.close)
        journal = Journal(state_dir / JOURNAL_FILE)
        if journal.set_aside is not None:
            kept = journal.set_aside.name
            self.health.bad("damaged journal", f"an earlier one; kept as {kept}")
        self.journal = JournalThread(journal)
        stack.push_async_callback(self.journal.close)

    def _build(self, stack: AsyncExitStack) -> None:
        """Make every part and connect them; nothing runs yet."""
        config, health = self.config, self.health
        self.events = EventLog(self.keys.fingerprint)
        self.upstreams = [
            UpstreamPort(config, upstream, self.whitelist, self.journal, health)
            for upstream in config.upstreams
        ]
        for upstream in self.upstreams:
            stack.push_async_callback(upstream.close)
        self.keeper = WhitelistKeeper(self.whitelist, health, self._fetch_again)
        self.authorizer = Authorizer(
            [upstream.connection for upstream in self.upstreams],
            [
                upstream.config.name
                for upstream in config.upstreams
                if upstream.config.authorize_unknown
            ],
            self.keeper.learn,
        )
        self.chargers: dict[str, ChargerPort] = {}
        self.indicators: dict[str, IndicatorPort] = {}
        self.runner = StationRunner(
            settings=config.settings(),
            clock=self.clock,
            journal=self.journal,
            chargers=self.chargers,
            ask=self.authorizer.ask,
            show=self._show,
            publish=self.events.publish,
            on_recorded=self._on_recorded,
            new_id=_new_id,
            health=health,
        )
        self._build_hardware()

    def _build_hardware(self) -> None:
        config, post = self.config, self.runner.post
        for evse in config.evses:
            driver = registry.load_driver(registry.CHARGERS, evse.charger.driver)
            charger = driver(evse.charger.options)
            self.chargers[evse.uid] = ChargerPort(evse.uid, charger, post, self.health)
        desk = CardDesk(
            find=self.whitelist.find,
            on_damage=self.keeper.on_damage,
            fingerprint=self.keys.fingerprint,
            new_id=_new_id,
            clock=self.clock,
            health=self.health,
        )
        self.readers: dict[str, ReaderPort] = {}
        for reader in config.readers:
            driver = registry.load_driver(registry.READERS, reader.reader.driver)
            self.readers[reader.name] = ReaderPort(
                reader.name, driver(reader.reader.options), desk, post, self.health
            )
            driver = registry.load_driver(registry.INDICATORS, reader.indicator.driver)
            self.indicators[reader.name] = IndicatorPort(
                reader.name, driver(reader.indicator.options), self.health
            )

    async def _restore(self) -> None:
        """Go on where the journal, or the run before a reload, has left off."""
        names = {upstream.name for upstream in self.upstreams}
        for sink in set(await self.journal.sinks()) - names:
            self.health.bad(
                f"reporting to {sink}", "it is no longer configured; its reports wait"
            )
        open_sessions = await self.journal.open_sessions()
        memory, self._remembered = self._remembered, None
        if memory is not None and memory.station.evses.keys() == set(self.chargers):
            self.runner.resume(memory)
            return
        await self.runner.restore(open_sessions)

    async def _start(
        self, stack: AsyncExitStack, routine: Coroutine[None, None, None]
    ) -> None:
        """Run a part until the stack unwinds; a part that breaks stops the daemon."""
        task = asyncio.create_task(routine)
        task.add_done_callback(self._on_part_ended)
        stack.push_async_callback(_cancel, task)

    async def _wait_for_chargers(self) -> None:
        found = [charger.found.wait() for charger in self.chargers.values()]
        try:
            async with asyncio.timeout(CHARGERS_FOUND_WITHIN.total_seconds()):
                await asyncio.gather(*found)
            await self.runner.drain()
        except TimeoutError:
            _LOGGER.warning("some chargers are silent; their EVSEs stay out of use")

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

    def _show(self, effect: Show) -> None:
        if indicator := self.indicators.get(effect.reader):
            indicator.show(effect.signal)

    def _fetch_again(self) -> None:
        for upstream in self.upstreams:
            upstream.synchronize_soon()

    def _on_recorded(self) -> None:
        for upstream in self.upstreams:
            upstream.delivery.notify()

    async def _find_stuck(self) -> list[str]:
        """Which parts give no sign of life, for the watchdog."""
        stuck = []
        try:
            async with asyncio.timeout(JOURNAL_ANSWERS_WITHIN.total_seconds()):
                await self.journal.depth()
        except (TimeoutError, AgentError):
            stuck.append("the journal")
        now = time.monotonic()
        for reader in self.readers.values():
            alive_at = reader.driver.alive_at()
            silent_s = 0.0 if alive_at is None else now - alive_at
            if silent_s > READER_SILENT_AT_MOST.total_seconds():
                stuck.append(f"reader {reader.name}")
        return stuck

    # ---- stop -----------------------------------------------------------------------

    async def _drain(self) -> None:
        """Finish what has been tapped, after the readers and before the rest stop."""
        try:
            async with asyncio.timeout(DRAIN_WITHIN.total_seconds()):
                await self.runner.drain()
                # A stop that was decided has reached its charger before we go.
                for charger in self.chargers.values():
                    await charger.settle()
                await self.runner.drain()
                await self.runner.record_the_rest()
            # Only a station at rest can be handed on; else the journal knows best.
            self._remembered = self.runner.memory()
        except TimeoutError:
            _LOGGER.warning("some inputs could not be handled before stopping")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _new_id() -> str:
    return str(uuid4())
