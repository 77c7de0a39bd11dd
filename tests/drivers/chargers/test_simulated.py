"""The simulated charger: pipe in, events and log out."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import (
    ChargerState,
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Meter,
    Vehicle,
)
from drivers.errors import TransientDeviceError, UnsupportedDeviceError
from tests.drivers.chargers.bench import Bench, change
from tests.drivers.pipes import open_files, run, take

if TYPE_CHECKING:
    from pathlib import Path

OFF = ChargerUp(ChargerState(Vehicle.ABSENT, enabled=False, wh=0, fault=None))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a bench in an empty folder."""
    return Bench(tmp_path)


def test_a_session(bench: Bench) -> None:
    """Plug, charge, pause, go on, stop, leave: told and logged in order."""
    charger = bench.start()

    async def main() -> None:
        async with aclosing(charger.events()) as events:
            assert await anext(events) == OFF
            bench.control("plug\n")
            assert await change(events) == (0, Connected())
            bench.control("draw 7200\n")
            await charger.enable()
            assert await change(events) == (0, Charging())
            bench.let_pass(10)
            bench.control("draw 0\n")
            assert await change(events) == (20, Connected())
            bench.let_pass(10)
            bench.control("draw 3600\n")
            assert await change(events) == (20, Charging())
            bench.let_pass(5)
            assert await charger.disable() == 25
            assert await change(events) == (25, Connected())
            bench.let_pass(5)
            bench.control("unplug\n")
            assert await change(events) == (25, Disconnected())

    run(main())
    log = bench.log()
    assert set(log[0]) == {"at", "enabled", "vehicle", "wh", "fault", "watts"}
    assert log[-1]["at"] == "2026-03-01T12:00:30Z"
    assert [(line["vehicle"], line["wh"]) for line in log] == [
        ("connected", 0),
        ("connected", 0),
        ("charging", 0),
        ("connected", 20),
        ("charging", 20),
        ("connected", 25),
        ("absent", 25),
    ]


def test_the_meter_is_told_while_energy_flows(bench: Bench) -> None:
    """Each interval brings a reading, and the disk is left alone."""
    charger = bench.start(interval_s=0.0)

    async def main() -> None:
        async with bench.charging(charger) as events:
            lines = len(bench.log())
            for wh in (2, 4, 6, 8):
                bench.let_pass(1)
                assert await anext(events) == Meter(wh)
            assert len(bench.log()) == lines

    run(main())


def test_a_fault_stops_energy(bench: Bench) -> None:
    """A fault has the last reading before it, and nothing can be enabled."""
    charger = bench.start()

    async def main() -> None:
        async with bench.charging(charger) as events:
            bench.let_pass(3600)
            bench.control("fault GroundFault\n")
            assert await change(events) == (7400, Fault("GroundFault"))
            assert await anext(events) == Connected()
            with pytest.raises(TransientDeviceError, match="GroundFault"):
                await charger.enable()
            bench.let_pass(3600)
            assert await charger.disable() == 7400
            bench.control("clear\n")
            assert await change(events) == (7400, FaultCleared())

    run(main())


def test_a_car_that_comes_and_goes_is_seen(bench: Bench) -> None:
    """Lines written at once are told one by one."""
    charger = bench.start()

    async def main() -> None:
        async with aclosing(charger.events()) as events:
            await anext(events)
            bench.control("plug\nunplug\nplug\n")
            told = [e for e in await take(events, 6) if not isinstance(e, Meter)]
            assert told == [Connected(), Disconnected(), Connected()]

    run(main())


def test_what_is_not_understood_is_only_warned_of(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A stray line changes nothing, and is not repeated in the journal."""
    charger = bench.start()

    async def main() -> None:
        async with aclosing(charger.events()) as events:
            await anext(events)
            bench.control("04A1B2C3D4E5F6\nplug\n")
            assert await change(events) == (0, Connected())

    run(main())
    assert len(bench.log()) == 1
    (message,) = caplog.messages
    assert "ignored a line: expected plug" in message
    assert "04A1" not in message


def test_what_changes_nothing_is_not_logged(bench: Bench) -> None:
    """Saying the same again is no change."""
    charger = bench.start()

    async def main() -> None:
        assert await charger.disable() == 0
        await charger.enable()
        await charger.enable(limit_amps=16)

    run(main())
    assert [line["enabled"] for line in bench.log()] == [True]


def test_it_can_be_listened_to_again(bench: Bench) -> None:
    """A second events(), in another loop even, starts from how things stand."""
    charger = bench.start()

    async def first() -> None:
        before = open_files()
        async with bench.charging(charger) as events:
            bench.control("meter 1000\n")
            assert await anext(events) == Meter(1000)
        assert open_files() == before
        bench.let_pass(3600)

    async def second() -> None:
        async with aclosing(charger.events()) as events:
            state = ChargerState(Vehicle.CHARGING, enabled=True, wh=8400, fault=None)
            assert await anext(events) == ChargerUp(state)
            bench.control("unplug\n")
            assert await change(events) == (8400, Disconnected())

    run(first())
    run(second())


def test_a_log_that_cannot_be_written_changes_nothing(bench: Bench) -> None:
    """Neither a switch nor a command is confirmed before it is written."""
    charger = bench.start()
    before = open_files()

    async def main() -> None:
        events = charger.events()
        assert await anext(events) == OFF
        bench.config.log.unlink()
        bench.config.log.mkdir()
        with pytest.raises(TransientDeviceError, match="cannot write the log"):
            await charger.enable()
        bench.control("plug\n")
        with pytest.raises(TransientDeviceError, match="cannot write the log"):
            await anext(events)
        async with aclosing(charger.events()) as again:
            assert await anext(again) == OFF

    run(main())
    assert open_files() == before


def test_what_is_missing_is_named(bench: Bench) -> None:
    """A start on an impossible log or pipe says which."""
    bench.config.log.mkdir()

    async def main() -> None:
        with pytest.raises(TransientDeviceError, match="cannot open the log"):
            await anext(bench.start().events())
        bench.config.control.unlink()
        bench.config.control.touch()
        with pytest.raises(UnsupportedDeviceError, match="control"):
            await anext(bench.start().events())

    run(main())
