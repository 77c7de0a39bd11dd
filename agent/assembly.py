"""The parts of one station: made, connected, and not yet running."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from agent import registry
from agent.actuators import ChargerPort, IndicatorPort
from agent.authorizer import Authorizer
from agent.card_readers import CardDesk, ReaderPort
from agent.concealment import ConcealedGroups
from agent.connections import subscriber
from agent.domain.messages import UpstreamUp
from agent.errors import AgentError, StoreFailedError
from agent.events import EventLog
from agent.reception import Reception
from agent.service import credentials_directory
from agent.station_runner import StationRunner
from agent.store.journal import FILE as JOURNAL_FILE
from agent.store.journal import Journal
from agent.store.journal_thread import JournalThread
from agent.store.keys import CardKeys, load_key
from agent.store.reserve import Reserve
from agent.store.whitelist import Whitelist
from agent.timekeeper import Timekeeper
from agent.upstreams import UpstreamPort
from agent.whitelist_keeper import WhitelistKeeper
from drivers.chargers.metered import MeteredCharger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AsyncExitStack

    from agent.clock import SystemClock
    from agent.config import Config
    from agent.config.config import Evse
    from agent.domain.messages import Show
    from agent.ending import Ending
    from agent.health import Health
    from drivers.chargers.base import Charger

JOURNAL_ANSWERS_WITHIN = timedelta(seconds=10)
READER_SILENT_AT_MOST = timedelta(seconds=60)

T = TypeVar("T")


class Assembly:
    """Every part of the station, by name; `stack` closes what has to be closed."""

    def __init__(
        self,
        config: Config,
        clock: SystemClock,
        health: Health,
        stack: AsyncExitStack,
        ending: Ending,
    ) -> None:
        self.config = config
        self.clock = clock
        self.health = health
        self._ending = ending
        self.reserve = Reserve(config.station.state_dir)
        self._open_stores(stack)
        self._build_upstreams(stack)
        self._build_runner()
        self._build_hardware()

    async def find_stuck(self) -> list[str]:
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

    # ---- made in order --------------------------------------------------------------

    def _open_stores(self, stack: AsyncExitStack) -> None:
        state_dir = self.config.station.state_dir
        self.keys = CardKeys(load_key(state_dir, credentials_directory()))
        names = [upstream.config.name for upstream in self.config.upstreams]
        self.whitelist = self._open(
            lambda: Whitelist(state_dir, self.keys, self.clock.boot_id, names)
        )
        self._close(
            stack, "the whitelist", lambda: asyncio.to_thread(self.whitelist.close)
        )
        subscribers = [subscriber(upstream) for upstream in self.config.upstreams]
        is_reachable = self.config.server.public_url is not None
        keep_cards = self.config.server.keep_cards if is_reachable else timedelta()
        journal = self._open(
            lambda: Journal(
                state_dir / JOURNAL_FILE,
                subscribers=subscribers,
                keep=self.config.reporting.keep_sessions,
                keep_cards=keep_cards,
            )
        )
        if journal.salvage is not None:
            self.health.bad("damaged journal", str(journal.salvage))
        self.journal = JournalThread(journal)
        self._close(stack, "the journal", self.journal.close)

    def _close(
        self,
        stack: AsyncExitStack,
        name: str,
        close: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """Have something closed in the end, if it lets itself be closed."""

        async def finish() -> None:
            await self._ending.finish(name, close())

        stack.push_async_callback(finish)

    def _open(self, store: Callable[[], T]) -> T:
        """Open a store, on a full disk with the space that is kept for that."""
        try:
            return store()
        except StoreFailedError:
            if not self.reserve.release():
                raise
        return store()

    def _build_upstreams(self, stack: AsyncExitStack) -> None:
        config, health = self.config, self.health
        self.timekeeper = Timekeeper(
            self.clock,
            self.journal,
            config.clock.max_wait,
            health,
            self._on_synchronized,
        )
        self.upstreams = [
            UpstreamPort(
                config,
                upstream,
                whitelist=self.whitelist,
                outbox=self.journal,
                timekeeper=self.timekeeper,
                health=health,
            )
            for upstream in config.upstreams
        ]
        for upstream in self.upstreams:
            self._close(stack, f"upstream {upstream.name}", upstream.close)
            # Nothing bad is known of it, whatever was before a reload.
            health.note(f"asking {upstream.name}", "")
        self.reception = Reception(
            config,
            self.upstreams,
            whitelist=self.whitelist,
            journal=self.journal,
            clock=self.clock,
            health=health,
        )

    def _build_runner(self) -> None:
        config, health = self.config, self.health
        self.events = EventLog(self.keys.fingerprint)
        self.keeper = WhitelistKeeper(
            self.whitelist,
            health,
            self._fetch_again,
            clock=self.clock,
            max_age=config.authorization.whitelist_max_age,
        )
        self.authorizer = Authorizer(
            [upstream.connection for upstream in self.upstreams],
            [
                upstream.config.name
                for upstream in config.upstreams
                if upstream.config.authorize_unknown
            ],
            self.keeper.learn,
            deadline=config.authorization.deadline,
            clock=self.clock,
            on_down=self._on_upstream_down,
            on_up=self._on_upstream_up,
        )
        self.chargers: dict[str, ChargerPort] = {}
        self.indicators: dict[str, IndicatorPort] = {}
        groups = ConcealedGroups(self.authorizer.ask, self.keys.group)
        self.runner = StationRunner(
            settings=groups.settings(config.settings()),
            clock=self.clock,
            journal=self.journal,
            room=self.reserve,
            chargers=self.chargers,
            ask=groups.ask,
            show=self._show,
            publish=self.events.publish,
            on_recorded=self._on_recorded,
            new_id=_new_id,
            health=health,
        )

    def _build_hardware(self) -> None:
        config, post = self.config, self.runner.post
        for evse in config.evses:
            charger = make_charger(evse)
            self.chargers[evse.uid] = ChargerPort(evse.uid, charger, post, self.health)
        desk = CardDesk(
            find=self.whitelist.find,
            is_fresh=self.keeper.is_fresh,
            aliases=config.authorization.also_match,
            on_damage=self.keeper.on_damage,
            fingerprint=self.keys.fingerprint,
            new_id=_new_id,
            clock=self.clock,
            health=self.health,
        )
        self.readers: dict[str, ReaderPort] = {}
        for reader in config.readers:
            driver = registry.load_driver(registry.READERS, reader.reader.driver)
            device = driver(reader.reader.options)
            self.readers[reader.name] = ReaderPort(
                reader.name,
                device,
                desk,
                post,
                self.health,
                transform=reader.transform,
            )
            driver = registry.load_driver(registry.INDICATORS, reader.indicator.driver)
            indicator = driver(reader.indicator.options)
            indicator.attach(device)
            self.indicators[reader.name] = IndicatorPort(
                reader.name, indicator, self.health
            )

    # ---- and connected --------------------------------------------------------------

    def _show(self, effect: Show) -> None:
        if indicator := self.indicators.get(effect.reader):
            indicator.show(effect.signal)

    def _fetch_again(self) -> None:
        for upstream in self.upstreams:
            upstream.synchronize_soon()

    def _on_upstream_up(self, name: str) -> None:
        self.health.good(f"asking {name}")
        self.runner.post(UpstreamUp(name))
        for upstream in self.upstreams:
            if upstream.name == name:
                upstream.on_heard()

    def _on_upstream_down(self, name: str, why: str) -> None:
        self.health.bad(f"asking {name}", f"{why}; cards are decided without it")

    def _on_synchronized(self) -> None:
        for upstream in self.upstreams:
            upstream.delivery.retry_now()

    def _on_recorded(self) -> None:
        for upstream in self.upstreams:
            upstream.delivery.notify()


def make_charger(evse: Evse) -> Charger:
    """Make an EVSE's charger, with the meter beside it if there is one."""
    driver = registry.load_driver(registry.CHARGERS, evse.charger.driver)
    charger: Charger = driver(evse.charger.options)
    if evse.meter is None:
        return charger
    meter = registry.load_driver(registry.METERS, evse.meter.driver)
    return MeteredCharger(charger, meter(evse.meter.options))


def _new_id() -> str:
    return str(uuid4())
