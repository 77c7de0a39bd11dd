"""The command that brings an NFC adapter back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from drivers.errors import AccessDeniedError, DeviceGoneError
from tests.drivers.pipes import run
from tests.drivers.readers.nfc_adapter import (
    GLITCH,
    UP,
    ScriptedAdapter,
    failure,
    make_reader,
    taken,
)

if TYPE_CHECKING:
    from pathlib import Path


def reset_by(log: Path, *, status: int = 0) -> tuple[str, ...]:
    """Make a command that notes that it ran."""
    program = f"open({str(log)!r}, 'a').write('x'); raise SystemExit({status})"
    return (sys.executable, "-c", program)


def test_the_reset_command(tmp_path: Path) -> None:
    """It runs before the opening after so many failures, and then not at once again."""
    log = tmp_path / "log"
    adapter = ScriptedAdapter()
    adapter.refusals.extend([DeviceGoneError("x"), GLITCH] * 4)
    reader = make_reader(adapter, reset=reset_by(log), reset_after=3)
    ran = []

    async def main() -> None:
        for _ in range(8):
            await failure(reader)
            ran.append(len(log.read_text()) if log.exists() else 0)

    run(main())
    assert ran == [0, 0, 0, 1, 1, 1, 2, 2]


def test_failures_that_are_not_in_a_row(tmp_path: Path) -> None:
    """A look that succeeds between two failures makes the count begin anew."""
    log = tmp_path / "log"
    adapter = ScriptedAdapter(*[None, DeviceGoneError("x")] * 6)
    reader = make_reader(adapter, reset=reset_by(log), reset_after=2)

    async def main() -> None:
        for _ in range(6):
            await failure(reader)

    run(main())
    assert not log.exists()


def test_no_reset_for_what_it_cannot_cure(tmp_path: Path) -> None:
    """A permission does not come with the power."""
    log = tmp_path / "log"
    adapter = ScriptedAdapter()
    adapter.refusals.extend([AccessDeniedError("x")] * 4)
    reader = make_reader(adapter, reset=reset_by(log), reset_after=1)

    async def main() -> None:
        for _ in range(4):
            await failure(reader)

    run(main())
    assert not log.exists()


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("/no/such/command",), "cannot be run: No such file"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "ended with status 3"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "took longer than"),
    ],
)
def test_a_reset_command_that_fails(
    command: tuple[str, ...],
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged, killed if it hangs, and the adapter is opened all the same."""
    monkeypatch.setattr("drivers.readers.nfc_reset.RESET_S", 0.3)
    adapter = ScriptedAdapter()
    adapter.refusals.append(GLITCH)
    reader = make_reader(adapter, reset=command, reset_after=1)

    async def main() -> None:
        await failure(reader)
        assert await taken(reader, 1) == [UP]

    run(main())
    assert problem in caplog.text
