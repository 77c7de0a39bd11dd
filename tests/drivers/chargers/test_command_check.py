"""Looking at the program of a command charger without running it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.command import CommandCharger, CommandConfig

if TYPE_CHECKING:
    from pathlib import Path


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
