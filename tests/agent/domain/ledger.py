"""What must always be true, checked after every step of any test."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from agent.domain.messages import (
    Answered,
    CardTapped,
    Change,
    EnableEnergy,
    Event,
    Record,
    Show,
    Withdraw,
    Withdrawn,
)
from agent.domain.outcomes import (
    EventKind,
    Ignored,
    Outcome,
    Refusal,
    Signal,
    StopReason,
)
from agent.domain.sessions import SessionStatus
from agent.domain.tokens import Answer, Verdict
from tests.agent.domain.oracle import (
    Heard,
    check_price,
    expected_signal,
    is_available,
    may_be_deauthorized,
    may_be_ignored,
    may_stop,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.domain.instant import Instant
    from agent.domain.messages import Effect, Input
    from agent.domain.sessions import Session
    from agent.domain.settings import Settings
    from agent.domain.station import Station

TAP_OUTCOMES = frozenset(Outcome) - {Outcome.TIMED_OUT}
GRANT_OUTCOMES = frozenset(
    {Outcome.STARTED, Outcome.TIMED_OUT, Outcome.WITHDRAWN, Outcome.CHARGER_FAILED}
)


class Ledger:
    """Keeps the books on taps, grants and sessions; a false entry fails the test."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.open_taps: set[str] = set()
        self.open_grants: set[str] = set()
        self.known: dict[str, Session] = {}
        self.taps: dict[str, Heard] = {}
        self.shown: dict[str, Signal] = {}

    def watch(
        self,
        before: Station,
        message: Input,
        after: Station,
        effects: list[Effect],
        now: Instant,
    ) -> None:
        """Book one step that was just taken."""
        self._note(before, message, now)
        for effect in effects:
            match effect:
                case Event():
                    self._book_event(effect)
                case Record(change, session):
                    self.book_record(change, session)
                    if change is Change.STOP:
                        self._check_stop(session, message)
                    if change is Change.START:
                        self._check_start(session, after)
                case EnableEnergy(evse_uid, session_id):
                    self._check_enable(evse_uid, session_id)
                case Show(reader, signal):
                    self.shown[reader] = signal
        self._check_withdrawn(message, effects)
        self._check_reasons(before, message, after, effects, now)
        self._check_nothing_is_forgotten(after)
        self._check_sessions(after)
        self._check_grants(after)
        self.check_signals(after, now)

    def forget_unfinished(self, disk: Mapping[str, Session]) -> None:
        """Drop what a power cut has swallowed."""
        self.open_taps.clear()
        self.open_grants.clear()
        self.shown.clear()
        self.known = dict(disk)

    def check_signals(self, station: Station, now: Instant) -> None:
        """Each reader shows what the state says, unless it shows a verdict."""
        for reader in self.settings.readers:
            assert self.shown.get(reader) is station.shown.get(reader)
            flash = station.flashes.get(reader)
            if flash is None or flash.until <= now.monotonic:
                expected = expected_signal(station, self.settings, reader, now)
                assert self.shown.get(reader) is expected, "a signal that is not true"

    # ---- what came in

    def _note(self, before: Station, message: Input, now: Instant) -> None:
        match message:
            case CardTapped():
                assert message.tap_id not in self.taps, "the test names a tap twice"
                self.taps[message.tap_id] = Heard(message)
            case Answered(tap_id=str(tap_id), reply=Answer() as answer):
                check = before.checks.get(tap_id)
                if check is not None and now.monotonic < check.deadline:
                    self.taps[tap_id].answer = answer

    def _check_withdrawn(self, message: Input, effects: list[Effect]) -> None:
        found = [one for one in effects if isinstance(one, Withdrawn)]
        if not isinstance(message, Withdraw):
            assert not found, "nobody has asked"
            return
        assert [one.request_id for one in found] == [message.request_id]
        events = [one for one in effects if isinstance(one, Event)]
        withdrawn = [
            one
            for one in events
            if one.outcome is Outcome.WITHDRAWN and one.reason is message.reason
        ]
        assert len(withdrawn) == found[0].waiting + found[0].grants
        # What was overdue comes first, and may have stopped a session by itself.
        stopped = [
            one
            for one in effects
            if isinstance(one, Record)
            and one.change is Change.STOP
            and one.session.stop_reason is message.reason
        ]
        assert len(stopped) == found[0].sessions

    def _check_reasons(
        self,
        before: Station,
        message: Input,
        after: Station,
        effects: list[Effect],
        now: Instant,
    ) -> None:
        """Nobody is turned away without a reason that can be seen."""
        # What is overdue is settled in the same step, with other things in between.
        about = getattr(message, "tap_id", None)
        for event in effects:
            if not isinstance(event, Event) or event.tap_id != about or not about:
                continue
            if isinstance(event.reason, Ignored) and isinstance(message, CardTapped):
                fits = may_be_ignored(
                    message, event.reason, before, after, self.settings
                )
                assert fits, "a card is locked"
            # With a limit, what was plugged in may have become too old meanwhile.
            unlimited = self.settings.plug_in_timeout == timedelta()
            if event.reason is Refusal.NO_EVSE_AVAILABLE and unlimited:
                assert not any(
                    is_available(after, self.settings, str(event.reader), uid, now)
                    for uid in self._places(before, event)
                ), "a free EVSE was kept from a card"

    def _places(self, before: Station, event: Event) -> tuple[str, ...]:
        check = before.checks.get(event.tap_id or "")
        return check.evse_uids if check else self.settings.readers[str(event.reader)]

    # ---- what came out

    def _book_event(self, event: Event) -> None:
        if event.kind is EventKind.TAP_RECEIVED:
            assert event.tap_id is not None, "a tap without a name"
            assert event.tap_id not in self.open_taps, "a tap received twice"
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
            if event.outcome is Outcome.CHARGER_FAILED:
                session = self.known[event.session_id or ""]
                assert session.stop_reason is None, "a stop cannot fail to start"
            if event.outcome is Outcome.STOPPED:
                session = self.known[event.session_id or ""]
                heard = self.taps[event.tap_id]
                assert may_stop(heard, session, self.settings), "stopped by a stranger"

    def book_record(self, change: Change, session: Session) -> None:
        """Book what becomes durable."""
        before = self.known.get(session.id)
        is_pending = session.status is SessionStatus.PENDING
        assert is_pending is (change is Change.PENDING), "a grant that is no start"
        if change is Change.PENDING:
            assert self.settings.tell_grants, "told of a grant that nobody wants told"
            assert before is None, "a session id used twice"
        elif change is Change.START:
            self._check_announcement(before, session)
        else:
            assert before is not None, "recorded before it was started"
            assert before.is_open, "recorded after its end"
            self._check_progress(before, session)
        assert (change is Change.END) is not session.is_open
        if before is not None and before.status is SessionStatus.PENDING:
            assert change in (Change.START, Change.END), "a grant does not charge"
            assert session.is_open or session.status is SessionStatus.INVALID
        elif change in (Change.STOP, Change.END):
            assert session.stop_reason is not None
        check_price(session)
        self.known[session.id] = session

    def _check_announcement(self, before: Session | None, session: Session) -> None:
        """A start is the first word on a session, or follows its announcement."""
        if before is None:
            return
        assert before.status is SessionStatus.PENDING, "a session id used twice"
        assert before.is_open, "a grant that was over has started"
        for name in ("evse_uid", "reader", "card", "token", "upstream"):
            assert getattr(before, name) == getattr(session, name), name

    def _check_stop(self, session: Session, message: Input) -> None:
        if session.stop_reason is StopReason.DEAUTHORIZED:
            assert may_be_deauthorized(session, message), "nobody was asked about it"

    def _check_start(self, session: Session, station: Station) -> None:
        settings = self.settings
        assert session.evse_uid in settings.readers[session.reader]
        assert session.place == settings.places.get(session.evse_uid)
        assert session.tariff == settings.tariff
        master = settings.master_group.casefold()
        assert not master or (session.group_id or "").casefold() != master
        pending = station.evses[session.evse_uid].pending
        if pending is not None:
            self._check_place(pending.claim.tap_id, {session.evse_uid})

    def _check_place(self, tap_id: str, evse_uids: set[str]) -> None:
        """A permission lies within the EVSEs that its answer has allowed."""
        answer = self.taps[tap_id].answer
        if answer is not None and answer.verdict is Verdict.ALLOWED:
            limit = answer.evse_uids
            assert not limit or {uid.casefold() for uid in evse_uids} <= limit

    def _check_enable(self, evse_uid: str, session_id: str) -> None:
        session = self.known.get(session_id)
        assert session is not None, "energy before the start was recorded"
        assert session.is_open, "energy for a session that has ended"
        assert session.stop_reason is None, "energy for a session that is to stop"
        assert session.evse_uid == evse_uid, "energy at another EVSE"

    # ---- what is so now

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
        for grant in station.grants:
            if grant.session is not None:
                assert grant.evse_uids == (grant.session.evse_uid,)
                running.add(grant.session.id)
        opened = {one.id for one in self.known.values() if one.is_open}
        assert running == opened, "a session was lost without an end"

    def _check_progress(self, before: Session, after: Session) -> None:
        assert after.energy_wh >= before.energy_wh >= 0, "energy went backwards"
        assert after.started_at == before.started_at
        assert (after.place, after.tariff) == (before.place, before.tariff)
        assert after.token == before.token
        # A clock that is right now may correct one that was not, and only then.
        corrected = after.updated_at.synchronized > before.updated_at.synchronized
        if not corrected:
            assert after.updated_at.wall >= before.updated_at.wall, "time ran backwards"
        if before.stop_reason is not None:
            assert after.stop_reason is before.stop_reason

    def _check_grants(self, station: Station) -> None:
        for grant in station.grants:
            assert grant.evse_uids, "a grant for no EVSE"
            here = self.settings.readers[grant.claim.reader]
            assert set(grant.evse_uids) <= set(here)
            self._check_place(grant.claim.tap_id, set(grant.evse_uids))
