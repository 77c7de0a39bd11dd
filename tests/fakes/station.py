"""A station with a real journal, on chargers that do as they are told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from agent.actuators import ChargerPort
from agent.domain.messages import (
    CardLifted,
    CardTapped,
    Event,
    Record,
    Show,
)
from agent.domain.settings import Settings
from agent.domain.tokens import NoAnswer, WhitelistType
from agent.domain.uid import Technology
from agent.health import Health
from agent.station_runner import StationRunner
from agent.store.journal import FILE, Journal
from agent.store.journal_thread import JournalThread
from drivers.chargers.base import (
    Connected,
)
from tests.fakes.cards import token_of, uid_of
from tests.fakes.hardware import FakeCharger
from tests.fakes.loop_clock import LoopClock, running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from agent.domain.outcomes import Outcome, Signal
    from agent.domain.tokens import Reply, Token
    from agent.domain.uid import Uid
    from agent.station_memory import Memory

ONE: dict[str, tuple[str, ...]] = {"front": ("E1",)}
TWO: dict[str, tuple[str, ...]] = {"front": ("E1",), "side": ("E2",)}


class Recorder:
    """A journal whose disk may be full."""

    def __init__(self, journal: Journal) -> None:
        self.thread = JournalThread(journal)
        self.error: Exception | None = None
        self.changes: list[str] = []
        self.takes_s = 0.0

    async def record(self, records: Sequence[tuple[Record, str]]) -> None:
        """Record, or fail whole."""
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        await self.thread.record(records)
        self.changes += [record.change.value for record, _ in records]


class Room:
    """Space on a disk; `on_release` happens when what is kept for ends is given up."""

    def __init__(self) -> None:
        self.held = self.plenty = True
        self.on_release: Callable[[], None] = lambda: None

    def hold(self) -> bool:
        """Say whether something new may begin."""
        self.held = self.held or self.plenty
        return self.held

    def release(self) -> bool:
        """Give up what is held."""
        was_held, self.held = self.held, False
        if was_held:
            self.on_release()
        return was_held


class Bench:
    """A station with a real journal, on chargers that do as they are told."""

    def __init__(
        self,
        folder: Path,
        readers: dict[str, tuple[str, ...]] = ONE,
        **rules: Any,  # noqa: ANN401 - fields of Settings
    ) -> None:
        self.path = folder / FILE
        self.settings = Settings(readers=readers, **rules)
        self.events: list[Event] = []
        self.shown: list[Signal] = []
        self.news = 0
        self.room = Room()
        self.asked: list[tuple[Uid, timedelta]] = []
        self.reply: Reply | Exception = NoAnswer("silence")
        self.reply_takes_s = 0.0
        uids = sorted({uid for uids in readers.values() for uid in uids})
        self.hardware = {uid: FakeCharger() for uid in uids}
        self.memory: Memory | None = None
        self._ids = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the station; chargers are found before anything else."""
        self.health = Health(LoopClock())
        self.journal = Recorder(Journal(self.path))
        self.ports: dict[str, ChargerPort] = {}
        self.runner = StationRunner(
            settings=self.settings,
            clock=LoopClock(),
            journal=self.journal,
            room=self.room,
            chargers=self.ports,
            ask=self.ask,
            show=self.show,
            publish=self.events.append,
            on_recorded=self.on_recorded,
            new_id=self.new_id,
            health=self.health,
        )
        for uid, charger in self.hardware.items():
            self.ports[uid] = ChargerPort(uid, charger, self.runner.post, self.health)
        open_sessions = await self.journal.thread.open_sessions()
        await self.runner.restore(open_sessions, self.memory)
        routines = [port.run() for port in self.ports.values()]
        try:
            async with running(self.runner.run(), *routines):
                for port in self.ports.values():
                    await port.found.wait()
                await self.settle()
                yield
        finally:
            await self.journal.thread.close()

    def show(self, effect: Show) -> None:
        """Show a signal."""
        self.shown.append(effect.signal)

    def on_recorded(self) -> None:
        """Hear that there is something to report."""
        self.news += 1

    def new_id(self) -> str:
        """Number everything."""
        self._ids += 1
        return f"ID{self._ids}"

    async def ask(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        *,
        within: timedelta,
        late: timedelta = timedelta(),
        background: bool = False,
    ) -> Reply:
        """Answer as the test says."""
        del token, evse_uids, background
        self.asked.append((uid, within + late))
        await asyncio.sleep(self.reply_takes_s)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    # ---- what people do

    async def tap(
        self,
        card: str,
        reader: str = "front",
        whitelist: WhitelistType | None = WhitelistType.ALWAYS,
    ) -> str:
        """Hold a card to a reader, and return the tap's id; None lists it nowhere."""
        tap_id = self.new_id()
        self.runner.post(
            CardTapped(
                tap_id=tap_id,
                reader=reader,
                slot="0",
                uid=uid_of(card),
                technology=Technology.ISO14443,
                token=token_of(card, whitelist) if whitelist else None,
            )
        )
        self.runner.post(CardLifted(reader, "0"))
        await self.settle()
        return tap_id

    async def plug(self, evse_uid: str = "E1") -> None:
        """Plug a vehicle in."""
        self.hardware[evse_uid].tell(Connected())
        await self.settle()

    async def settle(self) -> None:
        """Let everything that needs no time happen."""
        for _ in range(3):
            await asyncio.sleep(0.001)
            await self.runner.drain()
            for port in self.ports.values():
                await port.settle()

    def outcome(self, tap_id: str) -> tuple[Outcome | None, Any]:
        """Say what became of a tap, which has exactly one outcome."""
        [event] = [e for e in self.events if e.tap_id == tap_id and e.outcome]
        return event.outcome, event.reason

    def on_disk(self) -> list[str]:
        """Name the sessions that are durably open, by looking at the file itself."""
        with closing(Journal(self.path, read_only=True)) as journal:
            return [session.evse_uid for session in journal.open_sessions()]


def play(bench: Bench, story: Callable[[], Awaitable[None]]) -> None:
    """Run the station beside a story."""

    async def main() -> None:
        async with bench.running():
            await story()

    run_virtual(main())


def sessions(bench: Bench) -> list[tuple[Any, bool]]:
    """Read what is on disk."""
    with closing(Journal(bench.path, read_only=True)) as journal:
        return journal.sessions(9)
