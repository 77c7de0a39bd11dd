"""A dead upstream is remembered, and probed behind everybody's back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.backoff import JITTER
from agent.breaker import Breaker
from tests.fakes.loop_clock import LoopClock, running
from tests.fakes.peers import FakeProbed
from tests.fakes.virtual_loop import StandstillError, run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DEADLINE = timedelta(seconds=2)
WHY = "no answer about a card within 2 s"
DOWN, UP = f"cpo down: {WHY}", "cpo up"


class Bench:
    """A breaker at work, and what it has told."""

    def __init__(self, upstream: FakeProbed) -> None:
        self.upstream = upstream
        self.told: list[str] = []
        self.breaker = Breaker(
            upstream, DEADLINE, LoopClock(), self._on_down, self._on_up
        )

    def _on_down(self, name: str, why: str) -> None:
        assert self.breaker.trouble is not None
        self.told.append(f"{name} down: {why}")

    def _on_up(self, name: str) -> None:
        assert self.breaker.trouble is None
        self.told.append(f"{name} up")

    def fall_silent(self) -> None:
        """Let a question that was put just now meet with silence."""
        self.breaker.silent(WHY, asyncio.get_running_loop().time())

    async def pass_probe(self) -> float:
        """Let the longest rest pass; tell when the probe was heard."""
        await asyncio.sleep(60 * (1 + JITTER))
        assert self.breaker.trouble is None
        return self.upstream.probed_at[-1]


def run(bench: Bench, scene: Callable[[], Awaitable[None]]) -> None:
    """Play a scene beside the breaker's own task."""

    async def main() -> None:
        async with running(bench.breaker.run()):
            await scene()

    run_virtual(main())


def test_closed_it_costs_nothing() -> None:
    """While nothing is wrong nobody is probed, and not even a timer is set."""
    bench = Bench(FakeProbed("cpo"))

    with pytest.raises(StandstillError):
        run_virtual(bench.breaker.run())

    assert (bench.told, bench.upstream.probed_at) == ([], [])


def test_closed_again_it_costs_nothing() -> None:
    """After an outage everything is as it was before."""
    bench = Bench(FakeProbed("cpo"))

    async def main() -> None:
        bench.fall_silent()
        await bench.breaker.run()

    with pytest.raises(StandstillError):
        run_virtual(main())

    assert bench.told == [DOWN, UP]
    assert len(bench.upstream.probed_at) == 1


def test_open_it_says_what_to_answer() -> None:
    """The driver's reason names the upstream and since when it is silent."""
    bench = Bench(FakeProbed("cpo"))

    async def main() -> None:
        assert bench.breaker.trouble is None
        await asyncio.sleep(65)
        bench.fall_silent()

    run_virtual(main())

    assert bench.breaker.trouble == (
        "cpo does not answer since 2026-03-01T12:01:05Z, being probed"
    )


def test_each_change_is_told_once() -> None:
    """However many questions meet with silence, that is one piece of news."""
    bench = Bench(FakeProbed("cpo", speaks_from_s=20))

    async def scene() -> None:
        for _ in range(10):
            bench.fall_silent()
            await asyncio.sleep(1)
        await asyncio.sleep(60)

    run(bench, scene)

    assert bench.told == [DOWN, UP]


def test_probes_back_off() -> None:
    """First after a second, then ever later up to a minute, each with jitter."""
    upstream = FakeProbed("cpo", speaks_from_s=500)
    bench = Bench(upstream)

    async def scene() -> None:
        bench.fall_silent()
        await asyncio.sleep(700)

    run(bench, scene)

    # A probe that is not heard takes all of its own time first.
    took = [0, *[DEADLINE.total_seconds()] * (len(upstream.probed_at) - 1)]
    rests = [
        later - earlier - probe_s
        for (earlier, later), probe_s in zip(
            pairwise([0, *upstream.probed_at]), took, strict=True
        )
    ]
    assert len(rests) > 10
    expected = [1, 2, 4, 8, 16, 32, *[60] * len(rests)][: len(rests)]
    for rest, least in zip(rests, expected, strict=True):
        assert least <= rest <= least * (1 + JITTER)
    assert len({rest / least for rest, least in zip(rests, expected, strict=True)}) > 1
    assert upstream.probe_limits == {DEADLINE}
    assert bench.told == [DOWN, UP]


def test_silence_from_before_the_closing_is_no_news() -> None:
    """A question that was put while it was dead says nothing about it now."""
    bench = Bench(FakeProbed("cpo"))

    async def scene() -> None:
        bench.fall_silent()
        asked_at = asyncio.get_running_loop().time()
        await asyncio.sleep(10)
        bench.breaker.silent(WHY, asked_at)
        assert bench.breaker.trouble is None
        bench.fall_silent()
        assert bench.breaker.trouble is not None

    run(bench, scene)

    assert bench.told == [DOWN, UP, DOWN]


@pytest.mark.parametrize("answers_between", [False, True])
def test_probes_that_are_heard_prove_less_than_answers(
    *, answers_between: bool
) -> None:
    """Who lets probes through and no questions is asked ever more rarely."""
    bench = Bench(FakeProbed("cpo"))
    rests: list[float] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(8):
            silent_at = loop.time()
            bench.fall_silent()
            rests.append(await bench.pass_probe() - silent_at)
            if answers_between:
                bench.breaker.heard()

    run(bench, scene)

    least = [1] * 8 if answers_between else [1, 2, 4, 8, 16, 32, 60, 60]
    for rest, expected in zip(rests, least, strict=True):
        assert expected <= rest <= expected * (1 + JITTER)


def test_a_probe_that_breaks_is_not_heard(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in there is told with its traceback, and probing goes on."""
    bench = Bench(FakeProbed("cpo"))
    bench.upstream.problem = ZeroDivisionError("a bug")

    async def scene() -> None:
        bench.fall_silent()
        await asyncio.sleep(4.5)
        assert len(bench.upstream.probed_at) == 2
        bench.upstream.problem = None
        await bench.pass_probe()

    run(bench, scene)

    assert bench.told == [DOWN, UP]
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


@pytest.mark.parametrize("after_s", [0.5, 2.5], ids=["resting", "probing"])
def test_it_ends_when_it_is_cancelled(after_s: float) -> None:
    """Nothing goes on and nothing is told when the station stops."""
    bench = Bench(FakeProbed("cpo", speaks_from_s=60))

    async def main() -> None:
        async with running(bench.breaker.run()):
            bench.fall_silent()
            await asyncio.sleep(after_s)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(100)

    run_virtual(main())

    assert bench.told == [DOWN]
    assert len(bench.upstream.probed_at) == (after_s > 1.25)
