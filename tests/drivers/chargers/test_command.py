"""The command driver and a program in memory: commands, events, and what goes wrong."""

from __future__ import annotations

import asyncio
import re
import sys
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
from drivers.chargers.command import CommandCharger, CommandConfig
from drivers.chargers.command_link import NoAnswerError
from drivers.errors import DeviceGoneError, TransientDeviceError
from tests.drivers.chargers.command_bench import COMMAND, Bench
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path
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


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ([], r"got none; does it flush its output after each line\?"),
        (["OK"], "got none; but a line that is no answer: JSON is malformed"),
        (['{"ok": true}', '{"event": "connected"}'], r"no answer: expected an .id."),
        (['{"event": "connected"}'], "got none$"),
        (["OK", '{"id": 999, "ok": true}'], "got none$"),
    ],
)
def test_a_program_without_answers_is_told_what_it_did_instead(
    said: list[str], advice: str
) -> None:
    """The two mistakes of most first programs are named where people look."""

    async def main() -> None:
        bench = Bench()
        bench.program.deaf_to = {"state", "disable"}
        async with bench.listening() as program:
            for line in said:
                program.say(line)
            await bench.later(20)
            assert re.search(advice, str(bench.error))

    run_virtual(main())


GARBAGE = [
    "",
    "hello",
    "{",
    "[]",
    "3",
    "{}",
    '{"id": 1}',
    '{"id": "1", "ok": true}',
    '{"id": 9999}',
    '{"event": "party"}',
    '{"event": "meter"}',
    '{"event": "meter", "wh": -1}',
    '{"event": "meter", "wh": 1e400}',
    '{"event": "state", "vehicle": "absent"}',
    '{"event": "connected", "vehicle": "bicycle"}',
    "\x00\x1b[31m" + "x" * 1000,
    '{"deep": ' + "[" * 4000,
    '{"event": "fault", "fault": "\\ud800"}',
    None,
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_passed_over(garbage: str | None) -> None:
    """It is complained about in few and printable words, and nothing else happens."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            program.say(garbage)
            assert await bench.later(20) == []
            assert bench.error is None
            (complaint,) = program.complaints
            assert complaint.isprintable()
            assert len(complaint) < 300
            await bench.charger.enable()
            assert program.is_on()

    run_virtual(main())


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 77, "ok": true}',
        '{"event": "connected", "and": {"more": [1, 2]}}',
        '{"id": 1, "ok": false, "error": "late"}',
    ],
)
def test_what_is_no_garbage(line: str) -> None:
    """Answers that nobody waits for, and keys of later versions."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            program.say(line)
            await bench.later(20)
            assert program.complaints == []
            assert bench.error is None

    run_virtual(main())


@pytest.mark.parametrize("mode", [0o755, 0o644, None])
def test_looking_finds_the_program(tmp_path: Path, mode: int | None) -> None:
    """Without running it: there and executable, or what to do."""
    path = tmp_path / "evse"
    if mode is not None:
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
    (finding,) = CommandCharger(CommandConfig(command=[str(path)])).check()
    words = {0o755: "", 0o644: f"chmod a+rx {path}", None: "is not there: correct"}
    assert words[mode] in finding.problem
    assert finding.ok is (mode == 0o755)


@pytest.mark.parametrize(
    ("first_line", "problem"),
    [
        ("#!/bin/sh", ""),
        ("#! /bin/sh -e", ""),
        ("#!/usr/bin/env sh", ""),
        ("#!/usr/bin/env -S A=1 sh -e", ""),
        ("\x7fELF", ""),
        ("#!/no/such/shell", "its first line names /no/such/shell"),
        ("#!/usr/bin/env no-such-shell", "its first line names no-such-shell"),
        ("#!/bin/sh\r", "lines that end as on Windows"),
        ("import sys", "#!/usr/bin/env python3"),
        ("", "#!/usr/bin/env python3"),
    ],
)
def test_looking_reads_the_first_line(
    tmp_path: Path, first_line: str, problem: str
) -> None:
    """What would keep a script from running is found before it is to run."""
    path = tmp_path / "evse"
    path.write_bytes(first_line.encode() + b"\nexit\n")
    path.chmod(0o755)
    (finding,) = CommandCharger(CommandConfig(command=[str(path)])).check()
    assert problem in finding.problem
    assert finding.ok is (not problem)


def test_looking_searches_the_path() -> None:
    """As running does."""
    (finding,) = CommandCharger(CommandConfig(command=["env", sys.executable])).check()
    assert finding.ok
    (finding,) = CommandCharger(CommandConfig(command=["no-such-program"])).check()
    assert "is not there: give its whole path" in finding.problem
