"""What a running daemon answers on its control socket, one method per command."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from importlib.metadata import version
from string import hexdigits
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from agent.control import CommandError, Progress
from agent.descriptions import (
    describe_card,
    describe_evse,
    describe_spellings,
    describe_upstream,
    describe_whitelist,
)
from agent.domain.explain import explain
from agent.domain.instant import ocpi_datetime
from agent.domain.messages import Context, Withdraw
from agent.domain.outcomes import StopReason
from agent.domain.uid import (
    Alias,
    Uid,
    aliases_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.assembly import Assembly
    from agent.card_readers import ReaderPort, SeenCard
    from agent.control import Command
    from agent.domain.instant import Instant
    from agent.ocpi import sync
    from agent.upstreams import UpstreamPort

OUTCOME_WITHIN_S = 30.0  # Deadline of a decision plus the charger's confirmation


class Commands:
    """The daemon as the command line sees it."""

    def __init__(self, parts: Assembly, started_at: Instant) -> None:
        self._parts = parts
        self._started_at = started_at

    def table(self) -> dict[str, Command]:
        """Every command by its name on the wire."""
        return {
            "status": self.status,
            "readers": self.readers,
            "next-card": self.next_card,
            "identify": self.identify,
            "tap": self.tap,
            "explain": self.explain,
            "withdraw": self.withdraw,
            "sync": self.sync,
            "retry": self.retry,
            "drop": self.drop,
            "watch": self.watch,
        }

    async def status(self, _: dict[str, Any]) -> AsyncIterator[Any]:
        """Say how the station is."""
        parts = self._parts
        now = parts.clock.now()
        waiting, refused = await parts.journal.depth()
        station = parts.runner.station
        yield {
            "version": version("rfid-agent"),
            "uptime_s": round(now.since(self._started_at).total_seconds()),
            "station": parts.config.station.location_id,
            "online": parts.config.authorization.online,
            "offline": parts.config.authorization.offline,
            "healthy": not refused
            and all(item.ok for item in parts.health.conditions()),
            "parts": [
                {
                    "part": item.part,
                    "ok": item.ok,
                    "detail": item.detail,
                    "since": ocpi_datetime(item.since),
                }
                for item in parts.health.conditions()
            ],
            "evses": [describe_evse(evse) for evse in station.evses.values()],
            "waiting_cards": len(station.checks) + len(station.grants),
            "upstreams": [describe_upstream(one) for one in parts.upstreams],
            "whitelist": await asyncio.to_thread(
                describe_whitelist, parts.whitelist, parts.upstreams
            ),
            "outbox": {"waiting": waiting, "refused": refused},
            "recent": list(parts.events.recent),
        }

    async def readers(self, _: dict[str, Any]) -> AsyncIterator[Any]:
        """List the configured readers and how they are."""
        conditions = {item.part: item for item in self._parts.health.conditions()}
        yield [
            {
                "name": reader.name,
                "driver": reader.reader.driver,
                "evses": list(reader.evses),
                "up": bool(part and part.ok),
                "detail": part.detail if part else "starting",
            }
            for reader in self._parts.config.readers
            for part in (conditions.get(f"reader {reader.name}"),)
        ]

    async def next_card(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Wait for a card and say how it reads; it is an ordinary tap as well."""
        yield describe_card(await self._see_card(request))

    async def identify(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Wait for a card and show every spelling that a list may have it under."""
        seen = await self._see_card(request)
        yield await asyncio.to_thread(describe_spellings, seen, self._parts.whitelist)

    async def _see_card(self, request: dict[str, Any]) -> SeenCard:
        loop = asyncio.get_running_loop()
        seen: asyncio.Future[SeenCard] = loop.create_future()

        def hear(card: SeenCard) -> None:
            if not seen.done():
                seen.set_result(card)

        with ExitStack() as watching:
            for port in self._ports(request):
                watching.enter_context(port.watched_by(hear))
            return await seen

    async def tap(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Tap a card that nobody holds, and wait for its outcome."""
        uid = _card_of(request)
        if not uid.value or set(uid.value) - set(hexdigits):
            raise CommandError("expected a card number, hex digits like 04A1B2C3D4E5F6")
        with self._parts.events.listen() as events:
            tapped = self._ports(request)[0].inject(uid)
            try:
                async with asyncio.timeout(OUTCOME_WITHIN_S):
                    while True:
                        event = await events.get()
                        if event.get("tap_id") == tapped.tap_id and "outcome" in event:
                            yield event
                            return
            except TimeoutError:
                raise CommandError("the station gave no outcome in time") from None

    async def explain(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Say what a tap of this card would do at each reader, and why."""
        uid, parts = _card_of(request), self._parts
        context = Context(now=parts.clock.now(), new_id=lambda: "would-be")
        runner = parts.runner
        tapped = [port.look_up(uid) for port in self._ports(request)]
        yield {
            "readers": [
                msgspec.to_builtins(
                    explain(runner.station, one, runner.settings, context)
                )
                for one in tapped
            ],
            "also_listed": self._other_spellings(uid) if not tapped[0].token else [],
        }

    def _other_spellings(self, uid: Uid) -> list[str]:
        """Under which spellings a card that is in no list would be found."""
        return [
            kind.value
            for kind in Alias
            if any(self._parts.whitelist.find(one) for one in aliases_of(uid, [kind]))
        ]

    async def withdraw(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Take back grants and waiting cards, and stop sessions."""
        evse_uid = request.get("evse_uid")
        if evse_uid is not None and evse_uid not in self._parts.chargers:
            known = ", ".join(self._parts.chargers)
            raise CommandError(f"no EVSE is called {evse_uid!r}; there are: {known}")
        found = await self._parts.runner.withdraw(
            Withdraw(
                request_id=str(uuid4()),
                reason=StopReason.OPERATOR,
                evse_uid=evse_uid,
                uid=_card_of(request) if request.get("uid") else None,
                session_id=request.get("session_id"),
            )
        )
        yield {
            "waiting": found.waiting,
            "grants": found.grants,
            "sessions": found.sessions,
        }

    async def sync(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Synchronise the upstreams' whitelists now, with progress."""
        wanted = request.get("upstream")
        upstreams = [
            upstream
            for upstream in self._parts.upstreams
            if wanted in (None, upstream.name) and upstream.has_tokens
        ]
        if not upstreams:
            raise CommandError(f"no upstream with tokens is called {wanted!r}")
        wishes = {one: bool(request.get(one)) for one in ("full", "accept_shrink")}
        results = []
        for upstream in upstreams:
            async for item in _synchronize(upstream, **wishes):
                if isinstance(item, Progress):
                    yield item
                else:
                    results.append(item)
        yield results

    async def retry(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Let refused reports be sent again."""
        number = request.get("id")
        retried = await self._parts.journal.retry_refused(number)
        for upstream in self._parts.upstreams:
            upstream.delivery.retry_now()
        yield {"retried": retried}

    async def drop(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Give a refused report up."""
        yield {"dropped": await self._parts.journal.drop_refused(request.get("id"))}

    async def watch(self, _: dict[str, Any]) -> AsyncIterator[Any]:
        """Tell every event until the asker hangs up."""
        with self._parts.events.listen() as events:
            yield Progress({"event": "watching"})
            while True:
                yield Progress(await events.get())

    def _ports(self, request: dict[str, Any]) -> list[ReaderPort]:
        """The reader that the request names, or all."""
        ports = self._parts.readers
        name = request.get("reader")
        if name is None:
            return list(ports.values())
        if name not in ports:
            raise CommandError(
                f"no reader is called {name!r}; there are: {', '.join(ports)}"
            )
        return [ports[name]]


async def _synchronize(
    upstream: UpstreamPort, *, full: bool, accept_shrink: bool
) -> AsyncIterator[Any]:
    """Run one synchronisation: its progress, then its result."""
    steps: asyncio.Queue[sync.Progress | None] = asyncio.Queue()
    run = asyncio.ensure_future(
        upstream.schedule.now(
            full=full, accept_shrink=accept_shrink, on_progress=steps.put_nowait
        )
    )
    run.add_done_callback(lambda _: steps.put_nowait(None))
    try:
        while (step := await steps.get()) is not None:
            yield Progress(msgspec.to_builtins(step))
        yield msgspec.to_builtins(await run)
    finally:
        run.cancel()


def _card_of(request: dict[str, Any]) -> Uid:
    return Uid.parse(str(request.get("uid", "")))
