"""What drivers add: from a card's last byte to the event, and when nothing happens."""

from __future__ import annotations

import asyncio
import os
import resource
import tty
from contextlib import aclosing
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Final

from benchmarks.verdicts import Verdict, percentile
from drivers.readers.base import CardArrived, ReaderUp
from drivers.readers.formats import em4100
from drivers.readers.pipe import PipeReader, PipeReaderConfig
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

    from drivers.readers.base import Reader, ReaderEvent

_CARDS: Final = 500
_IDLE_S: Final = 3.0
_SILENCE_S: Final = 0.5
_LATENCY_AT_MOST_MS: Final = 2.0
_IDLE_AT_MOST_PERCENT: Final = 0.5


def measure(directory: Path) -> Iterator[Verdict]:
    """Measure each reader whose other end can be played here."""
    directory.mkdir()
    pipe = directory / "cards"
    reader = PipeReader(PipeReaderConfig(path=pipe))
    yield from _measure("pipe", reader, lambda: os.open(pipe, os.O_WRONLY), _as_line)
    master, slave = os.openpty()
    tty.setraw(master)
    for kind, write in ((Format.ASCII, _as_line), (Format.RDM6300, _as_frame)):
        config = SerialReaderConfig(port=os.ttyname(slave), format=kind)
        yield from _measure(
            f"serial {kind.value}", SerialReader(config), lambda: os.dup(master), write
        )
    os.close(slave)
    os.close(master)


def _measure(
    name: str,
    reader: Reader,
    open_line: Callable[[], int],
    write: Callable[[int], bytes],
) -> Iterator[Verdict]:
    latencies, idle = asyncio.run(_run(reader, open_line, write))
    yield Verdict(
        f"reader {name}: last byte to event, p99",
        percentile(latencies, 0.99),
        _LATENCY_AT_MOST_MS,
        "ms",
        note=f"p50 {percentile(latencies, 0.5):.3f} ms",
    )
    yield Verdict(f"reader {name}: idle", idle, _IDLE_AT_MOST_PERCENT, "% CPU")


async def _run(
    reader: Reader, open_line: Callable[[], int], write: Callable[[int], bytes]
) -> tuple[list[float], float]:
    """Send one card after another; return milliseconds, and the CPU share of idling."""
    latencies: list[float] = []
    async with aclosing(reader.events()) as events:
        async for event in events:
            if isinstance(event, ReaderUp):
                break
        # A line counts only if its beginning was seen, after a moment of silence.
        await asyncio.sleep(_SILENCE_S)
        line = open_line()
        try:
            for number in range(_CARDS):
                data = write(number)
                os.write(line, data[:-1])
                await asyncio.sleep(0)
                begin = perf_counter_ns()
                os.write(line, data[-1:])
                while not isinstance(await anext(events), CardArrived):
                    pass
                latencies.append((perf_counter_ns() - begin) / 1e6)
            waiting = asyncio.ensure_future(_drain(events))
            idle = await _idle_percent()
            waiting.cancel()
            await asyncio.wait({waiting})
        finally:
            os.close(line)
    return latencies, idle


async def _drain(events: AsyncGenerator[ReaderEvent]) -> None:
    """Let the driver wait for what does not come."""
    async for _ in events:
        pass


async def _idle_percent() -> float:
    begin, used = perf_counter(), _cpu_s()
    await asyncio.sleep(_IDLE_S)
    return 100 * (_cpu_s() - used) / (perf_counter() - begin)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _as_line(number: int) -> bytes:
    return f"04{number:012X}\n".encode()


def _as_frame(number: int) -> bytes:
    return em4100.build(number.to_bytes(5), b"\x03")
