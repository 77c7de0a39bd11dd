"""The modbus charger on a controller in memory: events, commands, losses."""

from __future__ import annotations

import asyncio

import pytest

from drivers.chargers.base import (
    Charging,
    Connected,
    Disconnected,
    Vehicle,
)
from drivers.chargers.modbus_config import (
    CurrentRegister,
    ProfileName,
    StateRegister,
    SwitchRegister,
)
from drivers.errors import DeviceGoneError, TransientDeviceError
from drivers.modbus.values import Table
from tests.drivers.chargers.modbus_bench import Bench, up
from tests.drivers.modbus.evse import AMPS, STATE
from tests.fakes.virtual_loop import run_virtual

OWN_STATE = StateRegister(
    address=STATE, absent=(1,), connected=(2,), charging=(3,), faults={"0x05": "RCD"}
)
COIL = SwitchRegister(address=7, table=Table.COIL)


def test_a_session() -> None:
    """Plug, charge, pause, go on, stop, leave: told in order, and done."""

    async def main() -> None:
        async with Bench().listening() as bench:
            evse = bench.evse
            assert await bench.later() == [up()]
            evse.plugged = evse.wants = True
            assert await bench.later() == [Connected()]
            assert not evse.delivers
            await bench.charger.enable()
            assert (evse.amps, evse.delivers) == (16, True)
            assert await bench.later() == [Charging()]
            evse.wants = False
            assert await bench.later() == [Connected()]
            evse.wants = True
            assert await bench.later() == [Charging()]
            await bench.charger.disable()
            assert (evse.amps, evse.delivers) == (0, False)
            assert await bench.later() == [Connected()]
            evse.plugged = False
            assert await bench.later() == [Disconnected()]

    run_virtual(main())


@pytest.mark.parametrize(
    ("wanted", "offered"), [(None, 16), (10, 10), (32, 16), (6, 6)]
)
def test_the_lower_limit_counts(wanted: int | None, offered: int) -> None:
    """The station may ask for less than the installer allowed, not for more."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.charger.enable(wanted)
            assert bench.evse.amps == offered

    run_virtual(main())


def test_energy_is_off_at_the_start_and_in_the_end() -> None:
    """A controller found delivering is switched off before it is told of."""

    async def main() -> None:
        bench = Bench()
        evse = bench.evse
        evse.plugged = evse.wants = True
        assert evse.delivers
        async with bench.listening():
            assert bench.told == [up(Vehicle.CONNECTED)]
            await bench.charger.enable()
            assert evse.delivers
        assert (evse.amps, bench.line.users) == (0, 0)

    run_virtual(main())


def test_a_controller_that_does_not_stop_is_no_charger() -> None:
    """What stays charging although it reads 0 is an error, at start and later."""

    async def main() -> None:
        bench = Bench()
        evse = bench.evse
        evse.plugged = evse.wants = evse.is_stuck = True
        async with bench.listening():
            await bench.later(5)
        assert bench.told == []
        assert "stays charging" in str(bench.error)
        evse.is_stuck = False
        async with bench.listening():
            await bench.charger.enable()
            evse.is_stuck = True
            with pytest.raises(TransientDeviceError, match="stays charging"):
                await bench.charger.disable()

    run_virtual(main())


@pytest.mark.parametrize("lost", [1, 2])
def test_a_write_without_an_answer_is_read_back(lost: int) -> None:
    """One that was obeyed is not repeated; one that was not is."""

    async def main() -> None:
        async with Bench().listening() as bench:
            evse = bench.evse
            evse.written.clear()
            bench.line.lose_answers = 1
            await bench.charger.enable()
            assert evse.written == [16]
            bench.line.lose_writes = lost
            await bench.charger.disable()
            assert evse.written == [16, 0]

    run_virtual(main())


def test_what_cannot_be_confirmed_fails() -> None:
    """Energy that was perhaps let flow is switched off by the next look."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.later()
            bench.line.lose_writes = 1000
            with pytest.raises(TransientDeviceError, match=r"wrote 16 .* it reads 0"):
                await bench.charger.enable()
            bench.line.lose_writes = 0
            bench.evse.amps = 16
            assert await bench.later() == []
            assert bench.evse.amps == 0

    run_virtual(main())


