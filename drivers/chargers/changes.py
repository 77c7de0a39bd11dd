"""What to tell about the way from one state of a charger to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from drivers.chargers.base import (
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Meter,
    Vehicle,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.chargers.base import ChargerEvent, ChargerState

_VEHICLE_EVENTS: Final[dict[Vehicle, ChargerEvent]] = {
    Vehicle.ABSENT: Disconnected(),
    Vehicle.CONNECTED: Connected(),
    Vehicle.CHARGING: Charging(),
}


def changes(before: ChargerState, after: ChargerState) -> Iterator[ChargerEvent]:
    """Yield the events, Meter first; none for `enabled`, which is only commanded."""
    if after.wh is not None and after.wh != before.wh:
        yield Meter(after.wh)
    if after.fault != before.fault:
        yield FaultCleared() if after.fault is None else Fault(after.fault)
    if after.vehicle is not before.vehicle:
        yield _VEHICLE_EVENTS[after.vehicle]
