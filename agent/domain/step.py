"""The station machine: one input in, the next state and the effects out."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from agent.domain import (
    charging,
    grants,
    recovery,
    signals,
    starting,
    taps,
    verification,
    withdrawal,
)
from agent.domain.messages import (
    Answered,
    CardLifted,
    CardTapped,
    CardUnread,
    ChargerCleared,
    ChargerFaulted,
    ChargerFound,
    ChargerLost,
    Closing,
    Context,
    DisableFailed,
    Effect,
    EnableFailed,
    EnergyDisabled,
    EnergyEnabled,
    Input,
    MeterRead,
    Reloaded,
    Tick,
    UpstreamUp,
    VehicleConnected,
    VehicleDisconnected,
    Withdraw,
)
from agent.domain.turn import Turn

if TYPE_CHECKING:
    from agent.domain.settings import Settings
    from agent.domain.station import Station


def step(
    station: Station, message: Input, settings: Settings, context: Context
) -> tuple[Station, list[Effect]]:
    """Compute what one input changes and causes; same arguments, same result."""
    turn = Turn(station, settings, context)
    if isinstance(message, Reloaded):
        # Before anything else, which could be about a reader that is gone.
        recovery.on_reloaded(turn)
    # What is overdue comes first: a plug-in after the time-out finds no grant.
    grants.expire(turn)
    taps.expire_checks(turn)
    verification.verify_due(turn)
    _handle(turn, message)
    charging.record_due(turn)
    signals.lose_patience(turn)
    signals.settle(turn)
    return turn.station(), turn.effects


def _handle(turn: Turn, message: Input) -> None:  # noqa: C901, PLR0912 - one line per input
    match message:
        case CardTapped():
            taps.on_tap(turn, message)
        case CardUnread():
            taps.on_unread(turn, message)
        case CardLifted(reader, slot):
            turn.fields.pop((reader, slot), None)
        case Answered():
            taps.on_answered(turn, message)
        case Closing():
            taps.give_up_all(turn)
        case UpstreamUp():
            verification.on_upstream_up(turn)
        case Withdraw():
            withdrawal.withdraw(turn, message)
        case VehicleConnected():
            grants.on_connected(turn, message)
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
            starting.on_enabled(turn, evse_uid, session_id)
        case EnableFailed(evse_uid, session_id, reason):
            starting.on_enable_failed(turn, evse_uid, session_id, reason)
        case EnergyDisabled(evse_uid):
            charging.on_disabled(turn, message)
            grants.use_grant(turn, evse_uid)
        case DisableFailed():
            charging.on_disable_failed(turn, message)
        case Reloaded() | Tick():
            pass  # What they bring about has happened by now.
        case _:
            assert_never(message)
