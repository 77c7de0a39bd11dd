"""What an OpenEVSE's status means to the station, and what changed since the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from drivers.chargers.base import (
    ChargerState,
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Meter,
    Vehicle,
)
from drivers.chargers.rapi_status import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.chargers.base import ChargerEvent
    from drivers.chargers.rapi_gate import Gate
    from drivers.chargers.rapi_status import Status

_VEHICLE_EVENTS: Final[dict[Vehicle, ChargerEvent]] = {
    Vehicle.ABSENT: Disconnected(),
    Vehicle.CONNECTED: Connected(),
    Vehicle.CHARGING: Charging(),
}


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


def changes(before: ChargerState, after: ChargerState) -> Iterator[ChargerEvent]:
    """Yield what to tell about the way from one to the other, Meter first."""
    if after.wh is not None and after.wh != before.wh:
        yield Meter(after.wh)
    if after.fault != before.fault:
        yield FaultCleared() if after.fault is None else Fault(after.fault)
    if after.vehicle is not before.vehicle:
        yield _VEHICLE_EVENTS[after.vehicle]
