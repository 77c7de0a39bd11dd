"""A model of what surrounds the rules: a disk, chargers and the order of effects."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
    Tick,
)
from agent.domain.station import next_deadline, restore
from agent.domain.step import step
from tests.agent.domain.ledger import Ledger
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from datetime import timedelta

    from agent.domain.messages import Effect, Input
    from agent.domain.sessions import Session
    from agent.domain.station import Settings


@dataclass
class Box:
    """One charger as it physically is, and the commands it has not carried out."""

    commands: deque[EnableEnergy | DisableEnergy] = field(default_factory=deque)
    enabled: bool = False
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
        self.clock = FakeClock()
        self.ledger = Ledger(settings)
        self.disk: dict[str, Session] = {}
        self.disk_full = False
        self.effects: list[Effect] = []
        self.evse_uids = sorted(
            {uid for uids in settings.readers.values() for uid in uids}
        )
        self.boxes = {uid: Box() for uid in self.evse_uids}
        self.station = restore(self.evse_uids, [])
        self._unwritten: dict[str, Session] = {}
        self._ids = 0

    def send(self, message: Input) -> None:
        """Take one step; a failed record is taken back and decided anew."""
        now = self.clock.now()
        self.ledger.expect(message, self.station, now.monotonic)
        context = Context(now=now, new_id=self._new_id)
        station, effects = step(self.station, message, self.settings, context)
        if self.disk_full and any(isinstance(effect, Record) for effect in effects):
            context = Context(now=now, new_id=self._new_id, storage_ok=False)
            station, effects = step(self.station, message, self.settings, context)
        self.station = station
        self.effects += effects
        self.ledger.watch(station, effects)
        for effect in effects:
            self._perform(effect)
        self.check_energy()

    def _new_id(self) -> str:
        self._ids += 1
        return f"S{self._ids}"

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Record(change, session):
                self._write(change, session)
            case EnableEnergy(evse_uid, session_id):
                assert self.disk[session_id].is_open, "energy before the row"
                self.boxes[evse_uid].commands.append(effect)
            case DisableEnergy(evse_uid):
                self.boxes[evse_uid].commands.append(effect)

    def _write(self, change: Change, session: Session) -> None:
        self._unwritten[session.id] = session
        if self.disk_full:
            assert change is not Change.START, "a start without a durable row"
            return
        self.disk |= self._unwritten
        self._unwritten.clear()

    def check_energy(self) -> None:
        """Energy that we can switch flows only under one durable open session."""
        for uid, box in self.boxes.items():
            rows = (self.disk | self._unwritten).values()
            opened = [row for row in rows if row.is_open and row.evse_uid == uid]
            assert len(opened) <= 1, "two open sessions at one EVSE"
            told_to_stop = any(isinstance(one, DisableEnergy) for one in box.commands)
            if box.enabled and self.station.evses[uid].reachable and not told_to_stop:
                assert opened, "energy without a session"
                assert opened[0].id in self.disk, "energy without a durable row"

    def obey(self, evse_uid: str) -> None:
        """Let the charger carry out its oldest command."""
        box = self.boxes[evse_uid]
        match box.commands.popleft():
            case EnableEnergy(_, session_id):
                box.enabled = True
                self.send(EnergyEnabled(evse_uid, session_id))
            case DisableEnergy():
                box.enabled = False
                self.send(EnergyDisabled(evse_uid, box.wh))

    def disobey(self, evse_uid: str) -> None:
        """Let the charger fail at its oldest command."""
        match self.boxes[evse_uid].commands.popleft():
            case EnableEnergy(_, session_id):
                self.send(EnableFailed(evse_uid, session_id, "no relay"))
            case DisableEnergy():
                self.send(DisableFailed(evse_uid, "no link"))

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

    def pass_time(self, by: timedelta) -> None:
        """Let time pass, with a Tick whenever the machine wants one."""
        until = self.clock.monotonic + by
        while (due := next_deadline(self.station)) is not None and due <= until:
            self.clock.move_to(due)
            self.send(Tick())
            assert next_deadline(self.station) != due, "a deadline that stays due"
        self.clock.move_to(until)

    def restart(self, dark: timedelta) -> None:
        """Cut the power: what is on disk survives, and so do the chargers."""
        self.clock.reboot(dark)
        self._unwritten.clear()
        opened = [row for row in self.disk.values() if row.is_open]
        self.ledger.forget_unfinished()
        self.ledger.known = dict(self.disk)
        self.station = restore(self.evse_uids, opened)
        for box in self.boxes.values():
            box.commands.clear()