def test_an_enable_that_is_given_up_lets_nothing_flow() -> None:
    """The agent waits only so long; what was written of it is taken back."""

    async def main() -> None:
        async with Bench().listening() as bench:
            bench.line.lose_answers = 1000
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await bench.charger.enable()
            bench.line.lose_answers = 0
            await bench.later()
            assert bench.evse.amps == 0

    run_virtual(main())


def test_the_last_command_counts() -> None:
    """A disable that comes while an enable is under way is what remains."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.later()
            await asyncio.gather(bench.charger.enable(), bench.charger.disable())
            assert await bench.later(10) == []
            assert bench.evse.amps == 0

    run_virtual(main())


def test_a_controller_may_offer_less() -> None:
    """A thin cable lowers the current, and the command is done."""

    async def main() -> None:
        async with Bench().listening() as bench:
            bench.evse.max_amps = 13
            await bench.charger.enable()
            bench.evse.written.clear()
            await bench.later(10)
            assert (bench.evse.amps, bench.evse.written) == (13, [])

    run_virtual(main())


def test_a_profile_with_a_switch() -> None:
    """A coil lets energy flow, a scaled register limits it."""
    config = {
        "profile": ProfileName.OWN,
        "state": OWN_STATE,
        "enable": COIL,
        "current": CurrentRegister(address=AMPS, scale=0.1),
    }

    async def main() -> None:
        async with Bench(**config).listening() as bench:
            bench.evse.max_amps = 1000
            await bench.charger.enable(7)
            assert (bench.evse.amps, bench.line.coil) == (70, True)
            await bench.charger.disable()
            assert (bench.evse.amps, bench.line.coil) == (70, False)
            bench.line.coil = True
            await bench.later()
            assert not bench.line.coil

    run_virtual(main())


def test_a_profile_without_a_current() -> None:
    """A switch is enough."""

    async def main() -> None:
        bench = Bench(
            profile=ProfileName.OWN, state=OWN_STATE, enable=COIL, limit_amps=None
        )
        async with bench.listening():
            await bench.charger.enable(10)
            assert bench.line.coil
            assert bench.evse.written == []
            await bench.charger.disable()
            assert not bench.line.coil

    run_virtual(main())


def test_whatever_is_not_off_is_on() -> None:
    """A switch that reads something else lets energy flow as far as anybody knows."""

    async def main() -> None:
        switch = SwitchRegister(address=AMPS, on=6, off=0)
        bench = Bench(
            profile=ProfileName.OWN, state=OWN_STATE, enable=switch, limit_amps=None
        )
        async with bench.listening():
            bench.evse.boot()
            await bench.later()
            assert bench.evse.amps == 0

    run_virtual(main())


def test_commands_need_an_open_line() -> None:
    """Before events() and after it there is nothing to command."""

    async def main() -> None:
        bench = Bench()
        for _ in range(2):
            with pytest.raises(DeviceGoneError, match="/dev/memory is not open"):
                await bench.charger.enable()
            with pytest.raises(DeviceGoneError):
                await bench.charger.disable()
            async with bench.listening():
                pass

    run_virtual(main())


def test_what_is_checked_beforehand() -> None:
    """The library, and the serial port, which is not there."""
    library, line = Bench().charger.check()
    assert library.ok
    assert "is not there" in line.problem
    for port in ("192.0.2.1:502", "socket://192.0.2.1:23"):
        findings = list(Bench(port=port).charger.check())
        assert [finding.ok for finding in findings] == [True, True]
        assert findings[1].what.endswith(f"{port}, not asked")
