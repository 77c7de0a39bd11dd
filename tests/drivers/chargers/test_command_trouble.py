"""Programs that refuse, are late, fall silent, die or contradict themselves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import ChargerUp, Vehicle
from drivers.chargers.command_link import NoAnswerError
from drivers.errors import TransientDeviceError
from tests.drivers.chargers.command_bench import Bench
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from typing import Any


def test_a_refusal_says_why() -> None:
    """The program's words are passed on, and it is told to switch off all the same."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            program.refusals["enable"] = "no three phases\n"
            with pytest.raises(TransientDeviceError, match="no three phases"):
                await bench.charger.enable()
            assert program.requests == ["disable", "enable", "disable"]
            program.refusals["disable"] = "cannot"
            with pytest.raises(TransientDeviceError, match="refused disable: cannot"):
                await bench.charger.disable()

    run_virtual(main())


def test_an_answer_that_comes_late_switches_nothing_on() -> None:
    """A program that took too long to enable is told to disable."""

    async def main() -> None:
        bench = Bench(answer_within=timedelta(seconds=2))
        async with bench.listening() as program:
            program.answers_after_s = 2.5
            with pytest.raises(NoAnswerError, match="answer to enable within 2 s"):
                await bench.charger.enable()
            await bench.later(10)
            assert program.requests == ["disable", "enable", "disable"]
            assert not program.is_on()
            assert bench.error is None

    run_virtual(main())


def test_a_command_that_is_given_up_switches_nothing_on() -> None:
    """The agent's own patience may end first."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            program.answers_after_s = 2.5
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await bench.charger.enable()
            await bench.later(5)
            assert program.requests == ["disable", "enable", "disable"]
            assert not program.is_on()

    run_virtual(main())


def test_a_program_that_is_killed() -> None:
    """The events end, whoever waits is told, and the next opening goes on."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            program.state["vehicle"] = "charging"
            await bench.charger.enable()
            program.deaf_to.add("disable")
            disabling = asyncio.create_task(bench.charger.disable())
            await asyncio.sleep(0)
            program.die()
            with pytest.raises(TransientDeviceError, match="SIGKILL"):
                await disabling
            await bench.later()
            assert bench.error is not None
            assert "SIGKILL" in str(bench.error)
        program.deaf_to.clear()
        assert program.is_on()
        async with bench.listening():
            assert not program.is_on()
            (*_, up) = bench.told
            assert isinstance(up, ChargerUp)
            assert up.state.vehicle is Vehicle.CHARGING
        assert len(program.started) == 2

    run_virtual(main())


def test_silence_ends_the_program() -> None:
    """Without an answer for comm_timeout: told to switch off, and started anew."""

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=10))
        async with bench.listening() as program:
            await bench.charger.enable()
            program.deaf_to |= {"state", "disable"}
            await bench.later(30)
            assert isinstance(bench.error, NoAnswerError)
            assert 10 <= bench.ended_at <= 18
            assert program.requests[-1] == "disable"
            assert not program.is_running

    run_virtual(main())


def test_telling_is_no_answer() -> None:
    """A program that only talks cannot be told to switch off, so it is lost as well."""

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=10))
        async with bench.listening() as program:
            program.deaf_to |= {"state", "disable"}
            for reading in range(1000, 1030):
                program.tell(event="meter", wh=reading)
                await asyncio.sleep(1)
            assert isinstance(bench.error, NoAnswerError)

    run_virtual(main())


def test_a_short_silence_is_none() -> None:
    """One answer that is missing is no reason."""

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=10))
        async with bench.listening() as program:
            program.deaf_to.add("state")
            await bench.later(7)
            program.deaf_to.clear()
            await bench.later(100)
            assert bench.error is None

    run_virtual(main())


def test_a_program_that_cannot_switch_off() -> None:
    """It refuses the first disable: there is no charger, and the reason is told."""

    async def main() -> None:
        bench = Bench()
        bench.program.refusals["disable"] = "no bus"
        async with bench.listening():
            assert bench.told == []
            assert "the program refused disable: no bus" in str(bench.error)

    run_virtual(main())


def lie(**lies: Any) -> Any:  # noqa: ANN401 - any answer
    """Build answers to `state` that say something else."""
    return lambda request: {"id": request["id"], "ok": True} | lies


OFF = {"vehicle": "connected", "enabled": False}
ON = {"vehicle": "connected", "enabled": True}


@pytest.mark.parametrize(
    ("enable", "answer", "complaint"),
    [
        (False, ON, "says that energy is on"),
        (True, OFF, "says that energy is off"),
        (True, OFF | {"fault": "RCD"}, None),
        (True, OFF | {"vehicle": "absent"}, None),
        (True, ON, None),
        (False, OFF, None),
        (False, {}, 'lacks "vehicle" or "enabled"'),
        (False, {"vehicle": "absent"}, 'lacks "vehicle" or "enabled"'),
    ],
)
def test_a_program_that_contradicts_itself(
    *,
    enable: bool,
    answer: dict[str, Any],
    complaint: str | None,
) -> None:
    """What it has confirmed is not so: it is ended; a fault or no car excuses it."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            if enable:
                await bench.charger.enable()
            program.answer = lie(**answer)
            await bench.later(10)
            if complaint is None:
                assert bench.error is None
            else:
                assert complaint in str(bench.error)

    run_virtual(main())


@pytest.mark.parametrize("enable", [True, False])
def test_a_vehicle_that_charges_on(enable: bool) -> None:  # noqa: FBT001 - a table
    """Energy was confirmed to be off and does not end: a contactor may be welded.

    A program may take comm_timeout to notice that the vehicle has stopped.
    """

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=9))
        async with bench.listening() as program:
            if enable:
                await bench.charger.enable()
                program.tell(event="charging")
                await bench.later(60)
                await bench.charger.disable()
            program.tell(event="charging")
            await bench.later(8)
            program.tell(event="connected")
            await bench.later(30)
            assert bench.error is None
            program.tell(event="charging")
            await bench.later(3.1)
            assert "says that the vehicle charges" in str(bench.error)

    run_virtual(main())


def test_an_answer_from_before_a_command_is_no_contradiction() -> None:
    """It was true when it was asked for."""

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=3))
        async with bench.listening() as program:
            held: list[dict[str, Any]] = []

            def hold(request: dict[str, Any]) -> dict[str, Any]:
                if request["do"] == "state":
                    held.append(program.obey(request) | {"vehicle": "connected"})
                    return {"event": "connected"}
                return program.obey(request)

            program.answer = hold
            await bench.later(1.2)
            (old,) = held
            await bench.charger.enable()
            program.tell(**old)
            await bench.later(0.1)
            assert bench.error is None

    run_virtual(main())
