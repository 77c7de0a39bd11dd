"""Indicators: shown in order, again when they fail, and nobody waits for them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from agent.actuators import IndicatorPort
from agent.domain.outcomes import Signal
from agent.health import Health
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from tests.fakes.clock import FakeClock
from tests.fakes.hardware import FakeIndicator
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from drivers.indicators.base import Signal as DriverSignal


def show(indicator: FakeIndicator, *signals: Signal, within_s: float = 60) -> Health:
    """Let an indicator show signals that come all at once."""
    health = Health(FakeClock())

    async def main() -> None:
        port = IndicatorPort("front", indicator, health)
        async with running(port.run()):
            for signal in signals:
                port.show(signal)
            await asyncio.sleep(within_s)

    run_virtual(main())
    return health


def test_signals_are_shown_in_order() -> None:
    """Every signal reaches the driver, the domain's word for the driver's."""
    indicator = FakeIndicator(takes_s=1)

    show(indicator, Signal.READING, Signal.CHECKING, Signal.ACCEPTED)

    assert indicator.shown == ["reading", "checking", "accepted"]
    assert indicator.closed == 1


def test_a_signal_is_over_when_the_next_begins() -> None:
    """Whether it was seen or failed; and at the end, before the indicator is closed."""
    seen: list[list[str]] = []

    class Watched(FakeIndicator):
        async def show(self, signal: DriverSignal) -> AsyncGenerator[None]:
            seen.append(self.showing.copy())
            async with aclosing(super().show(signal)) as showing:
                async for one in showing:
                    yield one

        async def close(self) -> None:
            seen.append(self.showing.copy())

    indicator = Watched()
    indicator.failures = [TransientDeviceError("no lamp")]
    show(indicator, Signal.READING, Signal.CHECKING, Signal.ACCEPTED)

    assert indicator.shown == ["checking", "accepted"]
    assert seen == [[]] * 4


def test_an_indicator_that_cannot_be_closed_holds_nothing_up() -> None:
    """It is given a second, and whatever it raises is its own affair."""

    class Stuck(FakeIndicator):
        async def close(self) -> None:
            await super().close()
            await asyncio.sleep(3600)

    indicator = Stuck()
    show(indicator, Signal.READY)
    assert indicator.closed == 1


def test_every_signal_has_its_word() -> None:
    """The driver's vocabulary is the station's."""
    indicator = FakeIndicator()

    show(indicator, *list(Signal)[:8])

    assert indicator.shown == [signal.value for signal in Signal]


def test_a_slow_indicator_misses_the_oldest() -> None:
    """Nobody waits for lights: of many signals the last ones are shown."""
    indicator = FakeIndicator(takes_s=1)

    show(indicator, *[Signal.READING] * 100, Signal.REFUSED)

    assert len(indicator.shown) <= 9
    assert indicator.shown[-1] == "refused"


@pytest.mark.parametrize("error", [TransientDeviceError("no lamp"), OSError("a bug")])
def test_a_broken_indicator_goes_on_with_the_next_signal(error: Exception) -> None:
    """It is a health problem and nothing more, whatever the driver raises."""
    indicator = FakeIndicator()
    indicator.failures = [error]

    health = show(indicator, Signal.READING, Signal.ACCEPTED)

    assert indicator.shown == ["accepted"]
    assert health.is_good("indicator front")


@pytest.mark.parametrize(
    "error", [TransientDeviceError("busy"), DeviceGoneError(), AccessDeniedError("no")]
)
def test_what_could_not_be_shown_is_shown_again(error: DriverError) -> None:
    """A signal may stay for hours: it is seen, and its indicator is well again."""
    indicator = FakeIndicator()
    indicator.failures = [error] * 4

    health = show(indicator, Signal.READY)

    assert indicator.shown == ["ready"]
    assert health.is_good("indicator front")


def test_what_fails_while_it_is_shown_is_shown_again() -> None:
    """It is a health problem meanwhile; how often it failed before does not count."""
    indicator = FakeIndicator()
    indicator.failures = [TransientDeviceError("no lamp")] * 6
    health = Health(FakeClock())

    async def main() -> None:
        port = IndicatorPort("front", indicator, health)
        async with running(port.run()):
            port.show(Signal.READY)
            await asyncio.sleep(90)
            for _ in range(3):
                assert health.is_good("indicator front")
                indicator.tell(DeviceGoneError("torn off"))
                await asyncio.sleep(0.9)
                (condition,) = health.conditions()
                assert (condition.ok, condition.detail) == (False, "torn off")
                await asyncio.sleep(0.5)

    run_virtual(main())
    assert health.is_good("indicator front")
    assert indicator.shown == ["ready"] * 4


def test_what_is_seen_again_is_well_again() -> None:
    """Seen now and then, a signal is not shown anew."""
    indicator = FakeIndicator()

    async def main() -> None:
        health = Health(FakeClock())
        port = IndicatorPort("front", indicator, health)
        async with running(port.run()):
            port.show(Signal.READY)
            await asyncio.sleep(1)
            health.bad("indicator front", "somebody says so")
            indicator.tell(None)
            await asyncio.sleep(1)
            assert health.is_good("indicator front")

    run_virtual(main())
    assert indicator.shown == ["ready"]


def test_a_bug_in_the_middle_of_a_signal_waits_for_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged whole, once."""
    indicator = FakeIndicator()

    async def main() -> None:
        health = Health(FakeClock())
        port = IndicatorPort("front", indicator, health)
        async with running(port.run()):
            port.show(Signal.READY)
            await asyncio.sleep(1)
            indicator.tell(KeyError("a bug"))
            await asyncio.sleep(3600)
            assert not health.is_good("indicator front")
            assert indicator.shown == ["ready"]
            port.show(Signal.READING)
            await asyncio.sleep(1)
            assert health.is_good("indicator front")

    run_virtual(main())
    assert indicator.shown == ["ready", "reading"]
    assert caplog.text.count("a bug") == 1


def test_what_cannot_be_shown_is_not_tried_all_the_time() -> None:
    """An hour without the device is some hundred tries, not thousands."""
    indicator = FakeIndicator()
    indicator.failures = [TransientDeviceError("no lamp")] * 10_000

    show(indicator, Signal.READY, within_s=3600)

    assert 90 < 10_000 - len(indicator.failures) < 130
    assert indicator.shown == []


def test_a_new_signal_is_tried_again_soon() -> None:
    """However long the one before it has failed."""
    indicator = FakeIndicator()
    indicator.failures = [TransientDeviceError("no lamp")] * 10_000

    async def main() -> None:
        port = IndicatorPort("front", indicator, Health(FakeClock()))
        async with running(port.run()):
            port.show(Signal.READY)
            await asyncio.sleep(600)
            indicator.failures = [TransientDeviceError("no lamp")]
            port.show(Signal.REFUSED)
            await asyncio.sleep(2)
            assert indicator.shown == ["refused"]

    run_virtual(main())


def test_an_old_signal_is_not_shown_again() -> None:
    """The newer one takes its place, whatever became of it."""
    indicator = FakeIndicator(takes_s=0.1)
    indicator.failures = [TransientDeviceError("no lamp")]

    show(indicator, Signal.REFUSED, Signal.READY)

    assert indicator.shown == ["ready"]


def test_a_broken_indicator_is_a_health_problem() -> None:
    """Until a signal is shown again."""
    indicator = FakeIndicator()
    indicator.failures = [UnsupportedDeviceError("no lamp")]

    [condition] = show(indicator, Signal.READING).conditions()

    assert (condition.part, condition.ok, condition.detail) == (
        "indicator front",
        False,
        "no lamp",
    )
