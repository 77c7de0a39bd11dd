"""A script of Python as a program of the command driver, and what is heard of it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from drivers.chargers import command_process
from drivers.chargers.command_process import run_program
from tests.drivers.pipes import HANG_S

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import pytest

    from drivers.chargers.command_process import Process
    from drivers.errors import (
        DriverError,
    )

ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"
# Says that it runs, and does not end by itself.
STUBBORN = "print(1, flush=True)\nwhile True: time.sleep(9)"


def end_patiently(monkeypatch: pytest.MonkeyPatch, *, minds_term: bool) -> None:
    """Have it ended step by step, whatever time a busy machine takes for one."""
    happens = command_process._happens
    # For the end of its input, which it does not mind; SIGTERM; SIGKILL; its last words
    waits = iter([0.1, HANG_S if minds_term else 0.1, HANG_S, 0.1])
    monkeypatch.setattr(
        command_process, "_happens", lambda event, _: happens(event, next(waits))
    )
    monkeypatch.setattr(command_process, "_EXIT_FOLLOWS_S", HANG_S)


class Ears:
    """What is heard of a program."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()
        self.end: asyncio.Future[DriverError] = asyncio.Future()

    def start(
        self, script: str, *, grace_s: float = 5.0
    ) -> AbstractAsyncContextManager[Process]:
        """Run a script of Python."""
        script = f"import os, signal, subprocess, sys, time\n{script}"
        return self.run(sys.executable, "-c", script, grace_s=grace_s)

    def run(
        self, *command: str, grace_s: float = 1.0
    ) -> AbstractAsyncContextManager[Process]:
        """Run any program."""
        return run_program(
            command, self.lines.put_nowait, self.end.set_result, grace_s=grace_s
        )

    async def take(self, count: int) -> list[str | None]:
        """Return the next lines."""
        return [await self.lines.get() for _ in range(count)]
