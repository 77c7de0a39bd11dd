"""The charger's real state meets what is remembered: at start-up and ever after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain import charging, grants, starting, withdrawal
from agent.domain.messages import Change, DisableEnergy, EnableEnergy, Record
from agent.domain.outcomes import EventKind, StopReason
from agent.domain.sessions import SessionStatus, end, lapse, request_stop
from agent.domain.uid import Uid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from agent.domain.messages import ChargerFound
    from agent.domain.sessions import Session
    from agent.domain.station import Evse
    from agent.domain.turn import Turn


def on_found(turn: Turn, found: ChargerFound) -> None:
    """Meet the charger's real state; whatever is remembered, it is told again."""
    before = turn.evses[found.evse_uid]
    plugged_at = before.plugged_at or turn.now.monotonic if found.connected else None
    evse = turn.change(
        found.evse_uid,
        reachable=True,
        plugged_at=plugged_at,
        served_by=before.served_by if found.connected else None,
        drawing=found.drawing,
        fault=found.fault,
        wh=found.wh,
    )
    if evse.session is not None:
        _reconcile(turn, evse, evse.session, found)
    elif found.enabled:
        turn.do(DisableEnergy(evse.uid, None))
    else:
        grants.use_grant(turn, evse.uid)


def _reconcile(turn: Turn, evse: Evse, session: Session, found: ChargerFound) -> None:
    """Go on with an open session where that is true, else close it."""
    if session.stop_reason is not None:
        _finish_stop(turn, evse, session, found)
        return
    was_reset = (
        found.wh is not None
        and session.meter_wh is not None
        and found.wh < session.meter_wh
    )
    if not found.connected or was_reset:
        at = session.meter_at or session.started_at
        turn.change(evse.uid, ended_at=at)
        charging.stop_at(turn, turn.evses[evse.uid], StopReason.POWER_LOSS, at)
        return
    if found.wh is not None:
        session = charging.measure(turn, session, found.wh)
        evse = turn.change(evse.uid, session=session)
    if found.fault is not None:
        charging.stop(turn, evse, StopReason.FAULT)
    elif session.is_capped:
        charging.stop(turn, evse, StopReason.DEAUTHORIZED)
    else:
        _go_on(turn, evse, session)


def _go_on(turn: Turn, evse: Evse, session: Session) -> None:
    now = turn.now.monotonic
    card = Uid(session.card)
    evse = turn.change(evse.uid, served_by=card, reported_at=now)
    if session.energy_wh != evse.recorded_wh:
        # What the register counted in the dark must not be lost in the next one.
        charging.record(turn, evse, session, Change.READING)
    turn.do(EnableEnergy(evse.uid, session.id))
    turn.emit(
        EventKind.SESSION_RECOVERED,
        evse_uid=evse.uid,
        session_id=session.id,
        reader=session.reader,
        uid=card,
        energy_wh=session.energy_wh,
    )


def _finish_stop(turn: Turn, evse: Evse, session: Session, found: ChargerFound) -> None:
    """Bring a stop to its end that was decided, and not seen to happen."""
    if not (found.enabled and found.connected) and evse.ended_at is None:
        # Energy went off some time since; when, only the register may tell.
        turn.change(evse.uid, ended_at=session.stop_at)
    turn.do(DisableEnergy(evse.uid, session.id))


def on_reloaded(turn: Turn) -> None:
    """Take back what was granted, or is being decided, at a reader that is gone.

    A grant that nobody is left to be booked on is taken back, too. What lies on the
    other readers is told anew by their drivers.
    """
    turn.fields.clear()
    readers = turn.settings.readers
    for check in list(turn.checks.values()):
        if not set(check.evse_uids) <= set(readers.get(check.claim.reader, ())):
            withdrawal.withdraw_check(turn, check, StopReason.OPERATOR)
    for grant in list(turn.grants):
        here = set(grant.evse_uids) <= set(readers.get(grant.claim.reader, ()))
        if not here or not starting.can_book(turn.settings, grant.allow):
            grants.withdraw(turn, grant, StopReason.OPERATOR)


def end_orphans(
    evse_uids: Collection[str], sessions: Iterable[Session]
) -> list[Record]:
    """End open sessions that no EVSE can go on with: it is gone, or has a newer one.

    They come oldest first, and end with their last durable reading. A PENDING one was
    a grant, which nobody has any more.
    """
    sessions = list(sessions)
    newest = {
        session.evse_uid: session.id
        for session in sessions
        if session.status is not SessionStatus.PENDING
    }
    records = []
    for session in sessions:
        if session.status is SessionStatus.PENDING:
            ended = lapse(session, session.updated_at)
            records.append(Record(Change.END, ended))
            continue
        if session.evse_uid in evse_uids and newest[session.evse_uid] == session.id:
            continue
        at = session.meter_at or session.started_at
        if session.stop_reason is None:
            session = request_stop(session, StopReason.POWER_LOSS, at)  # noqa: PLW2901 - its next state
        records.append(Record(Change.END, end(session, at, estimated=True)))
    return records
