"""The control modes: which command comes next in which state."""

from __future__ import annotations

import pytest

from drivers.chargers.rapi_gate import (
    WAIT,
    AuthLockGate,
    DisableGate,
    Gate,
    SleepGate,
    Step,
)
from drivers.chargers.rapi_status import Flag, State, Status

UNKNOWN, A, B, C, SLEEP, OFF = State
GFCI = 0x06
NONE, LOCKED, CLOSED = Flag(0), Flag.AUTH_LOCKED, Flag.RELAY_CLOSED
LOCK, UNLOCK = ("S4", "1"), ("S4", "0")
FS, FE, FD = ("FS",), ("FE",), ("FD",)

AUTH, SLEEPING, DISABLING = AuthLockGate(), SleepGate(), DisableGate()


@pytest.mark.parametrize(
    ("gate", "state", "flags", "step"),
    [
        (AUTH, B, NONE, LOCK),
        (AUTH, C, CLOSED, LOCK),
        (AUTH, C, CLOSED | LOCKED, WAIT),
        (AUTH, B, LOCKED, None),
        (AUTH, OFF, NONE, LOCK),
        (AUTH, OFF, LOCKED, FE),
        (AUTH, SLEEP, LOCKED, None),
        (AUTH, GFCI, NONE, LOCK),
        (AUTH, GFCI, LOCKED, None),
        (SLEEPING, A, NONE, FS),
        (SLEEPING, UNKNOWN, NONE, FS),
        (SLEEPING, C, CLOSED, FS),
        (SLEEPING, SLEEP, CLOSED, WAIT),
        (SLEEPING, SLEEP, NONE, None),
        (SLEEPING, OFF, NONE, FS),
        (SLEEPING, OFF, Flag.HARD_FAULT, FS),
        (SLEEPING, GFCI, NONE, None),
        (SLEEPING, GFCI, CLOSED, FS),
        (DISABLING, A, NONE, FS),
        (DISABLING, C, CLOSED, FD),
        (DISABLING, SLEEP, CLOSED, FD),
        (DISABLING, OFF, CLOSED, WAIT),
        (DISABLING, OFF, NONE, FS),
        (DISABLING, SLEEP, NONE, None),
        (DISABLING, GFCI, NONE, None),
    ],
)
def test_on_the_way_to_off(gate: Gate, state: int, flags: Flag, step: Step) -> None:
    """It ends with an open relay that stays open, and with vehicles seen."""
    assert gate.step_close(Status(state, flags)) == step


@pytest.mark.parametrize(
    ("gate", "state", "flags", "step"),
    [
        (AUTH, B, LOCKED, UNLOCK),
        (AUTH, B, NONE, None),
        (AUTH, SLEEP, LOCKED, FE),  # First, because waking locks
        (AUTH, OFF, NONE, FE),
        (AUTH, UNKNOWN, LOCKED, WAIT),
        (SLEEPING, SLEEP, NONE, FE),
        (SLEEPING, OFF, NONE, FE),
        (SLEEPING, UNKNOWN, NONE, WAIT),
        (SLEEPING, A, NONE, None),
        (DISABLING, SLEEP, NONE, FE),
        (DISABLING, C, CLOSED, None),
    ],
)
def test_on_the_way_to_on(gate: Gate, state: int, flags: Flag, step: Step) -> None:
    """It ends in a state from which the vehicle may draw."""
    assert gate.step_open(Status(state, flags)) == step


@pytest.mark.parametrize(
    ("gate", "state", "flags", "is_open"),
    [
        (AUTH, B, NONE, True),
        (AUTH, B, LOCKED, False),
        (AUTH, SLEEP, NONE, False),
        (AUTH, GFCI, NONE, True),
        (SLEEPING, A, NONE, True),
        (SLEEPING, UNKNOWN, NONE, True),
        (SLEEPING, SLEEP, CLOSED, False),
        (DISABLING, OFF, NONE, False),
    ],
)
def test_open_or_not(gate: Gate, state: int, flags: Flag, *, is_open: bool) -> None:
    """What the controller may do by itself counts, not what the vehicle wants."""
    assert gate.is_open(Status(state, flags)) is is_open


@pytest.mark.parametrize(
    ("gate", "state", "flags", "commands"),
    [
        (AUTH, C, CLOSED, [LOCK]),
        (AUTH, B, LOCKED, []),
        (SLEEPING, C, CLOSED, [FS]),
        (SLEEPING, GFCI, NONE, [FS]),
        (SLEEPING, OFF, NONE, [FS]),
        (SLEEPING, SLEEP, NONE, []),
        (DISABLING, C, CLOSED, [FD, FS]),
        (DISABLING, A, NONE, [FS]),
    ],
)
def test_before_nobody_listens(
    gate: Gate, state: int, flags: Flag, commands: list[Step]
) -> None:
    """What is sent then needs no second look."""
    assert gate.leave(Status(state, flags)) == commands


@pytest.mark.parametrize(
    ("gate", "commands"),
    [(AUTH, [LOCK]), (SLEEPING, [FS]), (DISABLING, [FD, FS])],
)
def test_before_nobody_listens_to_an_unknown_state(
    gate: Gate, commands: list[Step]
) -> None:
    """Whatever may be needed is sent."""
    assert gate.leave(None) == commands


@pytest.mark.parametrize(
    ("gate", "state", "flags", "shows"),
    [
        (AUTH, B, LOCKED, True),
        (AUTH, A, LOCKED, False),
        (AUTH, UNKNOWN, LOCKED, False),
        (AUTH, B, NONE, False),
        (SLEEPING, B, LOCKED, False),
    ],
)
def test_what_shows_an_unplugging(
    gate: Gate, state: int, flags: Flag, *, shows: bool
) -> None:
    """A lock that nobody of us has closed does."""
    assert gate.shows_unplugged(Status(state, flags)) is shows
