"""The station at work: inputs in one queue, one step at a time, effects in order.

This is where "durable first, then act" is done: all records of a step are committed
before any other of its effects happens.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from agent.domain.messages import (
    Answered,
    AskUpstream,
    Context,
    DisableEnergy,
    Effect,
    EnableEnergy,
    Event,
    Input,
    Record,
    Reloaded,
    Revalidate,
    Show,
    Tick,
    Withdraw,
    Withdrawn,
)
from agent.domain.recovery import end_orphans
from agent.domain.station import Station, next_deadline, restore, unreachable
from agent.domain.step import step
from agent.domain.tokens import NoAnswer
from agent.errors import STORE_ERRORS
from agent.station_memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.clock import Clock
    from agent.domain.sessions import Session
    from agent.domain.settings import Settings
    from agent.health import Health
    from agent.station_ports import Ask, ChargerCommands, Recorder, Room

_LOGGER = logging.getLogger(__name__)

RECORD_AGAIN_S = 5.0  # How often a full disk is asked whether there is space again
LATE_ANSWER = timedelta(seconds=5)
ANSWER_BEFORE = timedelta(milliseconds=50)  # So that the best word is in by then


class StationRunner:
    """Feeds the machine and performs what it asks for."""

    def __init__(  # noqa: PLR0913 - the ports, all of them
        self,
        *,
        settings: Settings,
        clock: Clock,
        journal: Recorder,
        room: Room,
        chargers: Mapping[str, ChargerCommands],
        ask: Ask,
        show: Callable[[Show], None],
        publish: Callable[[Event], None],
        on_recorded: Callable[[], None],
        new_id: Callable[[], str],
        health: Health,
    ) -> None:
        self.settings = settings
        self.station = Station(evses={})
        self._clock = clock
        self._journal = journal
        self._room = room
        self._chargers = chargers
        self._ask = ask
        self._show = show
        self._publish = publish
        self._on_recorded = on_recorded
        self._new_id = new_id
        self._health = health
        self._inputs: asyncio.Queue[Input] = asyncio.Queue()
        self._unrecorded: list[tuple[Record, str]] = []
        self._has_ended = False
        self._stepping = asyncio.Lock()
        self._withdrawals: dict[str, asyncio.Future[Withdrawn]] = {}

    async def restore(
        self, open_sessions: Sequence[Session], memory: Memory | None = None
    ) -> None:
        """Begin where the journal, or the run before a reload, has left off.

        A predecessor with the same EVSEs is gone on from. One with others still knows
        more of its sessions than the journal.
        """
        if memory is not None:
            self._unrecorded = list(memory.unrecorded)
            if memory.station.evses.keys() == self._chargers.keys():
                self.station = unreachable(memory.station)
                self.post(Reloaded())
                return
            open_sessions = memory.update(open_sessions)
        self.station = restore(self._chargers, open_sessions)
        orphans = end_orphans(self._chargers, open_sessions)
        if not await self._record(orphans):
            self._unrecorded += [(record, self._new_id()) for record in orphans]

    async def come_to_rest(self) -> Memory:
        """Do what was handed in so far, and tell the memory between two steps."""
        await self._inputs.join()
        async with self._stepping:
            return self.memory()

    def memory(self) -> Memory:
        """What a successor needs to go on without a break."""
        return Memory(self.station, list(self._unrecorded))

    def post(self, message: Input) -> None:
        """Hand an input in; it is handled after those handed in before."""
        if not self._has_ended:
            self._inputs.put_nowait(message)

    async def withdraw(self, wanted: Withdraw) -> Withdrawn:
        """Take permissions back and stop sessions; say what was found."""
        asker: asyncio.Future[Withdrawn] = asyncio.get_running_loop().create_future()
        self._withdrawals[wanted.request_id] = asker
        self.post(wanted)
        try:
            return await asker
        finally:
            self._withdrawals.pop(wanted.request_id, None)

    async def run(self) -> None:
        """Handle inputs until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._handle(await self._next_input(), group)
        finally:
            # Nobody waits for what will never be handled.
            self._has_ended = True
            while not self._inputs.empty():
                self._inputs.get_nowait()
                self._inputs.task_done()

    async def drain(self) -> None:
        """Wait until everything handed in so far is done, or nothing is any more."""
        await self._inputs.join()

    async def record_the_rest(self) -> bool:
        """Try to make durable what could not be so far; say whether all is."""
        return await self._record([])

    async def _next_input(self) -> Input | None:
        deadline = next_deadline(self.station, self.settings)
        waits = [RECORD_AGAIN_S] if self._unrecorded else []
        if deadline is not None:
            left = deadline - self._clock.now().monotonic
            waits.append(max(left.total_seconds(), 0.0))
        try:
            async with asyncio.timeout(min(waits, default=None)):
                return await self._inputs.get()
        except TimeoutError:
            return None

    async def _handle(self, message: Input | None, group: asyncio.TaskGroup) -> None:
        try:
            async with self._stepping:
                await self._take_step(message or Tick(), group)
        finally:
            if message is not None:
                self._inputs.task_done()

    async def _take_step(self, message: Input, group: asyncio.TaskGroup) -> None:
        """Take one step: compute, make durable, act."""
        context = Context(
            now=self._clock.now(), new_id=self._new_id, storage_ok=self._room.hold()
        )
        before = self.station
        after, effects = step(before, message, self.settings, context)
        records = [effect for effect in effects if isinstance(effect, Record)]
        if (records or self._unrecorded) and not await self._record(records):
            # The same step again, knowing that nothing can be written: starts are
            # refused, stops happen, and what they record is kept for later.
            context = replace(context, storage_ok=False)
            after, effects = step(before, message, self.settings, context)
            self._unrecorded += [
                (effect, self._new_id())
                for effect in effects
                if isinstance(effect, Record)
            ]
            if self._unrecorded and self._room.release():
                await self._record([])
        self.station = after
        for effect in effects:
            self._perform(effect, group)

    async def _record(self, records: Sequence[Record]) -> bool:
        """Commit these and all that waits before them; say whether it worked."""
        batch = [*self._unrecorded, *((record, self._new_id()) for record in records)]
        if not batch:
            return True
        try:
            await self._journal.record(batch)
        except STORE_ERRORS as err:
            self._health.bad("journal", str(err))
            return False
        self._unrecorded.clear()
        self._health.good("journal")
        self._on_recorded()
        return True

    def _perform(self, effect: Effect, group: asyncio.TaskGroup) -> None:
        match effect:
            case Record():
                pass  # Done before everything else.
            case EnableEnergy() | DisableEnergy():
                self._chargers[effect.evse_uid].command(effect)
            case Withdrawn(request_id=request_id):
                if asker := self._withdrawals.pop(request_id, None):
                    asker.set_result(effect)
            case AskUpstream():
                group.create_task(self._answer(effect))
            case Revalidate():
                group.create_task(self._revalidate(effect))
            case Show():
                self._show(effect)
            case Event():
                self._publish(effect)
            case _:
                assert_never(effect)

    async def _answer(self, effect: AskUpstream) -> None:
        # The driver is answered at the deadline; a late answer still counts for what
        # the card has by then.
        left = effect.deadline - self._clock.now().monotonic - ANSWER_BEFORE
        try:
            reply = await self._ask(
                effect.uid,
                effect.token,
                effect.evse_uids,
                within=left,
                late=LATE_ANSWER,
            )
        except Exception:
            # Whatever is wrong in there, the driver is answered and the station runs.
            _LOGGER.exception("asking about a card failed in a way it should not")
            reply = NoAnswer("internal error")
        self.post(Answered(effect.tap_id, effect.uid, effect.evse_uids, reply))

    async def _revalidate(self, effect: Revalidate) -> None:
        try:
            reply = await self._ask(
                effect.uid,
                effect.token,
                effect.evse_uids,
                within=self.settings.deadline,
                late=LATE_ANSWER,
                background=True,
            )
        except Exception:
            _LOGGER.exception("verifying a card failed in a way it should not")
        else:
            self.post(Answered(None, effect.uid, effect.evse_uids, reply))
