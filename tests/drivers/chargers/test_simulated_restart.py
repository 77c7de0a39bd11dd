"""The simulated charger goes on where it was, as a real meter does."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chargers.base import ChargerState, ChargerUp, Meter, Vehicle
from tests.drivers.chargers.bench import Bench
from tests.drivers.pipes import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a bench in an empty folder."""
    return Bench(tmp_path)


def start_charging(bench: Bench) -> None:
    """Leave a car charging at 7400 W from 1000 Wh, and the agent gone."""
    charger = bench.start()

    async def main() -> None:
        async with bench.charging(charger) as events:
            bench.control("meter 1000\n")
            assert await anext(events) == Meter(1000)

    run(main())


def restarted(bench: Bench) -> ChargerState:
    """Return what a charger says that starts now."""
    states = []

    async def main() -> None:
        async with aclosing(bench.start().events()) as events:
            up = await anext(events)
            assert isinstance(up, ChargerUp)
            states.append(up.state)

    run(main())
    return states[0]


def test_energy_flows_on_through_a_restart(bench: Bench) -> None:
    """Energy that flowed while the agent was down is on the meter, once."""
    start_charging(bench)
    bench.let_pass(1800)
    bench.monotonic = 3.0  # Another boot
    running = ChargerState(Vehicle.CHARGING, enabled=True, wh=4700, fault=None)
    assert restarted(bench) == running
    assert restarted(bench) == running


def test_a_clock_turned_back_adds_nothing(bench: Bench) -> None:
    """Not at this start; and the next one counts from here, not from the future."""
    start_charging(bench)
    bench.wall -= timedelta(days=1)
    assert restarted(bench).wh == 1000
    bench.let_pass(1800)
    assert restarted(bench).wh == 4700


@pytest.mark.parametrize("torn", [1, 20, 80])
def test_a_torn_line_is_as_if_never_written(bench: Bench, torn: int) -> None:
    """A crash in mid-line loses that line only, now and for the next start."""
    start_charging(bench)
    whole = bench.config.log.read_bytes()
    charger = bench.start()

    async def stop() -> None:
        await charger.disable()

    last = whole.splitlines()[-1]
    bench.config.log.write_bytes(whole + last[:torn])
    assert restarted(bench).vehicle is Vehicle.CHARGING
    run(stop())
    state = restarted(bench)
    assert state == ChargerState(Vehicle.CONNECTED, enabled=False, wh=1000, fault=None)


def test_a_line_without_its_end_is_torn(bench: Bench) -> None:
    """The newline is what makes a line whole."""
    start_charging(bench)
    whole = bench.config.log.read_bytes()
    bench.config.log.write_bytes(whole.rstrip(b"\n"))
    assert restarted(bench).wh == 0


@given(noise=st.binary(max_size=200))
def test_a_damaged_log_does_not_stop_it(
    noise: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands after the last good line, the charger starts from that."""
    bench = Bench(tmp_path_factory.mktemp("noise"))

    async def switch() -> None:
        await bench.start().enable()

    run(switch())
    with bench.config.log.open("ab") as log:
        log.write(noise + b"\n")
    assert restarted(bench).enabled


def test_a_long_log_is_not_read_whole(bench: Bench) -> None:
    """Only the end of the log counts."""
    start_charging(bench)
    whole = bench.config.log.read_bytes()
    bench.config.log.write_bytes(b"x" * 1_000_000 + b"\n" + whole)
    assert restarted(bench).vehicle is Vehicle.CHARGING


@given(
    st.lists(
        st.sampled_from(
            ["plug", "draw 11000", "draw 1", "draw 0", "unplug", "fault F", "clear"]
        )
        | st.sampled_from(["enable", "disable", "restart"])
        | st.integers(1, 5_000_000),
        max_size=20,
    )
)
def test_the_register_never_goes_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str | int]
) -> None:
    """Through any commands, switches, waits and restarts the register only counts."""
    bench = Bench(tmp_path_factory.mktemp("bench"))

    async def main() -> None:
        charger, shown = bench.start(), 0
        for step in steps:
            match step:
                case int(ms):
                    bench.let_pass(ms / 1000)
                case "restart":
                    charger = bench.start()
                case "enable":
                    if charger._catch_up().fault is None:
                        await charger.enable()
                case "disable":
                    await charger.disable()
                case command:
                    charger._obey(command)
            before, shown = shown, charger._catch_up().wh
            assert before <= shown

    run(main())
