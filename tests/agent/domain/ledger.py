"""What must always be true, checked after every step of any test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.messages import (
    Answered,
    Change,
    EnableEnergy,
    Event,
    Record,
)
from agent.domain.outcomes import EventKind, Outcome
from agent.domain.tokens import Answer

if TYPE_CHECKING:
    from datetime import timedelta

    from agent.domain.messages import Effect, Input
    from agent.domain.sessions import Session
    from agent.domain.station import Settings, Station

TAP_OUTCOMES = frozenset(Outcome) - {Outcome.TIMED_OUT}
GRANT_OUTCOMES = frozenset(Outcome) - {
    Outcome.GRANTED,
    Outcome.STOPPED,
    Outcome.IGNORED,
}


class Ledger:
    """Keeps the books on taps, grants and sessions; a false entry fails the test."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.open_taps: set[str] = set()
        self.open_grants: set[str] = set()
        self.seen_taps: set[str] = set()
        self.known: dict[str, Session] = {}
        self.limits: dict[str, frozenset[str]] = {}

    def expect(self, message: Input, station: Station, now: timedelta) -> None:
        """Note what a message in time may limit, before its step is taken."""
        if isinstance(message, Answered) and isinstance(message.reply, Answer):
            check = station.checks.get(message.tap_id)
            if check is not None and now < check.deadline:
                self.limits[message.tap_id] = message.reply.evse_uids

    def watch(self, station: Station, effects: list[Effect]) -> None:
        """Book one step that was just taken."""
        for effect in effects:
            match effect:
                case Event():
                    self._book_event(effect)
                case Record(change, session):
                    self._book_record(change, session)
                    if change is Change.START:
                        self._check_place(session, station)
                case EnableEnergy(evse_uid, session_id):
                    self._check_enable(evse_uid, session_id)
        self._check_nothing_is_forgotten(station)
        self._check_sessions(station)
        self._check_grants(station)

    def forget_unfinished(self) -> None:
        """Drop the taps and grants that a power cut has swallowed."""
        self.open_taps.clear()
        self.open_grants.clear()

    def _book_event(self, event: Event) -> None:
        if event.kind is EventKind.TAP_RECEIVED:
            assert event.tap_id is not None, "a tap without a name"
            assert event.tap_id not in self.seen_taps, "a tap received twice"
            self.seen_taps.add(event.tap_id)
            self.open_taps.add(event.tap_id)
        if event.outcome is None:
            return
        assert event.tap_id or event.grant_id, "an outcome of nothing"
        if event.grant_id:
            assert event.grant_id in self.open_grants, (
                "a grant ended twice or never was"
            )
            assert event.outcome in GRANT_OUTCOMES
            self.open_grants.remove(event.grant_id)
        if event.tap_id:
            assert event.tap_id in self.open_taps, "a second outcome for one tap"
            assert event.outcome in TAP_OUTCOMES
            self.open_taps.remove(event.tap_id)
            if event.outcome is Outcome.GRANTED:
                self.open_grants.add(event.tap_id)

    def _book_record(self, change: Change, session: Session) -> None:
        before = self.known.get(session.id)
        if change is Change.START:
            assert before is None, "a session id used twice"
        else:
            assert before is not None, "recorded before it was started"
            assert before.is_open, "recorded after its end"
            self._check_progress(before, session)
        assert (change is Change.END) is not session.is_open
        if change is Change.STOP:
            assert session.stop_reason is not None
        self.known[session.id] = session

    def _check_place(self, session: Session, station: Station) -> None:
        assert session.evse_uid in self.settings.readers[session.reader]
        pending = station.evses[session.evse_uid].pending
        if pending is not None:
            limit = self.limits.get(pending.claim.tap_id)
            assert not limit or session.evse_uid.casefold() in limit

    def _check_enable(self, evse_uid: str, session_id: str) -> None:
        session = self.known.get(session_id)
        assert session is not None, "energy before the start was recorded"
        assert session.is_open, "energy for a session that has ended"
        assert session.stop_reason is None, "energy for a session that is to stop"
        assert session.evse_uid == evse_uid, "energy at another EVSE"

    def _check_nothing_is_forgotten(self, station: Station) -> None:
        pending = [evse.pending for evse in station.evses.values() if evse.pending]
        taps = {one.claim.tap_id for one in pending if not one.from_grant}
        grants = {one.claim.tap_id for one in pending if one.from_grant}
        assert taps | set(station.checks) == self.open_taps
        assert grants | {one.claim.tap_id for one in station.grants} == self.open_grants

    def _check_sessions(self, station: Station) -> None:
        running = set()
        for evse in station.evses.values():
            if evse.session is None:
                assert evse.pending is None, "an outcome that waits for nothing"
                continue
            known = self.known.get(evse.session.id)
            assert known is not None, "a session that was never recorded"
            assert known.is_open, "a session that goes on after its end"
            assert evse.session.evse_uid == evse.uid
            self._check_progress(known, evse.session)
            running.add(evse.session.id)
        opened = {one.id for one in self.known.values() if one.is_open}
        assert running == opened, "a session was lost without an end"

    def _check_progress(self, before: Session, after: Session) -> None:
        assert after.energy_wh >= before.energy_wh >= 0, "energy went backwards"
        assert after.last_updated >= before.last_updated, "time went backwards"
        assert after.started_at == before.started_at
        assert after.token == before.token
        if before.stop_reason is not None:
            assert after.stop_reason is before.stop_reason

    def _check_grants(self, station: Station) -> None:
        for grant in station.grants:
            assert grant.evse_uids, "a grant for no EVSE"
            assert set(grant.evse_uids) <= set(
                self.settings.readers[grant.claim.reader]
            )
            limit = self.limits.get(grant.claim.tap_id)
            if limit:
                assert {uid.casefold() for uid in grant.evse_uids} <= limit
