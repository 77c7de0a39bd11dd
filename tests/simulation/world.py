"""The whole world of one station, and the agent that is run in it."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections import defaultdict, deque
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from agent.domain.outcomes import EventKind
from agent.store.journal import FILE, Journal
from tests.simulation.cards import MASTER_GROUP, Card, make_cards
from tests.simulation.clock import MachineClock
from tests.simulation.drivers import Crowd
from tests.simulation.power import Machine
from tests.simulation.readers import CardReader, Tap
from tests.simulation.sockets import Socket
from tests.simulation.troubles import Troubles
from tests.simulation.upstream import Backend, Line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.domain.messages import Event
    from tests.simulation.power import Life

DAY_S: Final = 86_400.0
HOUR_S: Final = 3600.0
#: Which sockets each reader serves; one of them is served by two.
READERS: Final = {
    "east": ("E1", "E2", "E3", "E4"),
    "west": ("E4", "E5", "E6", "E7"),
    "south": ("E8",),
}
_LOOK_S: Final = 2.0
#: The rules' connection_timeout, and what they need to decide.
_GRANT_S: Final = 75.0
_SETTLES_WITHIN_MINUTES: Final = 12 * 60


@dataclass(frozen=True, slots=True)
class Plan:
    """What kind of month it is."""

    seed: int
    days: float
    #: Whether the agent is ever killed or restarted.
    restarts: bool = True
    #: How many times as much goes wrong as usual.
    trouble: float = 1.0
    online: str = "local-first"
    offline: str = "whitelist"
    late_refusal: str = "stop"

    @property
    def rules(self) -> dict[str, dict[str, str]]:
        """What the configuration says besides hardware and backends."""
        return {
            "authorization": {
                "online": self.online,
                "offline": self.offline,
                "late_refusal": self.late_refusal,
                "master_group": MASTER_GROUP,
            },
            "reporting": {"meter_every": "3min", "update_every": "15min"},
        }


@dataclass(eq=False)
class Heard:
    """What the agent has said aloud, with the true time."""

    taps: list[Tap] = field(default_factory=list)
    #: Outcomes of grants, by the tap that was granted.
    grants: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    #: The run in which something was granted.
    granted_in: dict[str, int] = field(default_factory=dict)
    started: dict[str, tuple[float, str, str]] = field(default_factory=dict)
    stopped: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    #: What should never be heard.
    wrong: list[str] = field(default_factory=list)


class World:
    """Everything there is; `now` is true time in seconds."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self._loop = asyncio.get_running_loop()
        self._counts: dict[str, int] = defaultdict(int)
        self._ids = self.chance("ids")
        self._unheard: dict[tuple[int, str], deque[Tap]] = defaultdict(deque)
        self._taps: dict[str, Tap] = {}
        #: Set at every tap and every unplugging, for whoever waits for a bad moment.
        self.gesture = asyncio.Event()
        self.clock = MachineClock(self.now)
        self.network = Line.UP
        self.sockets = {
            uid: Socket(uid, self.now, 1000 * number)
            for number, uid in enumerate(
                sorted({*READERS["east"], *READERS["west"], "E8"})
            )
        }
        self.readers = {
            name: CardReader(name, [self.sockets[uid] for uid in uids])
            for name, uids in READERS.items()
        }
        self.cards = make_cards(self.chance("cards"), plan.days)
        self.cards_by_uid = {card.key: card for card in self.cards}
        self.backends = {
            "cpo": Backend(self, "cpo", ("SE", "ABC")),
            "hub": Backend(self, "hub", ("DE", "HUB")),
        }
        self.heard = Heard()
        self.machine = Machine(self, directory)
        self.troubles = Troubles(self)

    def now(self) -> float:
        """Tell true time."""
        return self._loop.time()

    def set_network(self, line: Line) -> None:
        """Let the station's network be so."""
        self.network = line
        for backend in self.backends.values():
            backend.become()

    def chance(self, part: str) -> random.Random:
        """Make dice for a part of the world; asked for again, they are others."""
        return chance_for(self.plan.seed, f"{part} {self.count(part)}")

    def new_id(self) -> str:
        """Make an id as the agent wants them; the same seed gives the same ones."""
        return str(UUID(int=self._ids.getrandbits(128), version=4))

    def count(self, what: str) -> int:
        """Number things of a kind."""
        self._counts[what] += 1
        return self._counts[what]

    def readers_of(self, socket: Socket) -> list[CardReader]:
        """Find the readers that serve a socket."""
        return [one for one in self.readers.values() if socket in one.sockets]

    async def until(self, happens: Callable[[], bool], within_s: float) -> bool:
        """Wait until something is so; say whether it is."""
        for _ in range(round(within_s / _LOOK_S)):
            if happens():
                return True
            await asyncio.sleep(_LOOK_S)
        return happens()

    # ---- the story ------------------------------------------------------------------

    async def live(self, probe: Callable[[World], None]) -> None:
        """Live through the plan's days; `probe` looks at things every hour."""
        crowd = Crowd(self)
        people = asyncio.create_task(crowd.come())
        self.machine.boot()
        trouble = asyncio.create_task(self.troubles.run())
        try:
            while self.now() < self.plan.days * DAY_S:
                await asyncio.sleep(HOUR_S)
                self.machine.check()
                if trouble.done():
                    trouble.result()
                probe(self)
        finally:
            crowd.closed = True
            async with self.troubles.at_work:
                trouble.cancel()
            await asyncio.wait({trouble})
        await self.troubles.repair()
        await people
        await self.settle()

    async def settle(self) -> None:
        """Wait until everything is told, and stop the agent."""
        for _ in range(_SETTLES_WITHIN_MINUTES):
            await asyncio.sleep(60)
            if self._is_told():
                break
        await self.machine.terminate()

    def _is_told(self) -> bool:
        self.machine.check()
        path = self.machine.state / FILE
        with closing(Journal(path, read_only=True)) as journal:
            return journal.outbox.sinks() == [] and journal.open_sessions() == []

    # ---- what is seen and heard -----------------------------------------------------

    def note_tap(self, reader: CardReader, card: Card, life: Life) -> None:
        """Note that a card is read."""
        taps = self.heard.taps
        idle = sum(socket.is_idle for socket in reader.sockets)
        recent = bisect_left(taps, self.now() - _GRANT_S, key=_moment_of)
        # Whoever has just tapped may be about to take one of them.
        room = idle > len(taps) - recent
        tap = Tap(self.now(), reader.name, card, life.number, room)
        taps.append(tap)
        self._unheard[life.number, reader.name].append(tap)
        self.gesture.set()

    def hear(self, event: Event, life: Life) -> None:
        """Take what the agent publishes."""
        if not life.powered:
            return
        heard, now = self.heard, self.now()
        outcome = event.outcome.value if event.outcome else None
        if event.kind is EventKind.TAP_RECEIVED:
            self._match(event, life)
        elif outcome and event.tap_id:
            tap = self._taps.get(event.tap_id)
            if tap is None:
                heard.wrong.append(f"{event.kind} of an unknown tap at {now:.0f}")
            else:
                tap.outcomes.append(outcome)
                tap.reasons.append(event.reason.value if event.reason else None)
            if outcome == "granted":
                heard.granted_in[event.tap_id] = life.number
        if outcome and event.grant_id:
            heard.grants[event.grant_id].append(outcome)
        if event.kind is EventKind.SESSION_STARTED and event.session_id:
            uid = event.uid.value if event.uid else ""
            heard.started[event.session_id] = (now, event.evse_uid or "", uid)
        if event.kind is EventKind.SESSION_STOPPED and event.session_id:
            heard.stopped[event.session_id].append(now)

    def _match(self, event: Event, life: Life) -> None:
        waiting = self._unheard[life.number, event.reader or ""]
        tap = waiting.popleft() if waiting else None
        if tap is None or event.uid is None or event.uid.value != tap.card.key:
            self.heard.wrong.append(f"a tap that was none at {self.now():.0f}")
            return
        tap.tap_id = event.tap_id
        self._taps[event.tap_id or ""] = tap


def _moment_of(tap: Tap) -> float:
    return tap.at


def chance_for(seed: int, part: str) -> random.Random:
    """Give each part of the world dice of its own."""
    return random.Random(f"{seed}/{part}")  # noqa: S311 - no secret
