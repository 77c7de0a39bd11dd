"""Measuring drivers: how they idle, and how long an event takes them."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from math import inf
from typing import TYPE_CHECKING, Final, Self

from benchmarks.drivers.openers import Heard, Listening, address_of, bare
from benchmarks.drivers.peers import PtyPeer
from benchmarks.drivers.process import DriverProcess
from benchmarks.drivers.subject import Subject, after
from benchmarks.verdicts import Verdict, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from benchmarks.drivers.subject import Sample

_IDLE_S: Final = 10.0  # Twice the longest time between two looks of any driver
_SETTLE_S: Final = 0.3  # A serial line counts only after a silence
# The best round counts: what a driver adds is in each of them, what the machine does
# meanwhile is not. One that has missed its budget gets some more.
_ROUNDS: Final = 3
_ROUNDS_AT_MOST: Final = 6
_LATENCY_AT_MOST_MS: Final = 2.0
_IDLE_AT_MOST_PERCENT: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Round:
    """Milliseconds of a driver's events, and of a bare loop's in between."""

    took: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        """What all but one in a hundred events took at most."""
        return percentile(self.took, 0.99)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Go before all other programs, where we may: their turns are not the driver's.

    So do the threads and processes that are started meanwhile.
    """
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, before, os.sched_param(0))


class Yardstick:
    """A process that watches a pty and nothing else; a context manager."""

    def __enter__(self) -> Self:
        with ExitStack() as stack, _undisturbed():
            peer = stack.enter_context(PtyPeer())
            sample = after(
                peer.stamp,
                lambda number: peer.say(f"{number:014X}\r".encode()),
                Heard.__name__,
            )
            process = stack.enter_context(
                DriverProcess(address_of(bare), {"port": peer.path})
            )
            process.wait_for(Listening.__name__)
            self._process, self._sample = process, sample
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sample(self, number: int) -> list[float]:
        """Measure once how many milliseconds it takes."""
        return self._sample(self._process, number)


def measure(
    subjects: Sequence[AbstractContextManager[Subject]], yardstick: Yardstick
) -> Iterator[Verdict]:
    """Let all of them idle side by side, then measure one after the other."""
    with ExitStack() as stack:
        with _undisturbed():
            ready = [stack.enter_context(subject) for subject in subjects]
        yield from _measure_idling(ready)
        for subject in ready:
            if subject.sample is not None:
                with _undisturbed():
                    verdict = _measure_latency(subject, subject.sample, yardstick)
                yield verdict


def _measure_idling(subjects: list[Subject]) -> Iterator[Verdict]:
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subject.start(busy=False)) for subject in subjects
        ]
        for process in processes:
            stack.callback(process.let_go)  # All of them before the first is awaited
        for subject, process in zip(subjects, processes, strict=True):
            process.wait_for(subject.ready)
            subject.on_ready()
        time.sleep(_SETTLE_S)
        for process in processes:
            process.begin_idling(_IDLE_S)
        idled = [process.end_idling() for process in processes]
    for subject, idle in zip(subjects, idled, strict=True):
        yield Verdict(
            f"{subject.what}: idle",
            100 * idle.cpu_s / _IDLE_S,
            _IDLE_AT_MOST_PERCENT,
            "% CPU",
            note=f"{idle.wakeups / _IDLE_S:.1f} wake-ups/s of "
            f"{1e6 * idle.cpu_s / max(idle.wakeups, 1):.0f} us; {subject.idles}",
        )


def _measure_latency(subject: Subject, sample: Sample, yardstick: Yardstick) -> Verdict:
    rounds: list[_Round] = []
    best = _Round([inf])
    with subject.start(busy=True) as process:
        process.wait_for(subject.ready)
        subject.on_ready()
        time.sleep(_SETTLE_S)
        numbers = count()
        while len(rounds) < _ROUNDS or (
            best.p99_ms > _LATENCY_AT_MOST_MS and len(rounds) < _ROUNDS_AT_MOST
        ):
            rounds.append(_Round())
            # The two take turns, so that a busy machine slows both.
            for number in islice(numbers, subject.samples):
                rounds[-1].bare.extend(yardstick.sample(number))
                rounds[-1].took.extend(sample(process, number))
            best = min(rounds, key=lambda one: one.p99_ms)
    return Verdict(
        f"{subject.what}: {subject.path}, p99",
        best.p99_ms,
        _LATENCY_AT_MOST_MS,
        "ms",
        note=f"p50 {percentile(best.took, 0.5):.2f} ms; a bare loop "
        f"{percentile(best.bare, 0.5):.2f}, p99 {percentile(best.bare, 0.99):.2f} ms; "
        f"best of {len(rounds)} times {len(best.took)}"
        f"{subject.note and '; '}{subject.note}",
    )
