"""Random histories of a station: what must be true is true after every step.

The ledger and the shell check each step: one outcome per tap and per grant, a durable
row before energy, one open session under energy, nothing forgotten, nothing backwards,
nobody stopped by a stranger, and every reader shows what is so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

from agent.domain.messages import (
    CardLifted,
    ChargerCleared,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.domain.timeline import correct, waits_for_time
from tests.agent.domain.histories import Backends
from tests.agent.domain.mishaps import Mishaps
from tests.fakes.cards import token_of, uid_of

if TYPE_CHECKING:
    from agent.domain.sessions import Session


class StationMachine(Backends, Mishaps):
    """Drivers, vehicles, backends, chargers, a disk and the power, all at random."""

    def teardown(self) -> None:
        """Once the world is whole again, nothing is left open and nobody locked."""
        if not hasattr(self, "shell") or self.shell.has_failed:
            return
        self.shell.disk_full = self.slow = False
        if self.sound:
            self.shell.clock.learn_the_time()
        self._settle()
        for evse_uid in self.shell.evse_uids:
            if not self.reachable(evse_uid):
                self.shell.find(evse_uid)
            self.shell.send(ChargerCleared(evse_uid))
            self.box(evse_uid).connected = False
            self.shell.send(VehicleDisconnected(evse_uid))
        self._settle()
        self._check_nothing_is_left()
        self._check_times()
        self._check_nobody_is_locked()

    def _settle(self) -> None:
        self.shell.write_the_rest()
        self.obey_unless_slow()
        self.shell.pass_time(timedelta(hours=1))
        self.obey_unless_slow()

    def _check_nothing_is_left(self) -> None:
        assert self.shell.deadline() is None
        assert not self.shell.ledger.open_taps
        assert not self.shell.ledger.open_grants
        known = self.shell.ledger.known.values()
        assert not [one for one in known if one.is_open]
        assert not [box for box in self.shell.boxes.values() if box.enabled]

    def _check_times(self) -> None:
        """Every session has right times, as far as its boots were ever synchronized."""
        clock = self.shell.clock
        if self.sound:
            clock.learn_the_time()
        boot = clock.now().boot_id
        for session in self.shell.disk.values():
            assert not waits_for_time(session, clock.bases, boot) or not self.sound
            dated = correct(session, clock.bases)
            assert dated.energy_wh == session.energy_wh
            assert dated.ended_at is not None
            assert dated.started_at.wall <= dated.ended_at.wall
            assert dated.ended_at.wall <= dated.updated_at.wall
            if dated.id in self.shell.truth and self.sound and self._was_dated(session):
                self._check_truth(dated)

    def _was_dated(self, session: Session) -> bool:
        moments = [session.started_at, session.updated_at, session.ended_at]
        bases = self.shell.clock.bases
        return all(one is None or one.boot_id in bases for one in moments)

    def _check_truth(self, dated: Session) -> None:
        assert dated.ended_at is not None
        started, *ended = self.shell.truth[dated.id]
        assert dated.started_at.wall == started
        if not dated.end_estimated:
            assert [dated.ended_at.wall] == ended

    def _check_nobody_is_locked(self) -> None:
        settings = self.shell.settings
        places = {evses[0]: reader for reader, evses in settings.readers.items()}
        pairs = list(zip("AD", places.items(), strict=False))
        for card, (evse_uid, reader) in pairs:
            self.shell.send(CardLifted(reader, "0"))
            self.box(evse_uid).connected = True
            self.shell.send(VehicleConnected(evse_uid))
            self.hold(uid_of(card), reader, token_of(card))
            assert self.box(evse_uid).enabled
        self.shell.disk_full = True
        self._settle()
        for card, (_, reader) in pairs:
            self.shell.send(CardLifted(reader, "0"))
            self.hold(uid_of(card), reader, None, lookup_failed=True)
        self._settle()
        if settings.tap_to_stop:
            assert not [box for box in self.shell.boxes.values() if box.enabled]


TestStation = StationMachine.TestCase
TestStation.settings = settings(
    max_examples=400,
    stateful_step_count=50,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
