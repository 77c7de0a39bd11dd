"""Names are looked up where they hold nothing up."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from agent.event_loop import LOOK_UPS_AT_MOST, StationLoop

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]


class Resolver:
    """A C library that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.may_answer = threading.Event()
        self.problem: Exception | None = None

    def getaddrinfo(self, *question: object) -> list[object]:
        """Look up a name."""
        self.asked.append(question)
        self.may_answer.wait()
        if self.problem is not None:
            raise self.problem
        return list(FOUND)


@pytest.fixture(name="resolver")
def _resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """Replace the C library; every thread has ended after the test."""
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
    yield resolver
    resolver.may_answer.set()
    for thread in look_ups():
        thread.join()


def look_ups() -> list[threading.Thread]:
    """Which threads are looking up names."""
    return [thread for thread in threading.enumerate() if thread.name == "look-up"]


@contextmanager
def station_loop() -> Iterator[asyncio.Runner]:
    """Run the daemon's loop, and end it as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=StationLoop) as runner:
        yield runner


async def look_up() -> object:
    """Ask the running loop for a name."""
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo("cpo.example", 443, type=socket.SOCK_STREAM)


def test_what_is_found(resolver: Resolver) -> None:
    """The question and its answer are the C library's own."""
    resolver.may_answer.set()
    with station_loop() as runner:
        assert runner.run(look_up()) == FOUND
    assert resolver.asked == [("cpo.example", 443, 0, socket.SOCK_STREAM, 0, 0)]


@pytest.mark.parametrize(
    "problem",
    [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")],
)
def test_what_is_not_found(resolver: Resolver, problem: Exception) -> None:
    """A failure arrives where the name was asked for."""
    resolver.may_answer.set()
    resolver.problem = problem
    with station_loop() as runner, pytest.raises(type(problem)) as caught:
        runner.run(look_up())
    assert caught.value is problem


@pytest.mark.parametrize("problem", [None, socket.gaierror("too late")])
def test_a_look_up_that_hangs_holds_up_nothing(
    resolver: Resolver, problem: Exception | None
) -> None:
    """Who asked can be cancelled, and the loop ends, while the C library hangs."""

    async def main() -> None:
        task = asyncio.create_task(look_up())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    resolver.problem = problem
    with station_loop() as runner:
        runner.run(main())
    assert len(look_ups()) == 1


def test_a_late_answer_to_nobody_is_dropped(resolver: Resolver) -> None:
    """A name that is found after its asker has gone disturbs nobody."""
    problems: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: problems.append(context)
        )
        task = asyncio.create_task(look_up())
        await asyncio.sleep(0)
        task.cancel()
        resolver.may_answer.set()
        for thread in look_ups():
            thread.join()
        await asyncio.sleep(0)

    with station_loop() as runner:
        runner.run(main())
    assert problems == []


def test_look_ups_are_bounded(resolver: Resolver) -> None:
    """When too many hang, the next fails at once; those that end make room."""

    async def main() -> None:
        hanging = [asyncio.create_task(look_up()) for _ in range(LOOK_UPS_AT_MOST)]
        await asyncio.sleep(0)
        # That somebody has given up does not end the thread.
        hanging[0].cancel()
        await asyncio.sleep(0)
        with pytest.raises(socket.gaierror, match="hang already"):
            await look_up()
        resolver.may_answer.set()
        assert await asyncio.gather(*hanging[1:]) == [FOUND] * (LOOK_UPS_AT_MOST - 1)
        assert await look_up() == FOUND

    with station_loop() as runner:
        runner.run(main())


def test_a_card_need_not_wait_for_a_thread() -> None:
    """Threads hand the interpreter over ten times as often as they would."""
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(0.005)
        with station_loop():
            assert sys.getswitchinterval() <= 0.001
    finally:
        sys.setswitchinterval(before)
