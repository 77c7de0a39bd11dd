"""A model of what surrounds the rules: a disk, chargers and the order of effects."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.domain.messages import (
    Change,
    ChargerFound,
    ChargerLost,
    Context,
    DisableEnergy,
    DisableFailed,
    EnableEnergy,
    EnableFailed,
    EnergyDisabled,
    EnergyEnabled,
    Record,
    Reloaded,
    Tick,
)
from agent.domain.recovery import end_orphans
from agent.domain.sessions import SessionStatus
from agent.domain.station import next_deadline, restore, unreachable
from agent.domain.step import step
from agent.domain.timeline import base_of
from tests.agent.domain.ledger import Ledger
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from datetime import datetime

    from agent.domain.instant import Instant
    from agent.domain.messages import Effect, Input
    from agent.domain.sessions import Session
    from agent.domain.settings import Settings


class StationClock(FakeClock):
    """A clock that may not be synchronized; `bases` are what was learned of its boots.

    `lag` is how far it is from the truth, whether it knows or not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.synchronized = True
        self.lag = timedelta()
        self.bases: dict[str, datetime] = {}

    @property
    def truth(self) -> datetime:
        """What time it really is."""
        return self.wall - self.lag

    def now(self) -> Instant:
        """Tell the moment, and remember when this boot began once it is known."""
        now = replace(super().now(), synchronized=self.synchronized)
        if now.synchronized:
            self.bases.setdefault(now.boot_id, base_of(now))
        return now

    def lose_the_time(self, lag: timedelta) -> None:
        """Be wrong from now on, and know it."""
        self.synchronized = False
        self.set_wall(lag)
        self.lag += lag

    def learn_the_time(self) -> None:
        """Be right from now on, and know it."""
        self.synchronized = True
        self.set_wall(-self.lag)
        self.lag = timedelta()


@dataclass
class Box:
    """One charger as it physically is, and the commands it has not carried out.

    `runaway` says that it delivers although nobody has told it to, `mute` that its
    meter gives no reading when it switches off.
    """

    commands: deque[EnableEnergy | DisableEnergy] = field(default_factory=deque)
    enabled: bool = False
    runaway: bool = False
    mute: bool = False
    connected: bool = False
    wh: int = 1000
    fault: str | None = None


