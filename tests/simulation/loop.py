"""The simulation's event loop: nothing waits for real, and no thread ever runs."""

from __future__ import annotations

from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple, Unpack

from tests.fakes.virtual_loop import VirtualLoop

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable, Coroutine, Generator
    from concurrent.futures import Executor
    from contextvars import Context

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_QUICK_S = (0.002, 0.02)  # An fsync on an SD card
_SLOW_S = (0.2, 1.5)  # The same while the card tidies up
_SLOW_SHARE = 0.01


class Process(Protocol):
    """A process that may be killed at any moment."""

    tasks: set[asyncio.Task[Any]]
    powered: bool


#: Whose code is running; the world's own has none.
LIFE: ContextVar[Any] = ContextVar("LIFE", default=None)


class SimulatedLoop(VirtualLoop):
    """Does itself what threads would do, after the time that it would take them.

    What a killed process has handed over and not begun is never done. Signal handlers
    are kept here; `send` calls them.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        #: What a disk needs besides the usual.
        self.slow_s = 0.0
        self._chance = chance
        self._busy_until: dict[int, float] = {}
        self._handlers: dict[int, Callable[[], object]] = {}

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Create a task that dies with the process it belongs to."""
        task = super().create_task(coro, name=name, context=context)
        process: Process | None = LIFE.get()
        if process is not None:
            process.tasks.add(task)
            task.add_done_callback(process.tasks.discard)
        return task

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Do it here, a little later; one thing at a time for each executor."""
        slow = self._chance.random() < _SLOW_SHARE
        takes_s = self.slow_s + self._chance.uniform(*(_SLOW_S if slow else _QUICK_S))
        begin = self.time()
        if executor is not None:
            begin = max(begin, self._busy_until.get(id(executor), 0.0))
            self._busy_until[id(executor)] = begin + takes_s
        future: asyncio.Future[T] = self.create_future()
        # At some moment on the way it is done, whoever hears of it later.
        happens = begin + takes_s * self._chance.random()
        job = _Job(future, lambda: func(*args), happens, begin + takes_s)
        if begin > self.time():
            self.call_at(begin, job.begin, self)
        else:
            job.begin(self)
        return future

    def add_signal_handler(
        self,
        sig: int,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
    ) -> None:
        """Keep it for `send`."""
        context = copy_context()
        self._handlers[sig] = lambda: context.run(callback, *args)

    def send(self, sig: int) -> None:
        """Send a signal to the process that listens."""
        self._handlers[sig]()


@dataclass(eq=False, slots=True)
class _Job:
    """Something that a thread would do; the moments are the loop's."""

    future: asyncio.Future[Any]
    work: Callable[[], Any]
    happens: float
    ends: float

    def begin(self, loop: SimulatedLoop) -> None:
        """Begin, unless it was called off by now; later it cannot be."""
        if not self.future.cancelled():
            loop.call_at(self.happens, self._happen, loop)

    def _happen(self, loop: SimulatedLoop) -> None:
        process: Process | None = LIFE.get()
        if process is not None and not process.powered:
            return
        try:
            result = self.work()
        except Exception as err:  # noqa: BLE001 - raised where it is awaited
            loop.call_at(self.ends, self._end, None, err)
        else:
            loop.call_at(self.ends, self._end, result, None)

    def _end(self, result: object, err: Exception | None) -> None:
        if self.future.done():
            return
        if err is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(err)
