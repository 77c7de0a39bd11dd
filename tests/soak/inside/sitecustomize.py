"""Loaded by the daemon's interpreter: it counts or shows its tasks when it is told to.

A signal handler of Python runs in the main thread, between two steps of the loop.
"""

import asyncio
import gc
import os
import signal
from pathlib import Path

COUNTS = os.environ.get("SOAK_COUNTS", "")


def _count(*_: object) -> None:
    """Write `tasks objects` into the file, in one go."""
    path = Path(COUNTS)
    new = path.with_suffix(".new")
    new.write_text(f"{len(asyncio.all_tasks())} {len(gc.get_objects())}")
    new.replace(path)


def _show(*_: object) -> None:
    """Write where every task waits."""
    with Path(COUNTS).with_suffix(".stacks").open("w") as file:
        for task in asyncio.all_tasks():
            task.print_stack(file=file)


if COUNTS:
    signal.signal(signal.SIGUSR1, _show)
    signal.signal(signal.SIGUSR2, _count)
