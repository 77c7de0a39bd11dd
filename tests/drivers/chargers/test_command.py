"""The command driver and a program in memory: commands, and events in their order."""

from __future__ import annotations

from datetime import timedelta
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
from drivers.errors import DeviceGoneError
from tests.drivers.chargers.command_bench import COMMAND, Bench
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from typing import Any


def test_a_charge() -> None:
    """Events of the program in their order; each reading before what it belongs to."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            state = ChargerState(Vehicle.ABSENT, enabled=False, wh=1000, fault=None)
            assert bench.told == [ChargerUp(state)]
            program.tell(event="connected")
            assert await bench.later() == [Connected()]
            await bench.charger.enable()
            assert program.is_on()
            program.tell(event="charging")
            program.tell(event="meter", wh=1010)
            assert await bench.later() == [Charging(), Meter(1010)]
            program.tell(event="connected", wh=1020)
            program.state["wh"] = 1021
            assert await bench.charger.disable() == 1021
            assert not program.is_on()
            program.tell(event="disconnected")
            told = await bench.later()
            assert told == [Meter(1020), Connected(), Meter(1021), Disconnected()]
        assert program.started == [COMMAND]

    run_virtual(main())


@pytest.mark.parametrize("answers_state", [True, False])
def test_a_session_ends_with_a_reading(answers_state: bool) -> None:  # noqa: FBT001 - a table
    """A program whose answer to disable has none is asked; it is off in any case."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            await bench.charger.enable()
            program.state["wh"] = 1234

            def answer(request: dict[str, Any]) -> dict[str, Any]:
                whole = program.obey(request)
                if request["do"] == "disable":
                    del whole["wh"]
                return whole

            program.answer = answer
            if not answers_state:
                program.deaf_to.add("state")
            register_wh = await bench.charger.disable()
            assert register_wh == (1234 if answers_state else None)
            assert not program.is_on()

    run_virtual(main())


def test_energy_is_off_before_anything_is_told() -> None:
    """Whatever a program left behind: the first request is to switch off."""

    async def main() -> None:
        bench = Bench()
        bench.program.state |= {"enabled": True, "vehicle": "charging"}
        async with bench.listening() as program:
            assert [one["do"] for _, one in program.asked] == ["disable", "state"]
            (up,) = bench.told
            assert isinstance(up, ChargerUp)
            assert not up.state.enabled

    run_virtual(main())


def test_energy_is_off_at_the_end() -> None:
    """Closing the events switches off first, and ends the program then."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            await bench.charger.enable()
            assert program.is_on()
        assert not program.is_on()
        assert not program.is_running
        with pytest.raises(DeviceGoneError, match="does not run"):
            await bench.charger.enable()

    run_virtual(main())


@pytest.mark.parametrize(
    ("asked", "configured", "limit"),
    [(None, None, None), (10, None, 10), (None, 16, 16), (10, 16, 10), (32, 16, 16)],
)
def test_the_limit_goes_with_enable(
    asked: int | None, configured: int | None, limit: int | None
) -> None:
    """The lower of both; without any the key is absent."""

    async def main() -> None:
        bench = Bench(limit_amps=configured)
        async with bench.listening() as program:
            await bench.charger.enable(asked)
            request = program.asked[-1][1]
            assert request["do"] == "enable"
            assert request.get("limit_amps") == limit
            assert ("limit_amps" in request) is (limit is not None)

    run_virtual(main())


def test_whole_states_tell_what_has_changed() -> None:
    """A program may print its state at any time, and nothing else."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            whole = program.state | {"event": "state"}
            program.tell(**whole)
            assert await bench.later() == []
            program.tell(
                **(whole | {"vehicle": "charging", "wh": 1001, "fault": "RCD"})
            )
            assert await bench.later() == [Meter(1001), Fault("RCD"), Charging()]
            program.tell(**whole)
            assert await bench.later() == [
                Meter(1000),
                FaultCleared(),
                Disconnected(),
            ]

    run_virtual(main())


def test_what_was_not_told_is_asked_for() -> None:
    """A program that tells nothing is asked three times within comm_timeout."""

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=9))
        async with bench.listening() as program:
            program.state |= {"vehicle": "connected", "fault": "RCD", "wh": 1001}
            assert await bench.later(3.1) == [Meter(1001), Fault("RCD"), Connected()]
            before = len(program.asked)
            assert await bench.later(90) == []
            assert len(program.asked) - before == 30

    run_virtual(main())


def test_a_car_that_comes_and_goes_is_seen() -> None:
    """Nothing between two looks is left out."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            program.tell(event="connected")
            program.tell(event="disconnected")
            program.tell(event="connected")
            assert await bench.later() == [Connected(), Disconnected(), Connected()]

    run_virtual(main())


def test_a_fault_has_a_name() -> None:
    """The program's own, or at least one; it is told once, and so is its end."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            program.tell(event="fault", fault="contactor welded")
            program.tell(event="fault", fault="contactor welded")
            assert await bench.later() == [Fault("contactor welded")]
            program.tell(event="cleared")
            program.tell(event="fault")
            assert await bench.later() == [FaultCleared(), Fault("fault")]

    run_virtual(main())


def test_a_program_that_takes_time_to_start() -> None:
    """It is waited for as long as comm_timeout; nothing is told before."""

    async def main() -> None:
        bench = Bench(
            comm_timeout=timedelta(seconds=10), answer_within=timedelta(seconds=1)
        )
        bench.program.answers_after_s = 4
        async with bench.listening():
            await bench.later(7)
            assert bench.told == []
            await bench.later(2)
            assert len(bench.told) == 1

    run_virtual(main())


def test_what_came_before_the_first_state_is_part_of_it() -> None:
    """A program may tell while it starts; nobody hears of that twice."""

    async def main() -> None:
        bench = Bench()
        bench.program.answers_after_s = 1
        async with bench.listening() as program:
            program.tell(event="charging")
            program.tell(event="connected", wh=1001)
            assert await bench.later(3) == []
            state = ChargerState(Vehicle.CONNECTED, enabled=False, wh=1001, fault=None)
            assert bench.told == [ChargerUp(state)]

    run_virtual(main())
