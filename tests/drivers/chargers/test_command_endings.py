"""The command driver when it is ended, or fails where nobody expects it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta

import pytest

from drivers.errors import DriverError, TransientDeviceError
from tests.drivers.chargers.command_bench import Bench, FakeProgram
from tests.fakes.virtual_loop import run_virtual

UNKNOWN = "nobody knows whether energy is off"


async def enable(bench: Bench) -> None:
    """Enable as the agent does, which may be stopped in the middle of it."""
    with suppress(DriverError):
        await bench.charger.enable()


def test_an_end_in_the_middle_of_an_enable() -> None:
    """Energy is off after it, at whatever moment the program was."""

    async def main(after_s: float) -> bool:
        bench = Bench()
        async with bench.listening() as program:
            program.answers_after_s = 0.2
            enabling = asyncio.create_task(enable(bench))
            await asyncio.sleep(after_s)
            enabling.cancel()
        return program.is_on()

    moments = [step * 0.05 for step in range(10)]
    assert [at for at in moments if run_virtual(main(at))] == []


def test_a_bug_in_looking_ends_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that nobody looks after any more is not left running."""
    write = FakeProgram.write

    def write_badly(program: FakeProgram, line: bytes) -> None:
        if b'"state"' in line:
            raise ValueError("a bug")
        write(program, line)

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=9))
        async with bench.listening() as program:
            with monkeypatch.context() as patch:
                patch.setattr(FakeProgram, "write", write_badly)
                await bench.later(4)
            assert isinstance(bench.error, TransientDeviceError)
            assert "nobody looks after the program" in str(bench.error)
            assert not program.is_running

    run_virtual(main())


@pytest.mark.parametrize("is_on", [True, False])
def test_an_end_that_nobody_heard_is_told(
    caplog: pytest.LogCaptureFixture,
    is_on: bool,  # noqa: FBT001 - a table
) -> None:
    """When energy may be on; the program should switch off when its input ends."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening() as program:
            if is_on:
                await bench.charger.enable()
            program.deaf_to = {"disable"}

    with caplog.at_level(logging.WARNING):
        run_virtual(main())
    assert (UNKNOWN in caplog.text) is is_on
