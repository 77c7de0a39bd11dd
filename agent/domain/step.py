"""The station machine: one input in, the next state and the effects out."""

from __future__ import annotations

from typing import assert_never

from agent.domain import charging, grants, recovery, taps
from agent.domain.messages import (
    Answered,
    CardLifted,
    CardTapped,
    CardUnread,
    ChargerCleared,
    ChargerFaulted,
    ChargerFound,
    ChargerLost,
    Context,
    DisableFailed,
    Effect,
    EnableFailed,
    EnergyDisabled,
    EnergyEnabled,
    Input,
    MeterRead,
    ReadersStarting,
    Tick,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.domain.station import Settings, Station, Turn


def step(
    station: Station, message: Input, settings: Settings, context: Context
) -> tuple[Station, list[Effect]]:
    """Compute what one input changes and causes; same arguments, same result."""
    turn = Turn(station, settings, context)
    # What is overdue comes first: a plug-in after the time-out finds no grant.
    grants.expire(turn)
    taps.expire_checks(turn)
    _handle(turn, message)
    return turn.station(), turn.effects


def _handle(turn: Turn, message: Input) -> None:  # noqa: C901, PLR0912 - one line per input
    match message:
        case CardTapped():
            taps.on_tap(turn, message)
        case CardUnread():
            taps.on_unread(turn, message)
        case CardLifted(reader, slot):
            turn.fields.pop((reader, slot), None)
        case Answered(tap_id, reply):
            taps.on_reply(turn, tap_id, reply)
        case VehicleConnected(evse_uid):
            grants.on_connected(turn, evse_uid)
        case VehicleDisconnected(evse_uid):
            charging.on_disconnected(turn, evse_uid)
        case MeterRead():
            charging.on_meter(turn, message)
        case ChargerFaulted(evse_uid, name):
            charging.on_fault(turn, evse_uid, name)
        case ChargerCleared(evse_uid):
            grants.on_cleared(turn, evse_uid)
        case ChargerLost(evse_uid):
            turn.change(evse_uid, reachable=False)
        case ChargerFound():
            recovery.on_found(turn, message)
        case EnergyEnabled(evse_uid, session_id):
            charging.on_enabled(turn, evse_uid, session_id)
        case EnableFailed(evse_uid, session_id, reason):
            charging.on_enable_failed(turn, evse_uid, session_id, reason)
        case EnergyDisabled(evse_uid, wh):
            charging.on_disabled(turn, evse_uid, wh)
        case DisableFailed(evse_uid, _):
            charging.on_disable_failed(turn, evse_uid)
        case ReadersStarting():
            recovery.on_readers_starting(turn)
        case Tick():
            pass
        case _:
            assert_never(message)
