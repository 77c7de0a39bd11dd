"""One upstream at work: its connection, its synchronisations, its reports."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from agent.backoff import Backoff
from agent.cancellation import noticed
from agent.connections import connect
from agent.errors import HeldBackError
from agent.ocpi.schedule import SyncSchedule
from agent.ocpi.sync import Synchronizer
from agent.report.delivery import DeliveryLoop

if TYPE_CHECKING:
    from agent.config import Config, Upstream
    from agent.domain.sessions import Session
    from agent.errors import AgentError
    from agent.health import Health
    from agent.report.delivery import Outbox
    from agent.store.whitelist import Whitelist
    from agent.timekeeper import Timekeeper

_RETRY = Backoff(first=timedelta(seconds=1), cap=timedelta(minutes=5))


class UpstreamPort:
    """Keeps one upstream's whitelist fresh and its sessions told."""

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        config: Config,
        upstream: Upstream,
        *,
        whitelist: Whitelist,
        outbox: Outbox,
        timekeeper: Timekeeper,
        health: Health,
    ) -> None:
        self.name = upstream.config.name
        self.has_tokens = upstream.config.tokens
        self._timekeeper = timekeeper
        self._health = health
        self._heard_at: timedelta | None = None
        self.connection = connect(
            config,
            upstream,
            self._on_change,
            clock_is_synchronized=timekeeper.is_synchronized,
        )
        self.delivery = DeliveryLoop(self.connection, outbox, self, _RETRY, health)
        self.schedule = SyncSchedule(
            Synchronizer(
                self.name,
                self.connection,
                whitelist,
                max_shrink_percent=upstream.config.max_shrink,
            ),
            lambda: whitelist.sync_state(self.name).swept_at,
            every=upstream.config.sync_every,
            full_every=upstream.config.full_sync_every,
            backoff=_RETRY,
            on_result=self._on_sync,
        )

    async def run(self) -> None:
        """Synchronise and deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self.has_tokens:
                part = f"synchronisation from {self.name}"
                group.create_task(noticed(part, self.schedule.run()))
            part = f"reporting to {self.name}"
            group.create_task(noticed(part, self.delivery.run()))

    def synchronize_soon(self) -> None:
        """Synchronise without waiting for the next turn."""
        self.schedule.soon()

    def start_anew(self) -> None:
        """Use new tokens at once, for whatever has been waiting."""
        self.schedule.soon()
        self.delivery.retry_now()

    def correct(self, session: Session) -> Session:
        """Date a session by all that is known now."""
        return self._timekeeper.correct(session)

    def hold_back(self, session: Session) -> timedelta:
        """Let a report wait for the time, but not for ever once we are heard."""
        return self._timekeeper.hold_back(session, self._heard_at)

    def on_heard(self) -> None:
        """Note that the backend answers: it may take reports again, too."""
        if self._heard_at is None:
            self._heard_at = self._timekeeper.now()
        self.delivery.retry_now()

    async def close(self) -> None:
        """Close the network connections."""
        await self.connection.close()

    def _on_change(self, err: AgentError | None) -> None:
        # The connection has told the log already.
        self._health.note(f"upstream {self.name}", "" if err is None else str(err))

    def _on_sync(self, err: AgentError | None) -> None:
        part = f"synchronisation from {self.name}"
        if err is None:
            self._health.good(part)
            self._health.good("whitelist")
            self.on_heard()
            return
        if isinstance(err, HeldBackError):
            self.on_heard()
        self._health.bad(part, str(err))
