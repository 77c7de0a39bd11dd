"""The program that the documentation shows does what the documentation says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
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
from drivers.chargers.command import CommandCharger, CommandConfig
from drivers.chargers.command_messages import Do, Told, build, parse
from tests.drivers.chargers.command_example import DOCUMENT, ExampleCharger
from tests.drivers.pipes import run
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def example(tmp_path: Path) -> ExampleCharger:
    """Give the program and a charger of files."""
    return ExampleCharger(tmp_path)


@pytest.fixture
def program(example: ExampleCharger) -> Iterator[subprocess.Popen[str]]:
    """Run the program as a person would."""
    with subprocess.Popen(
        example.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        running.kill()


def ask(program: subprocess.Popen[str], **request: object) -> dict[str, object]:
    """Make a request; return its answer."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(json.dumps(request) + "\n")
    program.stdin.flush()
    for line in program.stdout:
        message: dict[str, object] = json.loads(line)
        if message.get("id") == request["id"]:
            return message
    raise AssertionError("no answer")


def test_a_charge_with_the_driver(example: ExampleCharger) -> None:
    """The driver runs it, switches it, and hears of everything."""
    charger = CommandCharger(CommandConfig(command=example.command))

    async def main() -> None:
        async with aclosing(charger.events()) as events:
            state = ChargerState(Vehicle.ABSENT, enabled=False, wh=0, fault=None)
            assert await anext(events) == ChargerUp(state)
            example.put("vehicle", "connected")
            assert await anext(events) == Connected()
            await charger.enable(16)
            assert example.relay == "1"
            example.put("vehicle", "charging")
            assert await anext(events) == Charging()
            example.put("wh", 250)
            assert await anext(events) == Meter(250)
            example.put("fault", "RCD tripped")
            assert await anext(events) == Fault("RCD tripped")
            example.put("fault", "")
            assert await anext(events) == FaultCleared()
            assert await charger.disable() == 250
            assert example.relay == "0"
            assert await anext(events) == Connected()
            example.put("vehicle", "absent")
            assert await anext(events) == Disconnected()
            await charger.enable()
        assert example.relay == "0"

    run(main())


def test_what_was_left_on_is_off_before_it_is_told(example: ExampleCharger) -> None:
    """A program that was killed could not switch off; the next one does."""
    example.put("relay", 1)
    charger = CommandCharger(CommandConfig(command=example.command))

    async def main() -> None:
        async with aclosing(charger.events()) as events:
            await anext(events)
            assert example.relay == "0"

    run(main())


def test_an_unknown_request_is_refused(program: subprocess.Popen[str]) -> None:
    """A newer agent may ask for more."""
    answer = ask(program, id=7, do="dance")
    assert answer == {"id": 7, "ok": False, "error": "I do not know that"}


@pytest.mark.parametrize("end", ["input", "SIGTERM"])
def test_it_switches_off_when_the_agent_goes(
    example: ExampleCharger, program: subprocess.Popen[str], end: str
) -> None:
    """At the end of its input, and when it is told to go."""
    assert ask(program, id=1, do="enable")["enabled"] is True
    assert example.relay == "1"
    if end == "input":
        assert program.stdin is not None
        program.stdin.close()
    else:
        os.kill(program.pid, signal.SIGTERM)
    assert program.wait(timeout=10) == 0
    until(lambda: example.relay == "0", "energy off")


#: Runs a program, which hears SIGTERM at each opening of its relay but the first.
TERMINATED = """
import os, runpy, signal, sys

opened = []

def listen(event, details):
    if event == "open" and str(details[0]).endswith("relay") and details[1] == "w":
        if opened:
            os.kill(os.getpid(), signal.SIGTERM)
        opened.append(True)

sys.addaudithook(listen)
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_nothing_breaks_switching_off(example: ExampleCharger) -> None:
    """Its input ends and systemd tells it to go, both when the agent is killed."""
    command = [example.command[0], "-c", TERMINATED, *example.command[1:]]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert ask(program, id=1, do="enable")["enabled"] is True
        assert program.stdin is not None
        program.stdin.close()
        assert program.wait(timeout=10) == 0
    assert example.relay == "0"


def test_requests_and_events_of_the_document_are_understood() -> None:
    """Every line of JSON in the text is one that the driver reads or writes."""
    told = set()
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith('    {"id":1,"do"'):
            assert build(1, Do.DISABLE).decode().strip() == line.strip()
        elif line.startswith(('    {"id"', '    {"event"')) and '"do"' not in line:
            told.add(parse(line.strip()).event)
    assert told == {None, *Told}


def test_requests_in_pieces(program: subprocess.Popen[str]) -> None:
    """Half a line waits for its other half, and what comes in one piece is two."""
    assert program.stdin is not None
    program.stdin.write('{"id": 1, "do": "st')
    program.stdin.flush()
    program.stdin.write('ate"}\n{"id": 2, "do": "state"}\n')
    assert ask(program, id=3, do="state")["vehicle"] == "absent"
