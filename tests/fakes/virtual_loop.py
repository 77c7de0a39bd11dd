"""An event loop on which time costs nothing: it jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_THREADS_FINISH_WITHIN_S = 10.0


class StandstillError(AssertionError):
    """Everything waits and nothing is left that could wake it."""


class _VirtualSelector(selectors.DefaultSelector):
    """Looks at the files, but never waits for them while a timer could fire."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        #: Calls in other threads whose results the loop has not seen yet.
        self.working = 0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]]
        if self.working:
            # A thread will wake the loop: no time passes for the tasks meanwhile.
            waiting = timeout is None or timeout > 0
            ready = super().select(_THREADS_FINISH_WITHIN_S if waiting else 0)
            if not ready and waiting:
                raise StandstillError("a thread does not finish")
            return ready
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise StandstillError("every task waits, and no timer is set")
        self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Keeps `time()` by itself: it passes only while every task waits for it."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._virtual.now

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Run `func` in a thread; time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._virtual.working += 1
        future.add_done_callback(self._on_worked)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the base class's own
        """Wait for the threads; they wake the loop without a future of its own."""
        del timeout
        self._virtual.working += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._virtual.working -= 1

    def _on_worked(self, _: asyncio.Future[Any]) -> None:
        self._virtual.working -= 1


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run like `asyncio.run`, in no time; StandstillError if it would wait for ever."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
