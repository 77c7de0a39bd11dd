"""What a status means to the station, and what is told of a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
from drivers.chargers.changes import changes
from drivers.chargers.openevse_view import see_vehicle, view
from drivers.chargers.rapi_gate import AuthLockGate
from drivers.chargers.rapi_status import Flag, State, Status

UNKNOWN, A, B, C, SLEEP, OFF = State
GFCI = 0x06
NONE, EV, CLOSED = Flag(0), Flag.EV_CONNECTED, Flag.RELAY_CLOSED
GONE, THERE, DRAWS = Vehicle.ABSENT, Vehicle.CONNECTED, Vehicle.CHARGING


@pytest.mark.parametrize(
    ("state", "flags", "before", "vehicle"),
    [
        (A, NONE, DRAWS, GONE),
        (A, EV, GONE, GONE),  # Not decided yet
        (A, EV, DRAWS, THERE),
        (B, EV, GONE, THERE),
        (B, NONE, GONE, GONE),
        (B, NONE, THERE, THERE),
        (C, EV | CLOSED, THERE, DRAWS),
        (C, EV, DRAWS, THERE),
        (C, NONE, THERE, THERE),
        (SLEEP, EV, GONE, THERE),
        (SLEEP, NONE, THERE, GONE),
        (SLEEP, EV | CLOSED, DRAWS, DRAWS),
        (OFF, EV, GONE, GONE),  # At -12 V the flag is of old
        (OFF, NONE, THERE, THERE),
        (UNKNOWN, NONE, DRAWS, THERE),
        (UNKNOWN, EV, GONE, GONE),
        (GFCI, EV, DRAWS, THERE),
        (GFCI, NONE, THERE, GONE),
    ],
)
def test_what_is_at_the_socket(
    state: int, flags: Flag, before: Vehicle, vehicle: Vehicle
) -> None:
    """While the controller cannot say, what was known before counts."""
    assert see_vehicle(Status(state, flags), before) is vehicle


def test_a_snapshot() -> None:
    """All of it comes from one status."""
    status = Status(GFCI, Flag.AUTH_LOCKED | EV)
    assert view(status, AuthLockGate(), GONE, 7) == ChargerState(
        THERE, enabled=False, wh=7, fault="GfciFault"
    )


STILL = ChargerState(THERE, enabled=True, wh=10, fault=None)


@pytest.mark.parametrize(
    ("after", "events"),
    [
        (STILL, []),
        (replace(STILL, wh=11), [Meter(11)]),
        (replace(STILL, wh=None), []),
        (replace(STILL, enabled=False), []),
        (replace(STILL, vehicle=GONE, wh=12), [Meter(12), Disconnected()]),
        (replace(STILL, vehicle=DRAWS), [Charging()]),
        (replace(STILL, fault="NoGround"), [Fault("NoGround")]),
        (replace(STILL, vehicle=DRAWS, fault="F"), [Fault("F"), Charging()]),
    ],
)
def test_what_is_told(after: ChargerState, events: list[object]) -> None:
    """Meter comes first, so what follows finds the register up to date."""
    assert list(changes(STILL, after)) == events


def test_a_fault_that_goes() -> None:
    """Gone it is cleared, and another one takes its place without that."""
    faulted = replace(STILL, fault="NoGround")
    assert list(changes(faulted, STILL)) == [FaultCleared()]
    assert list(changes(faulted, replace(STILL, fault="F"))) == [Fault("F")]
    assert list(changes(replace(faulted, vehicle=DRAWS), STILL)) == [
        FaultCleared(),
        Connected(),
    ]
