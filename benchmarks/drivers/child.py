"""A process with one driver in it and nothing else, so that its CPU is the driver's.

`python -m benchmarks.drivers.child MODULE:OPENER OPTIONS`, options in JSON. It writes a
Message per line, measures how the driver idles for each number of seconds that it is
given, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from agent.event_loop import StationLoop
from benchmarks.drivers.openers import find
from benchmarks.drivers.wire import IDLE, Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    #: Runs a driver until cancelled; the callable hears each event.
    Opener = Callable[..., Awaitable[None]]

_STDIN, _STDOUT = 0, 1


def tell(event: object) -> None:
    """Tell of an event of the driver."""
    at_ns = time.monotonic_ns()
    _write(Message(type(event).__name__, at_ns, getattr(event, "slot", "")))


def _write(message: Message) -> None:
    os.write(_STDOUT, msgspec.json.encode(message) + b"\n")


async def _idle(seconds: float) -> None:
    cpu_s, wakeups = time.process_time(), _count_wakeups()
    await asyncio.sleep(seconds)
    cpu_s, wakeups = time.process_time() - cpu_s, _count_wakeups() - wakeups
    _write(Message(IDLE, cpu_s=cpu_s, wakeups=wakeups))


def _count_wakeups() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


async def _run(opener: Opener, options: dict[str, Any]) -> None:
    """Run the driver until it fails, or standard input ends."""
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(opener(tell, **options))
    ended = loop.create_future()
    idling: set[asyncio.Task[None]] = set()

    def on_input() -> None:
        if not (data := os.read(_STDIN, 64)):
            loop.remove_reader(_STDIN)
            ended.set_result(None)
            return
        for seconds in data.split():
            idling.add(asyncio.create_task(_idle(float(seconds))))

    loop.add_reader(_STDIN, on_input)
    await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled():
        await running


def main() -> None:
    """Open what the command line says, on the loop that the daemon has."""
    opener, options = sys.argv[1:]
    with asyncio.Runner(loop_factory=StationLoop) as runner:
        runner.run(_run(find(opener), msgspec.json.decode(options)))


if __name__ == "__main__":
    main()
