"""The gpio charger's S0 meter: pulses become energy, and energy survives restarts."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import (
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Meter,
)
from drivers.chargers.gpio_socket import WELDED
from drivers.errors import TransientDeviceError
from tests.drivers.chargers.gpio_bench import Bench
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path


def on_disk(bench: Bench) -> int:
    """Read the pulses that a restart would find."""
    pulses: int = json.loads(bench.register.read_bytes())["pulses"]
    return pulses


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a socket with a meter of 1 Wh per pulse, and a vehicle in it."""
    bench = Bench(tmp_path)
    bench.chip.drive("vehicle", active=True)
    return bench


def test_pulses_are_energy(bench: Bench) -> None:
    """The first pulse says that it charges; readings follow; a stop has the last."""

    async def main() -> None:
        async with bench.listening():
            await bench.later(100)
            await bench.charger.enable()
            assert await bench.later() == []
            bench.chip.pulse("meter")
            assert await bench.later() == [Meter(1), Charging()]
            bench.chip.pulse("meter", 7)
            assert await bench.charger.disable() == 8
            assert await bench.later() == [Meter(8), Connected()]

    run_virtual(main())


def test_nothing_is_told_that_a_restart_would_take_back(bench: Bench) -> None:
    """A reading comes after it was saved, at most every 30 s."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.pulse("meter")
            await bench.later(31)
            for _ in range(60):
                bench.chip.pulse("meter")
                for event in await bench.later(1):
                    assert isinstance(event, Meter)
                    assert on_disk(bench) == event.wh
            readings = [event for event in bench.told if isinstance(event, Meter)]
            assert 3 <= len(readings) <= 4

    run_virtual(main())


def test_the_register_is_left_alone_without_pulses(bench: Bench) -> None:
    """Nothing goes to the disk that is there already."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.pulse("meter")
            await bench.later(60)
            before = bench.register.stat().st_mtime_ns
            bench.register.chmod(0o400)
            await bench.later(10_000)
            await bench.charger.disable()
        assert bench.register.stat().st_mtime_ns == before

    run_virtual(main())


def test_it_goes_on_after_a_restart(bench: Bench) -> None:
    """The next start knows the register of the last, pulses of the end included."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.pulse("meter", 41)
            await bench.later()
            bench.chip.pulse("meter")
        bench.start()
        await bench.later()
        async with bench.listening():
            (event,) = await bench.later()
            assert isinstance(event, ChargerUp)
            assert event.state.wh == 42

    run_virtual(main())


def test_pulses_that_were_not_read_count(bench: Bench) -> None:
    """The kernel's buffer may overflow; its numbering tells how many are missing."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.pulse("meter", 5, lost=3000)
            assert await bench.charger.disable() == 3005

    run_virtual(main())


def test_a_vehicle_that_draws_nothing_pauses(bench: Bench) -> None:
    """A minute without a pulse is a pause, and the next pulse its end."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.pulse("meter")
            await bench.later(59)
            assert Connected() not in bench.told
            assert await bench.later(2) == [Connected()]
            bench.chip.pulse("meter")
            assert await bench.later() == [Meter(2), Charging()]

    run_virtual(main())


def test_the_reading_comes_before_the_end(bench: Bench) -> None:
    """Who hears that the vehicle left has the energy that it took."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.pulse("meter")
            await bench.later()
            bench.chip.pulse("meter", 9)
            bench.chip.drive("vehicle", active=False)
            assert await bench.later() == [Meter(10), Disconnected()]
            assert on_disk(bench) == 10

    run_virtual(main())


def test_a_disk_that_fails(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Energy is told all the same, and one line says what is lost."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            new = bench.register.with_name("register.new")
            new.mkdir()
            bench.chip.pulse("meter", 3)
            assert await bench.charger.disable() == 3
            await bench.later(1)  # The thread that saves has its own time
            await bench.charger.enable()
            bench.chip.pulse("meter", 3)
            await bench.later(100)
            assert bench.told[-3:] == [Meter(6), Charging(), Connected()]
            new.rmdir()
            await bench.later(31)
            assert on_disk(bench) == 6

    with caplog.at_level(logging.WARNING):
        run_virtual(main())
    (line,) = caplog.messages
    assert line.startswith("cannot write register")


def test_energy_while_the_relay_is_off(bench: Bench) -> None:
    """It is counted, and a fault for as long as it lasts: no card can stop it."""

    async def main() -> None:
        async with bench.listening():
            await bench.later()
            bench.chip.pulse("meter", 2)
            assert await bench.later(40) == [Meter(2)]
            bench.chip.pulse("meter", 20)
            fault = Fault(WELDED)
            assert await bench.later(40) == [Meter(22), fault]
            with pytest.raises(TransientDeviceError, match="welded"):
                await bench.charger.enable()
            assert await bench.later(30) == [FaultCleared()]
            await bench.charger.enable()
            assert bench.is_on()

    run_virtual(main())


def test_a_little_energy_while_the_relay_is_off(bench: Bench) -> None:
    """The electronics behind the meter may draw some: a few watts are no fault."""

    async def main() -> None:
        async with bench.listening():
            await bench.later()
            for _ in range(10):
                bench.chip.pulse("meter")
                await bench.later(61)
            assert {type(event) for event in bench.told} == {ChargerUp, Meter}

    run_virtual(main())


def test_pulses_of_a_session_are_no_fault_after_it(bench: Bench) -> None:
    """What was drawn while the relay was on does not count against the contact."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.pulse("meter", 100)
            await bench.later()
            await bench.charger.disable()
            bench.chip.pulse("meter", 2)
            await bench.later(100)
            assert not [event for event in bench.told if isinstance(event, Fault)]
            assert bench.told[-1] == Meter(102)

    run_virtual(main())


def test_a_kill_loses_what_was_not_told(bench: Bench) -> None:
    """A successor finds at least what anybody has heard of."""

    async def main() -> None:
        async with bench.listening():
            await bench.charger.enable()
            for _ in range(100):
                bench.chip.pulse("meter")
                await bench.later(1)
            kept = on_disk(bench)
            heard = max(one.wh for one in bench.told if isinstance(one, Meter))
            assert 60 < heard <= kept <= 100

    run_virtual(main())
