"""The charger's real state meets what is remembered: at start-up and ever after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain import charging
from agent.domain.messages import DisableEnergy, EnableEnergy
from agent.domain.outcomes import EventKind, StopReason
from agent.domain.sessions import add_reading, end, request_stop

if TYPE_CHECKING:
    from agent.domain.messages import ChargerFound
    from agent.domain.sessions import Session
    from agent.domain.station import Evse, Turn


def on_found(turn: Turn, found: ChargerFound) -> None:
    """Meet the charger's real state; whatever is remembered, it is told again."""
    plugged_at = turn.evses[found.evse_uid].plugged_at
    if not found.connected:
        plugged_at = None
    elif plugged_at is None:
        plugged_at = turn.now.monotonic
    evse = turn.change(
        found.evse_uid,
        reachable=True,
        plugged_at=plugged_at,
        fault=found.fault,
        wh=found.wh,
    )
    if evse.session is not None:
        _reconcile(turn, evse, evse.session, found)
    elif found.enabled:
        turn.do(DisableEnergy(evse.uid))


def _reconcile(turn: Turn, evse: Evse, session: Session, found: ChargerFound) -> None:
    """Go on with an open session where that is true, else close it."""
    if session.stop_reason is not None:
        turn.do(DisableEnergy(evse.uid))
        return
    was_reset = (
        found.wh is not None
        and session.meter_wh is not None
        and found.wh < session.meter_wh
    )
    if not found.connected or was_reset:
        asked = request_stop(session, StopReason.POWER_LOSS, turn.now)
        turn.do(DisableEnergy(evse.uid))
        charging.close(turn, evse, end(asked, turn.now, estimated=True), None)
        return
    if found.wh is not None:
        session = add_reading(session, found.wh, turn.now)
        evse = turn.change(evse.uid, session=session)
    if found.fault is not None:
        charging.stop(turn, evse, StopReason.FAULT)
        return
    turn.do(EnableEnergy(evse.uid, session.id))
    turn.emit(
        EventKind.SESSION_RECOVERED,
        evse_uid=evse.uid,
        session_id=session.id,
        reader=session.reader,
        energy_wh=session.energy_wh,
    )
