"""The charger's real state meets what is remembered: at start-up and ever after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain import charging, grants
from agent.domain.messages import Change, DisableEnergy, EnableEnergy, Record
from agent.domain.outcomes import EventKind, StopReason
from agent.domain.sessions import add_reading, end, request_stop
from agent.domain.uid import Uid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from agent.domain.instant import Instant
    from agent.domain.messages import ChargerFound
    from agent.domain.sessions import Session
    from agent.domain.station import Evse, Turn


def on_found(turn: Turn, found: ChargerFound) -> None:
    """Meet the charger's real state; whatever is remembered, it is told again."""
    before = turn.evses[found.evse_uid]
    plugged_at = before.plugged_at or turn.now.monotonic if found.connected else None
    evse = turn.change(
        found.evse_uid,
        reachable=True,
        plugged_at=plugged_at,
        served=before.served and found.connected,
        fault=found.fault,
        wh=found.wh,
    )
    if evse.session is not None:
        _reconcile(turn, evse, evse.session, found)
    elif found.enabled:
        turn.do(DisableEnergy(evse.uid))
    else:
        grants.use_grant(turn, evse.uid)
    turn.show_state(evse.uid)


def _reconcile(turn: Turn, evse: Evse, session: Session, found: ChargerFound) -> None:
    """Go on with an open session where that is true, else close it."""
    if session.stop_reason is not None:
        _close_unseen(turn, evse, session, session.stop_at)
        return
    was_reset = (
        found.wh is not None
        and session.meter_wh is not None
        and found.wh < session.meter_wh
    )
    if not found.connected or was_reset:
        charging.tell_started(turn, evse)
        asked = request_stop(session, StopReason.POWER_LOSS, turn.now)
        _close_unseen(turn, turn.evses[evse.uid], asked, session.meter_at)
        return
    if found.wh is not None:
        session = add_reading(session, found.wh, turn.now)
        evse = turn.change(evse.uid, session=session)
    if found.fault is not None:
        charging.stop(turn, evse, StopReason.FAULT)
        return
    now = turn.now.monotonic
    turn.change(evse.uid, recorded_at=now, reported_at=now)
    turn.do(EnableEnergy(evse.uid, session.id))
    turn.emit(
        EventKind.SESSION_RECOVERED,
        evse_uid=evse.uid,
        session_id=session.id,
        reader=session.reader,
        uid=Uid(session.card),
        energy_wh=session.energy_wh,
    )


def _close_unseen(turn: Turn, evse: Evse, session: Session, at: Instant | None) -> None:
    """Close a session whose end nobody has seen, at the last moment known of it."""
    ended = end(session, at or session.started_at, estimated=True)
    charging.close(turn, evse, ended, evse.pending)
    turn.do(DisableEnergy(evse.uid))


def on_readers_starting(turn: Turn) -> None:
    """Take a card that lies on a reader through a restart for no tap.

    Its session goes on; who wants to stop it lifts the card and taps again.
    """
    until = turn.now.monotonic + turn.settings.stop_lockout
    for evse in turn.evses.values():
        if evse.session is not None:
            for reader, evse_uids in turn.settings.readers.items():
                if evse.uid in evse_uids:
                    turn.locks[reader, Uid(evse.session.card)] = until


def end_orphans(
    evse_uids: Collection[str], sessions: Iterable[Session], now: Instant
) -> list[Record]:
    """End open sessions that no EVSE can go on with: it is gone, or has another."""
    taken: set[str] = set()
    records = []
    for session in sessions:
        if session.evse_uid in evse_uids and session.evse_uid not in taken:
            taken.add(session.evse_uid)
            continue
        if session.stop_reason is None:
            session = request_stop(session, StopReason.POWER_LOSS, now)  # noqa: PLW2901 - its next state
        at = session.meter_at or session.started_at
        records.append(Record(Change.END, end(session, at, estimated=True)))
    return records
