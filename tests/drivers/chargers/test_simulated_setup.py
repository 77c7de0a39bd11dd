"""What the simulated charger computes: commands, energy, events, log lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chargers.base import (
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Meter,
    Vehicle,
)
from drivers.chargers.simulated_setup import LogLine, Setup
from drivers.errors import FrameError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMPTY = Setup()
PARKED = Setup(plugged=True)
RUNNING = Setup(plugged=True, watts=7400, enabled=True)

SETUPS = st.builds(
    Setup,
    plugged=st.booleans(),
    watts=st.sampled_from([0, 1, 230, 7400, 350_000]),
    enabled=st.booleans(),
    fault=st.none() | st.text(min_size=1),
    energy_uj=st.integers(0, 10**18),
)


@pytest.mark.parametrize(
    ("before", "command", "after"),
    [
        (EMPTY, "plug", PARKED),
        (PARKED, "plug", PARKED),
        (PARKED, "draw 7400", replace(PARKED, watts=7400)),
        (EMPTY, "draw 7400", Setup(watts=7400)),
        (Setup(watts=7400), "plug", Setup(plugged=True, watts=7400)),
        (RUNNING, "draw 0", replace(RUNNING, watts=0)),
        (RUNNING, "unplug", Setup(enabled=True)),
        (RUNNING, "fault GroundFault", replace(RUNNING, fault="GroundFault")),
        (EMPTY, "fault  over  heated", Setup(fault="over heated")),
        (Setup(fault="GroundFault"), "clear", EMPTY),
        (EMPTY, "clear", EMPTY),
        (EMPTY, "meter 123456", Setup(energy_uj=123456 * 3_600_000_000)),
    ],
)
def test_commands(before: Setup, command: str, after: Setup) -> None:
    """Each command changes one thing."""
    assert before.obey(command) == after


@pytest.mark.parametrize(
    "command",
    [
        "",
        "Plug",
        "plug in",
        "draw",
        "draw -1",
        "draw 7.4",
        "draw 1e3",
        "draw \u0663",
        "fault",
        "meter 1234567890123",
        "04A1B2C3D4E5F6",
    ],
)
def test_what_is_no_command(command: str) -> None:
    """Anything else is refused with what would be right, and not repeated."""
    with pytest.raises(FrameError, match="expected plug, unplug, draw WATTS"):
        EMPTY.obey(command)


@pytest.mark.parametrize(
    ("setup", "vehicle"),
    [
        (EMPTY, Vehicle.ABSENT),
        (Setup(watts=7400, enabled=True), Vehicle.ABSENT),
        (PARKED, Vehicle.CONNECTED),
        (RUNNING, Vehicle.CHARGING),
        (replace(RUNNING, enabled=False), Vehicle.CONNECTED),
        (replace(RUNNING, watts=0), Vehicle.CONNECTED),
        (replace(RUNNING, fault="GroundFault"), Vehicle.CONNECTED),
    ],
)
def test_what_it_takes_to_charge(setup: Setup, vehicle: Vehicle) -> None:
    """Energy flows into a car that wants it, when enabled and without a fault."""
    assert setup.vehicle is vehicle
    moved = setup.after(3600).wh
    assert moved == (7400 if vehicle is Vehicle.CHARGING else 0)


def test_small_amounts_add_up() -> None:
    """What is less than a Wh is not lost: an hour in tenths of a second is an hour."""
    setup = replace(RUNNING, watts=1)
    for _ in range(36_000):
        setup = setup.after(0.1)
    assert setup.wh == 1


METER = Meter(0)
CHANGES = [
    (EMPTY, EMPTY, []),
    (EMPTY, PARKED, [METER, Connected()]),
    (PARKED, EMPTY, [METER, Disconnected()]),
    (PARKED, RUNNING, [METER, Charging()]),
    (RUNNING, PARKED, [METER, Connected()]),
    (RUNNING, EMPTY, [METER, Disconnected()]),
    (EMPTY, Setup(enabled=True), [METER]),
    (EMPTY, Setup(fault="F"), [METER, Fault("F")]),
    (Setup(fault="F"), Setup(fault="G"), [METER, Fault("G")]),
    (Setup(fault="F"), EMPTY, [METER, FaultCleared()]),
    (RUNNING, replace(RUNNING, fault="F"), [METER, Fault("F"), Connected()]),
    (replace(RUNNING, fault="F"), RUNNING, [METER, FaultCleared(), Charging()]),
    (RUNNING, replace(RUNNING, watts=230), []),
    (RUNNING, RUNNING.after(0.1), []),
    (RUNNING, RUNNING.after(36), [Meter(74)]),
]


@pytest.mark.parametrize(("before", "after", "events"), CHANGES)
def test_what_is_told(before: Setup, after: Setup, events: list[object]) -> None:
    """The meter comes first, so what follows finds the register up to date."""
    assert list(after.changes(before)) == events


def test_a_log_line_reads_as_promised() -> None:
    """The keys, their order and the time's form are an interface."""
    at = NOW.astimezone(tz=None) + timedelta(milliseconds=250)
    line = msgspec.json.encode(replace(RUNNING, fault="F").after(1).to_line(at))
    assert line == (
        b'{"at":"2026-03-01T12:00:00.250000Z","enabled":true,"vehicle":"connected",'
        b'"wh":0,"fault":"F","watts":7400}'
    )


@given(SETUPS)
def test_the_log_keeps_everything(setup: Setup) -> None:
    """Written and read at the same moment, all is as before but the fraction."""
    raw = msgspec.json.encode(setup.to_line(NOW))
    again = Setup.from_line(msgspec.json.decode(raw, type=LogLine), NOW)
    assert replace(again, energy_uj=0) == replace(setup, energy_uj=0)
    assert again.state == setup.state


@given(SETUPS, st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_restart_never_turns_the_register_back(
    setup: Setup, shown_us: int, down_us: int
) -> None:
    """Whatever the register has shown, it shows no less after a later restart."""
    shown = setup.after(shown_us / 1e6)
    gap = timedelta(microseconds=shown_us + down_us)
    again = Setup.from_line(setup.to_line(NOW), NOW + gap)
    assert shown.wh <= again.wh <= setup.after(gap.total_seconds()).wh + 1


@pytest.mark.parametrize(
    ("setup", "gap", "wh"),
    [
        (RUNNING, timedelta(hours=1), 7400),
        (RUNNING, timedelta(0), 0),
        (RUNNING, timedelta(hours=-1), 0),
        (PARKED, timedelta(hours=1), 0),
        (replace(RUNNING, fault="F"), timedelta(hours=1), 0),
    ],
)
def test_energy_flows_on_while_nobody_looks(
    setup: Setup, gap: timedelta, wh: int
) -> None:
    """The meter counts on from its line; a clock turned back adds nothing."""
    assert Setup.from_line(setup.to_line(NOW), NOW + gap).wh == wh
