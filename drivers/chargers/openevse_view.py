"""What an OpenEVSE's status means to the station."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.chargers.base import ChargerState, Vehicle
from drivers.chargers.rapi_status import State

if TYPE_CHECKING:
    from drivers.chargers.rapi_gate import Gate
    from drivers.chargers.rapi_status import Status


def see_vehicle(status: Status, before: Vehicle) -> Vehicle:
    """Tell what is at the socket; `before` counts while the controller cannot say."""
    if status.is_relay_closed:
        return Vehicle.CHARGING
    if status.state == State.NOT_CONNECTED:
        cannot_say = status.is_ev_connected
    elif status.state in (State.CONNECTED, State.CHARGING):
        cannot_say = not status.is_ev_connected
    else:
        # On its way to a state, or at -12 V, where the flag is of old.
        cannot_say = status.state in (State.UNKNOWN, State.DISABLED)
    if cannot_say:
        return Vehicle.ABSENT if before is Vehicle.ABSENT else Vehicle.CONNECTED
    return Vehicle.CONNECTED if status.is_ev_connected else Vehicle.ABSENT


def view(
    status: Status, gate: Gate, before: Vehicle, register_wh: int | None
) -> ChargerState:
    """Say in the words of the port how things stand."""
    return ChargerState(
        vehicle=see_vehicle(status, before),
        enabled=gate.is_open(status),
        wh=register_wh,
        fault=status.fault,
    )
