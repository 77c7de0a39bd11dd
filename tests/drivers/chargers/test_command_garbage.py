"""What a program says that is no answer: passed over, and named where it helps."""

from __future__ import annotations

import re

import pytest

from tests.drivers.chargers.command_bench import Bench
from tests.fakes.virtual_loop import run_virtual


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
