"""A session under way, and its stop: decided, energy off, the meter's last word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain import announcing, signals
from agent.domain.messages import Change, DisableEnergy, Record
from agent.domain.outcomes import EventKind, Signal, StopReason
from agent.domain.sessions import add_reading, end, request_stop
from agent.domain.station import Claim, Evse, Pending, record_at
from agent.domain.uid import Uid

if TYPE_CHECKING:
    from agent.domain.instant import Instant
    from agent.domain.messages import DisableFailed, EnergyDisabled, MeterRead
    from agent.domain.sessions import Session
    from agent.domain.turn import Turn


def is_running(evse: Evse) -> bool:
    """Whether a session runs there that nobody has stopped yet."""
    return evse.session is not None and evse.session.stop_reason is None


def on_meter(turn: Turn, reading: MeterRead) -> None:
    """Take a reading."""
    evse = turn.change(reading.evse_uid, wh=reading.wh)
    if evse.session is None:
        return
    session = measure(turn, evse.session, reading.wh)
    evse = turn.change(evse.uid, session=session)
    if session.is_capped:
        stop(turn, evse, StopReason.DEAUTHORIZED)


def record_due(turn: Turn) -> None:
    """Write energy down at most every `meter_every`, tell it every `report_every`."""
    now = turn.now.monotonic
    for evse in turn.evses.values():
        due_at, session = record_at(evse, turn.settings), evse.session
        if session is None or due_at is None or due_at > now:
            continue
        told = session.energy_wh != evse.reported_wh
        if told and evse.reported_at + turn.settings.report_every <= now:
            record(turn, evse, session, Change.UPDATE)
        else:
            record(turn, evse, session, Change.READING)


def record(turn: Turn, evse: Evse, session: Session, change: Change) -> None:
    """Make a running session's energy durable, and with UPDATE report it."""
    now, energy_wh = turn.now.monotonic, session.energy_wh
    turn.change(evse.uid, recorded_at=now, recorded_wh=energy_wh)
    if change is Change.UPDATE:
        turn.change(evse.uid, reported_at=now, reported_wh=energy_wh)
    turn.do(Record(change, session))


def measure(turn: Turn, session: Session, register_wh: int) -> Session:
    """Add a reading to a session, and say once if the register cannot be right."""
    most_w = turn.settings.most_w(session.evse_uid)
    after = add_reading(session, register_wh, turn.now, most_w=most_w)
    if after.meter_suspect and not session.meter_suspect:
        turn.emit(
            EventKind.METER_IMPLAUSIBLE,
            evse_uid=session.evse_uid,
            session_id=session.id,
            reader=session.reader,
            uid=Uid(session.card),
            info=f"from {session.meter_wh} to {register_wh} Wh; it counts from there",
        )
    return after


def stop(
    turn: Turn, evse: Evse, reason: StopReason, claim: Claim | None = None
) -> None:
    """Decide to stop: written down, then energy off; the meter has the last word."""
    if not is_running(evse) or evse.session is None:
        return
    stop_at(turn, evse, reason, evse.session.time_of(turn.now))
    if claim:
        pending = Pending(claim=claim, decided_at=turn.now)
        turn.change(evse.uid, pending=pending)
        signals.verdict(turn, claim.reader, Signal.ACCEPTED)


def stop_at(turn: Turn, evse: Evse, reason: StopReason, at: Instant) -> None:
    """Decide to stop a running session as of a moment of its own time line."""
    if evse.session is None:
        return
    announcing.started(turn, evse)
    session = request_stop(evse.session, reason, at)
    turn.change(evse.uid, session=session, pending=None)
    turn.do(Record(Change.STOP, session), DisableEnergy(evse.uid, session.id))


def on_disabled(turn: Turn, disabled: EnergyDisabled) -> None:
    """Energy is off: close the session that was waiting for it.

    One that has ended unseen ended then, unless the register has moved since.
    """
    # Unknown is unknown: what a mute meter has missed is nobody else's energy.
    evse = turn.change(disabled.evse_uid, wh=disabled.wh)
    before = evse.session
    if before is None or before.id != disabled.session_id or is_running(evse):
        return
    session = before
    if disabled.wh is not None and session.stop_reason is not StopReason.POWER_LOSS:
        session = measure(turn, session, disabled.wh)
    moved = session.energy_wh > before.energy_wh
    unseen = evse.ended_at is not None and not moved
    at = evse.ended_at if unseen else None
    ended = end(session, at or session.time_of(turn.now), estimated=unseen)
    turn.change(evse.uid, session=None, pending=None, verify_at=None, ended_at=None)
    turn.do(Record(Change.END, ended))
    announcing.stopped(turn, evse, ended, EventKind.SESSION_STOPPED)


def on_disable_failed(turn: Turn, failed: DisableFailed) -> None:
    """Nobody knows whether energy still flows: the session stays until one does.

    The driver has an answer all the same; the charger is told again once it is found.
    """
    evse = turn.change(failed.evse_uid, reachable=False)
    session = evse.session
    if session is not None and session.id == failed.session_id:
        turn.change(evse.uid, pending=None)
        kind = EventKind.CHARGER_FAILED
        announcing.stopped(turn, evse, session, kind, failed.reason)


def on_disconnected(turn: Turn, evse_uid: str) -> None:
    """Unplugging always ends the session, and clears the way for the next."""
    evse = turn.change(evse_uid, plugged_at=None, served_by=None, drawing=False)
    stop(turn, evse, StopReason.EV_DISCONNECTED)


def on_fault(turn: Turn, evse_uid: str, name: str) -> None:
    """A fault ends the session; clearing it later does not restart anything."""
    evse = turn.change(evse_uid, fault=name)
    stop(turn, evse, StopReason.FAULT)
