"""The same test on many things, by several threads; one report of all that failed."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.torture.bench import Bench

T = TypeVar("T")

#: How many times as much as usual is tried: `make torture` sets it.
SCALE: Final = int(os.environ.get("TORTURE", "1"))
_SHOWN: Final = 2
_TOLD_TIMES: Final = 10


def for_each(
    benches: Sequence[Bench],
    name: str,
    things: Iterable[T],
    test: Callable[[Bench, T], object],
) -> None:
    """Test every thing on one of the benches.

    The AssertionError in the end names all that failed, and says of some of them why.
    """
    waiting: SimpleQueue[T] = SimpleQueue()
    for thing in things:
        waiting.put(thing)
    progress = _Progress(name, waiting.qsize())
    failures: list[str] = []

    def work(bench: Bench) -> None:
        while True:
            try:
                thing = waiting.get_nowait()
            except Empty:
                return
            try:
                test(bench, thing)
            except Exception:  # noqa: BLE001 - told below, with its trace
                failures.append(f"{thing}:\n{traceback.format_exc()}")
            progress.step()

    threads = [threading.Thread(target=work, args=[bench]) for bench in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, _summarize(failures, progress.total)


class _Progress:
    """Shows to whoever waits for a long run how far it is."""

    def __init__(self, name: str, total: int) -> None:
        self.total = total
        self._name = name
        self._done = 0
        self._counting = threading.Lock()

    def step(self) -> None:
        """Count one that is done."""
        with self._counting:
            self._done += 1
            done = self._done
        if SCALE > 1 and done % max(1, self.total // _TOLD_TIMES) == 0:
            sys.stderr.write(f"{self._name}: {done} of {self.total}\n")


def _summarize(failures: list[str], total: int) -> str:
    names = [failure.partition(":\n")[0] for failure in failures]
    heading = f"{len(failures)} of {total} failed: {', '.join(names)}"
    return "\n\n".join([heading, *failures[:_SHOWN]])