class Shell:
    """Takes steps, performs their effects in order and keeps the ledger.

    `disk` holds what would survive a power cut. A record that the full disk refuses
    is kept in memory and written with the next one that succeeds.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = StationClock()
        self.ledger = Ledger(settings)
        self.disk: dict[str, Session] = {}
        self.disk_full = False
        #: Whether a step was found to be wrong; nothing can be said after it.
        self.has_failed = False
        self.effects: list[Effect] = []
        self.evse_uids = sorted(
            {uid for uids in settings.readers.values() for uid in uids}
        )
        self.boxes = {uid: Box() for uid in self.evse_uids}
        self.station = restore(self.evse_uids, [])
        #: When each session has really started, and ended unless that was not seen.
        self.truth: dict[str, list[datetime]] = {}
        self._unwritten: dict[str, Session] = {}
        self._ids = 0

    def send(self, message: Input) -> None:
        """Take one step; a failed record is taken back and decided anew."""
        now = self.clock.now()
        before = self.station
        context = Context(now=now, new_id=self._new_id)
        station, effects = step(before, message, self.settings, context)
        if self.disk_full and any(isinstance(effect, Record) for effect in effects):
            context = Context(now=now, new_id=self._new_id, storage_ok=False)
            station, effects = step(before, message, self.settings, context)
        self.station = station
        self.effects += effects
        self.has_failed = True
        self.ledger.watch(before, message, station, effects, now)
        for effect in effects:
            self._perform(effect)
        self.check_energy()
        self.has_failed = False

    def _new_id(self) -> str:
        self._ids += 1
        return f"S{self._ids}"

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Record(change, session):
                started = session.id in self.truth
                has_ended = not (session.is_open or session.end_estimated)
                if change is Change.START or (started and has_ended):
                    self.truth.setdefault(session.id, []).append(self.clock.truth)
                self._write(change, session)
            case EnableEnergy(evse_uid, session_id):
                row = self.disk[session_id]
                assert row.status is SessionStatus.ACTIVE, "energy before the row"
                self.boxes[evse_uid].commands.append(effect)
            case DisableEnergy(evse_uid):
                self.boxes[evse_uid].commands.append(effect)

    def _write(self, change: Change, session: Session) -> None:
        self._unwritten[session.id] = session
        if self.disk_full:
            new = (Change.PENDING, Change.START)
            assert change not in new, "a start without a durable row"
            return
        self.write_the_rest()

    def write_the_rest(self) -> None:
        """Write what could not be written before, if it can be now."""
        if not self.disk_full:
            self.disk |= self._unwritten
            self._unwritten.clear()

    def check_energy(self) -> None:
        """Energy flows only under exactly one durable open session."""
        rows = (self.disk | self._unwritten).values()
        for uid, box in self.boxes.items():
            opened = [
                row
                for row in rows
                if row.status is SessionStatus.ACTIVE and row.evse_uid == uid
            ]
            assert len(opened) <= 1, "two open sessions at one EVSE"
            if box.enabled and not box.runaway:
                assert opened, "energy without a session"
                assert opened[0].id in self.disk, "energy without a durable row"

    # ---- chargers

    def obey(self, evse_uid: str) -> None:
        """Let the charger carry out its oldest command."""
        box = self.boxes[evse_uid]
        match box.commands.popleft():
            case EnableEnergy(_, session_id):
                box.enabled, box.runaway = True, False
                self.check_energy()
                self.send(EnergyEnabled(evse_uid, session_id))
            case DisableEnergy(_, session_id):
                box.enabled = box.runaway = False
                self.send(
                    EnergyDisabled(evse_uid, session_id, None if box.mute else box.wh)
                )

    def disobey(self, evse_uid: str) -> None:
        """Let the charger fail at its oldest command."""
        match self.boxes[evse_uid].commands.popleft():
            case EnableEnergy(_, session_id):
                self.send(EnableFailed(evse_uid, session_id, "no relay"))
            case DisableEnergy(_, session_id):
                self.send(DisableFailed(evse_uid, session_id, "no link"))

    def lose(self, evse_uid: str) -> None:
        """Cut the link to a charger; what it was told may still arrive, or fail."""
        self.send(ChargerLost(evse_uid))

    def find(self, evse_uid: str) -> None:
        """Meet a charger as it is."""
        box = self.boxes[evse_uid]
        self.send(
            ChargerFound(
                evse_uid=evse_uid,
                connected=box.connected,
                enabled=box.enabled,
                wh=box.wh,
                fault=box.fault,
            )
        )

    # ---- time and power

    def deadline(self) -> timedelta | None:
        """Say when the machine next wants a Tick."""
        return next_deadline(self.station, self.settings)

    def pass_time(self, by: timedelta) -> None:
        """Let time pass, with a Tick whenever the machine wants one."""
        until = self.clock.monotonic + by
        while (
            due := next_deadline(self.station, self.settings)
        ) is not None and due <= until:
            self.clock.move_to(due)
            self.send(Tick())
            left = next_deadline(self.station, self.settings)
            assert left is None or left > self.clock.monotonic, "a deadline that sticks"
        self.clock.move_to(until)
        self.ledger.check_signals(self.station, self.clock.now())

    def restart(self, dark: timedelta) -> None:
        """Cut the power: what is on disk survives, and so do the chargers."""
        self.clock.reboot(dark)
        self._unwritten.clear()
        opened = [row for row in self.disk.values() if row.is_open]
        for session in opened:
            # Ends that were not written have not happened.
            del self.truth.get(session.id, [])[1:]
        self.ledger.forget_unfinished(self.disk)
        self.station = restore(self.evse_uids, opened)
        for record in end_orphans(self.evse_uids, opened):
            self.effects.append(record)
            self.ledger.book_record(record.change, record.session)
            self._perform(record)
        for box in self.boxes.values():
            box.commands.clear()

    def reload(self, settings: Settings) -> None:
        """Go on with other settings, from rest: chargers are met and readers opened."""
        assert not any(box.commands for box in self.boxes.values())
        self.settings = self.ledger.settings = settings
        self.ledger.shown.clear()
        self.station = unreachable(self.station)
        self.send(Reloaded())
        for evse_uid in self.evse_uids:
            self.find(evse_uid)
