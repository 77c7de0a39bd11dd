"""Looks and lights on one line, in any order and at any speed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.indicators.base import Signal
from drivers.readers.base import CardArrived
from tests.drivers.indicators.module_bench import ALL, Bench, Make
from tests.drivers.readers.modules import flipped, mute, truncated
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from tests.drivers.readers.modules import Fault

# One that begins like an answer to a light, one that is an answer of the SL032.
CARDS = [
    bytes.fromhex(number)
    for number in (
        "00000000",
        "04A1B2C3D4E5F6",
        "BD034000FE1122",
        "D50F00FF00FF0000FF01",
    )
]

LAST = bytes.fromhex("0400FF04030207")


def twice(answer: bytes) -> bytes:
    """Say it two times."""
    return answer * 2


#: What is done next, and how long after the last.
steps = st.lists(
    st.tuples(st.sampled_from([*Signal, *CARDS, b""]), st.floats(0, 1.2)), max_size=12
)
faults = st.lists(st.sampled_from([bytes, mute, flipped, truncated, twice]), max_size=8)
#: Up to what a look may take, and up to what is too late for a light.
looks_take = st.lists(st.floats(0, 0.3), max_size=8)
lights_take = st.lists(st.floats(0, 0.9), max_size=8)


@pytest.mark.parametrize("make", ALL, ids=repr)
@settings(max_examples=40, deadline=None)
@given(
    steps=steps,
    faults=faults,
    looks_take=looks_take,
    lights_take=lights_take,
    split=st.booleans(),
)
def test_no_answer_is_taken_for_another(
    make: Make,
    steps: list[tuple[Signal | bytes, float]],
    faults: list[Fault],
    looks_take: list[float],
    lights_take: list[float],
    *,
    split: bool,
) -> None:
    """No card is read but those that lay there, and all is well when all is quiet.

    Lights answer late, twice, wrongly or not at all; looks only take their time.
    """

    async def main() -> None:
        bench = Bench(make)
        line, device = bench.line, bench.device
        line.split = split
        spoiling, lights = iter(faults), chain(lights_take, repeat(0.0))
        looks = chain(looks_take, repeat(0.0))

        def spoil(answer: bytes) -> bytes:
            return next(spoiling, bytes)(answer)

        device.spoilt[make.command] = spoil
        line.delay = lambda asked: next(
            lights if asked.startswith(make.command) else looks
        )
        laid = set()
        async with bench.open():
            for step, pause_s in steps:
                if isinstance(step, Signal):
                    with suppress(DriverError):
                        await bench.indicator.show(step)
                else:
                    device.card = step
                    laid.add(step)
                await asyncio.sleep(pause_s)
            device.card = LAST
            await asyncio.sleep(5)
            seen = [one for one in bench.events if isinstance(one, CardArrived)]
            assert {one.uid for one in seen} <= laid | {LAST}
            assert seen[-1].uid == LAST
            assert bench.failure is None
            # What has failed is tried again after a minute at most.
            line.delay = lambda _: 0.0
            device.spoilt.clear()
            await asyncio.sleep(61)
            await bench.indicator.show(Signal.ERROR)
            await asyncio.sleep(1)
            assert bench.on() == {"red"}
        assert bench.on() == set()

    run_virtual(main())
