"""The current limit and the heartbeat of an OpenEVSE, and how often it is asked."""

from __future__ import annotations

import asyncio

import pytest

from drivers.errors import TransientDeviceError
from tests.drivers.chargers.openevse_bench import WATTS, Bench
from tests.drivers.chargers.rapi_emulator import Build
from tests.fakes.virtual_loop import run_virtual

HALF_AN_HOUR_S = 1800


@pytest.mark.parametrize("auth_lock", [True, False])
def test_half_an_hour_of_nothing(auth_lock: bool) -> None:  # noqa: FBT001 - a table
    """Idle, it is asked once in 5 s, and nothing is told."""

    async def main() -> None:
        bench = Bench(Build(auth_lock=auth_lock))
        async with bench.listening():
            before = len(bench.evse.commands)
            assert await bench.later(HALF_AN_HOUR_S) == []
            asked = bench.evse.commands[before:]
            assert set(asked) == {"GS"}
            assert HALF_AN_HOUR_S / 5 - 2 <= len(asked) <= HALF_AN_HOUR_S / 5 + 1

    run_virtual(main())


def test_half_an_hour_of_charging() -> None:
    """Charging, the register is read once a second, and each reading is told once."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening():
            bench.evse.plug(WATTS)
            await bench.later()
            await bench.charger.enable()
            await bench.later(3)
            assert len(bench.meter) >= 3  # Not only after the idle time
            before = len(bench.evse.commands)
            await bench.later(HALF_AN_HOUR_S)
            assert len(bench.evse.commands) - before <= 3 * HALF_AN_HOUR_S + 10
            assert len(bench.meter) == pytest.approx(HALF_AN_HOUR_S, abs=10)
            assert len(set(bench.meter)) == len(bench.meter)

    run_virtual(main())


def test_the_limit_is_volatile_and_comes_back_after_a_boot() -> None:
    """It is set at the start and after `$AB`, and nothing wears the EEPROM."""

    async def main() -> None:
        bench = Bench(limit_amps=16)
        async with bench.listening():
            assert bench.evse.amps == 16
            bench.evse.reboot()
            assert bench.evse.amps == 32
            await bench.later()
            assert bench.evse.amps == 16
            bench.evse.plug(WATTS)
            await bench.later()
            await bench.charger.enable(limit_amps=10)
            assert bench.evse.amps == 10
            await bench.charger.enable(limit_amps=25)
            assert bench.evse.amps == 16
            assert bench.evse.eeprom_writes == 0
            assert {"SC 16 V", "SC 10 V"} <= set(bench.evse.commands)

    run_virtual(main())


@pytest.mark.parametrize("gc_words", [3, 4])
def test_a_limit_of_one_session_is_taken_back(gc_words: int) -> None:
    """Without a limit of its own, the next one has what the installer allowed."""

    async def main() -> None:
        bench = Bench(Build(gc_words=gc_words))
        async with bench.listening():
            await bench.charger.enable(limit_amps=10)
            assert bench.evse.amps == 10
            await bench.charger.enable()
            assert bench.evse.amps == 32
            assert bench.evse.eeprom_writes == 0

    run_virtual(main())


def test_a_limit_that_the_controller_lowers_further_is_kept() -> None:
    """It answers NK with what it took; less is as good, more is refused."""

    async def main() -> None:
        bench = Bench(Build(max_amps=13), limit_amps=20)
        async with bench.listening():
            assert bench.error is None
            assert bench.evse.amps == 13
            with pytest.raises(TransientDeviceError, match="set 6 A"):
                await bench.charger.enable(limit_amps=5)
            assert bench.evse.locked

    run_virtual(main())


def test_a_controller_that_raises_its_current_is_limited_again() -> None:
    """Its thermal protection goes back to the installer's limit, not to ours."""

    async def main() -> None:
        bench = Bench(limit_amps=16)
        async with bench.listening():
            bench.evse.amps = 32
            bench.evse._say_state()
            await bench.later()
            assert bench.evse.amps == 16

    run_virtual(main())


def test_the_heartbeat_is_set_once_and_beats() -> None:
    """The EEPROM is written once over starts and boots; no pulse is ever missed."""

    async def main() -> None:
        bench = Bench(heartbeat_s=30, heartbeat_amps=6)
        async with bench.listening():
            await bench.later(HALF_AN_HOUR_S)
            bench.evse.reboot()
            await bench.later(60)
        async with bench.listening():
            await bench.later(60)
        evse = bench.evse
        assert (evse.eeprom_writes, evse.heartbeat) == (1, (30, 6))
        assert evse.trigger == 0
        assert 180 <= evse.pulses <= 210

    run_virtual(main())


def test_a_missed_heartbeat_is_mended() -> None:
    """The current was lowered while the agent was dead, and is ours again after it."""

    async def main() -> None:
        bench = Bench(heartbeat_s=30, heartbeat_amps=8, limit_amps=16)
        async with bench.listening():
            await bench.later()
        await asyncio.sleep(40)
        bench.evse._count()
        assert (bench.evse.trigger, bench.evse.amps) == (2, 8)
        async with bench.listening():
            assert (bench.evse.trigger, bench.evse.amps) == (1, 16)
            commands = bench.evse.commands
            acknowledged = len(commands) - commands[::-1].index("SY 165") - 1
            assert commands[acknowledged + 1] == "SC 16 V"

    run_virtual(main())


def test_a_heartbeat_missed_while_the_line_was_bad() -> None:
    """A pulse that is refused brings the acknowledgement, too."""

    async def main() -> None:
        bench = Bench(heartbeat_s=30, limit_amps=16)
        async with bench.listening():
            bench.evse.trigger, bench.evse.amps = 2, 6
            await bench.later(12)
            assert (bench.evse.trigger, bench.evse.amps) == (1, 16)

    run_virtual(main())


def test_a_missed_heartbeat_is_mended_before_it_is_set_anew() -> None:
    """Another interval in the configuration must not hide that one was missed."""

    async def main() -> None:
        bench = Bench(heartbeat_s=40)
        bench.evse.heartbeat, bench.evse.trigger = (30, 6), 2
        bench.evse.amps = 6
        async with bench.listening():
            assert bench.evse.heartbeat == (40, 6)
            assert bench.evse.amps == 32

    run_virtual(main())


def test_a_heartbeat_does_not_keep_a_silent_line_busy() -> None:
    """A pulse that is due while nobody answers is not tried without end."""

    async def main() -> None:
        bench = Bench(heartbeat_s=6)
        async with bench.listening():
            before = len(bench.evse.commands)
            bench.evse.deaf = 10**9
            await bench.later(25)
            assert len(bench.evse.commands) - before < 30

    run_virtual(main())


def test_a_heartbeat_that_is_not_wanted_any_more() -> None:
    """0 switches off what an earlier configuration has left in the EEPROM."""

    async def main() -> None:
        bench = Bench(heartbeat_s=0)
        bench.evse.heartbeat = (30, 6)
        async with bench.listening():
            assert bench.evse.heartbeat[0] == 0
            await bench.later(120)
            assert bench.evse.pulses == 0

    run_virtual(main())


def test_a_controller_without_heartbeats(caplog: pytest.LogCaptureFixture) -> None:
    """It charges without, and the log says so."""

    async def main() -> None:
        bench = Bench(Build(heartbeat=False), heartbeat_s=30)
        async with bench.listening():
            await bench.later(120)
            assert bench.error is None

    run_virtual(main())
    assert "knows no heartbeat" in caplog.text
