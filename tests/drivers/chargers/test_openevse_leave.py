"""What an OpenEVSE is left like when nobody listens any more."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest

from drivers.chargers.rapi_gate import Control
from drivers.errors import DriverError
from tests.drivers.chargers.openevse_bench import WATTS, Bench
from tests.drivers.chargers.rapi_emulator import Build
from tests.fakes.virtual_loop import run_virtual

MODES = pytest.mark.parametrize(
    ("build", "control"),
    [
        (Build(auth_lock=True), Control.AUTO),
        (Build(auth_lock=False), Control.SLEEP),
        (Build(auth_lock=False), Control.DISABLE),
    ],
)
DELAY_S = 0.01  # Of the line, one way


async def enable(bench: Bench) -> None:
    """Enable as the agent does, which may be stopped in the middle of it."""
    with suppress(DriverError):
        await bench.charger.enable()


@MODES
def test_an_end_in_the_middle_of_an_enable(build: Build, control: Control) -> None:
    """What was sent of it last, and not answered yet, is taken back."""

    async def main(after_s: float) -> bool:
        bench = Bench(build, control=control)
        bench.line._delay_s = DELAY_S
        async with bench.listening():
            await bench.charger.disable()
            bench.evse.plug(WATTS)
            await bench.later()
            enabling = asyncio.create_task(enable(bench))
            await asyncio.sleep(after_s)
            enabling.cancel()
        await asyncio.sleep(60)
        return bench.evse.delivers()

    moments = [step * DELAY_S / 2 for step in range(20)]
    assert [at for at in moments if run_virtual(main(at))] == []


@MODES
def test_an_end_on_a_bad_line(build: Build, control: Control) -> None:
    """One lost line is no reason to leave energy on."""

    async def main() -> None:
        bench = Bench(build, control=control)
        async with bench.listening():
            bench.evse.plug(WATTS)
            await bench.charger.enable()
            await bench.later()
            assert bench.evse.delivers()
            bench.evse.deaf = 1
        await asyncio.sleep(60)
        assert not bench.evse.delivers()

    run_virtual(main())


def test_an_end_that_nobody_heard_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The log says that energy may still be on, and for how long that was tried."""

    async def main() -> float:
        bench = Bench()
        async with bench.listening():
            bench.evse.plug(WATTS)
            await bench.charger.enable()
            await bench.later()
            bench.evse.deaf = 10**9
            ended_at = asyncio.get_running_loop().time()
        return asyncio.get_running_loop().time() - ended_at

    with caplog.at_level(logging.WARNING):
        took_s = run_virtual(main())
    assert "nobody knows whether energy is off" in caplog.text
    assert took_s <= 3
