"""A metered charger whose meter does what nobody expects."""

from __future__ import annotations

import asyncio
import logging

import pytest

from drivers.chargers.base import (
    ChargerState,
    ChargerUp,
    Meter,
    MeterDown,
    MeterUp,
    Vehicle,
)
from tests.drivers.chargers.metered_bench import Bench
from tests.fakes.virtual_loop import run_virtual

UP = ChargerUp(ChargerState(Vehicle.CONNECTED, enabled=False, wh=7, fault=None))
#: What the station gives a charger for a command.
PATIENCE_S = 5.0


def test_a_meter_with_a_bug_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    """Energy is off, so it is said to be; the log has the bug, once."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.hears(UP)
            bench.meter.wh = ValueError("a bug")
            assert await bench.charger.disable() is None
            assert await bench.later(60) == [MeterDown("ValueError: a bug")]
            assert bench.inner.is_closed is False
            bench.meter.wh = 1100
            assert await bench.later(6) == [MeterUp(), Meter(1100)]

    with caplog.at_level(logging.ERROR):
        run_virtual(main())
    assert len(caplog.records) == 1


@pytest.mark.parametrize("takes_s", [0.0, 3.0, 4.3, 4.9])
def test_a_slow_charger_and_a_meter_that_hangs(takes_s: float) -> None:
    """A command that is done is confirmed in time; its reading has what is left."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.hears(UP)
            bench.inner.takes_s = takes_s
            bench.meter.takes_s = 1000
            async with asyncio.timeout(PATIENCE_S):
                assert await bench.charger.disable() is None

    run_virtual(main())
