"""Chargers and indicators: told in order, and never believed without confirmation."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.actuators import CHARGER_TIMEOUT, ChargerPort, IndicatorPort
from agent.domain.messages import (
    ChargerCleared,
    ChargerFaulted,
    ChargerFound,
    ChargerLost,
    DisableEnergy,
    DisableFailed,
    EnableEnergy,
    EnableFailed,
    EnergyDisabled,
    EnergyEnabled,
    Input,
    MeterRead,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.domain.outcomes import Signal
from agent.health import Health
from drivers.chargers import base
from drivers.errors import (
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from tests.fakes.clock import FakeClock
from tests.fakes.hardware import FakeCharger, FakeIndicator
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ENABLE, DISABLE = EnableEnergy("E1", "S1"), DisableEnergy("E1", "S1")
FOUND = ChargerFound(evse_uid="E1", connected=False, enabled=False, wh=1000, fault=None)


class Bench:
    """One EVSE's port and its charger."""

    def __init__(self) -> None:
        self.charger = FakeCharger()
        self.inputs: list[Input] = []
        self.health = Health(FakeClock())
        self.port = ChargerPort("E1", self.charger, self.inputs.append, self.health)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the port, its charger found."""
        async with running(self.port.run()):
            await self.port.found.wait()
            self.inputs.clear()
            yield


def play(bench: Bench, story: Callable[[], Awaitable[Any]]) -> None:
    """Run the port beside a story."""

    async def main() -> None:
        async with bench.running():
            await story()

    run_virtual(main())


@pytest.fixture
def bench() -> Bench:
    """Set up an EVSE."""
    return Bench()


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (
            base.ChargerState(base.Vehicle.ABSENT, enabled=False, wh=1000, fault=None),
            FOUND,
        ),
        (
            base.ChargerState(
                base.Vehicle.CONNECTED, enabled=True, wh=None, fault="GFCI"
            ),
            ChargerFound(
                evse_uid="E1", connected=True, enabled=True, wh=None, fault="GFCI"
            ),
        ),
        (
            base.ChargerState(base.Vehicle.CHARGING, enabled=True, wh=5, fault=None),
            ChargerFound(
                evse_uid="E1",
                connected=True,
                enabled=True,
                wh=5,
                fault=None,
                drawing=True,
            ),
        ),
    ],
)
def test_the_charger_says_what_state_it_is_in(
    bench: Bench, state: base.ChargerState, found: ChargerFound
) -> None:
    """The first thing the station hears of an EVSE is its real state."""
    bench.charger.state = state

    async def main() -> None:
        async with running(bench.port.run()):
            await bench.port.found.wait()

    run_virtual(main())

    assert bench.inputs == [found]
    assert bench.health.is_good("charger E1") is (state.fault is None)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (base.Connected(), VehicleConnected("E1")),
        (base.Charging(), VehicleConnected("E1", drawing=True)),
        (base.Disconnected(), VehicleDisconnected("E1")),
        (base.Meter(1234), MeterRead("E1", 1234)),
        (base.Fault("GFCI"), ChargerFaulted("E1", "GFCI")),
        (base.FaultCleared(), ChargerCleared("E1")),
        (base.ChargerDown("silent"), ChargerLost("E1")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_events_become_inputs(
    bench: Bench, event: base.ChargerEvent, message: Input
) -> None:
    """Each event of a driver is one message to the station."""

    async def story() -> None:
        bench.charger.tell(event)
        await asyncio.sleep(1)

    play(bench, story)

    assert bench.inputs == [message]


def test_a_meter_has_a_health_of_its_own(bench: Bench) -> None:
    """The charger works without it; what it delivers then is missing in the reports."""

    async def story() -> None:
        bench.charger.tell(base.MeterDown("device 2 does not answer"))
        await asyncio.sleep(1)
        condition = bench.health.conditions()[-1]
        assert (condition.part, condition.ok) == ("meter E1", False)
        assert "no reading: device 2 does not answer" in condition.detail
        assert bench.health.is_good("charger E1")
        bench.charger.tell(base.MeterUp())
        await asyncio.sleep(1)
        assert bench.health.is_good("meter E1")

    play(bench, story)

    assert bench.inputs == []


def test_commands_are_done_one_by_one_in_order(bench: Bench) -> None:
    """The next command goes out after the answer to the one before."""
    bench.charger.takes_s = 2

    async def story() -> None:
        for command in (ENABLE, DISABLE, EnableEnergy("E1", "S2")):
            bench.port.command(command)
        await asyncio.sleep(3)
        assert bench.charger.commands == ["enable", "disable"]
        await bench.port.settle()
        assert asyncio.get_running_loop().time() == 6

    play(bench, story)

    assert bench.inputs == [
        EnergyEnabled("E1", "S1"),
        EnergyDisabled("E1", "S1", 1000),
        EnergyEnabled("E1", "S2"),
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TransientDeviceError("relay stuck"), "relay stuck"),
        (DriverError(), "DriverError"),
        (OSError("a bug"), "a bug"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_charger_that_will_not_start_is_told_with_its_reason(
    bench: Bench, error: Exception, reason: str
) -> None:
    """Whatever the driver raises, the station hears that energy is not flowing."""
    bench.charger.failures["enable"] = [error]

    async def story() -> None:
        bench.port.command(ENABLE)
        bench.port.command(DISABLE)
        await bench.port.settle()

    play(bench, story)

    assert bench.inputs == [
        EnableFailed("E1", "S1", reason),
        EnergyDisabled("E1", "S1", 1000),
    ]


def test_a_charger_that_does_not_confirm_has_failed(bench: Bench) -> None:
    """After five seconds nobody waits any more."""
    bench.charger.takes_s = 3600

    async def story() -> None:
        bench.port.command(ENABLE)
        await bench.port.settle()
        assert asyncio.get_running_loop().time() == CHARGER_TIMEOUT.total_seconds() == 5

    play(bench, story)

    assert bench.inputs == [EnableFailed("E1", "S1", "no confirmation in time")]


@pytest.mark.parametrize(
    "error",
    [TransientDeviceError("no answer"), OSError("a bug")],
    ids=["device", "bug"],
)
def test_a_charger_that_did_not_stop_is_met_again(
    bench: Bench, error: Exception
) -> None:
    """The stream is reopened, so that the station learns what it does and stops it."""
    bench.charger.failures["disable"] = [error] * 3

    async def story() -> None:
        for _ in range(4):
            bench.inputs.clear()
            bench.port.command(DISABLE)
            await asyncio.sleep(60)
            if bench.inputs[0] == EnergyDisabled("E1", "S1", 1000):
                break
            assert bench.inputs == [DisableFailed("E1", "S1", str(error)), FOUND]

    play(bench, story)

    assert bench.inputs == [EnergyDisabled("E1", "S1", 1000)]
    assert bench.charger.commands == ["disable"] * 4
    assert bench.health.is_good("charger E1")


def test_a_charger_that_hangs_is_not_hurried(bench: Bench) -> None:
    """Reopening after failed stops happens later and later."""
    bench.charger.failures["disable"] = [TransientDeviceError("no")] * 10**4

    def stop_again(message: Input) -> None:
        if isinstance(message, ChargerFound):
            bench.port.command(DISABLE)

    bench.port._post = stop_again

    async def main() -> None:
        async with running(bench.port.run()):
            await asyncio.sleep(600)

    run_virtual(main())

    assert 15 < len(bench.charger.opened) < 40


def test_a_lost_charger_is_found_again(bench: Bench) -> None:
    """A driver that fails makes the EVSE unreachable until it is back."""

    async def story() -> None:
        bench.charger.tell(TransientDeviceError("cable out"))
        await asyncio.sleep(0.1)
        assert bench.inputs == [ChargerLost("E1")]
        assert not bench.health.is_good("charger E1")
        await asyncio.sleep(60)

    play(bench, story)

    assert bench.inputs == [ChargerLost("E1"), FOUND]
    assert bench.health.is_good("charger E1")


def test_commands_are_answered_although_the_stream_is_down(bench: Bench) -> None:
    """A stop is tried even with a driver that has given up listening."""

    async def story() -> None:
        bench.charger.tell(UnsupportedDeviceError("gone for good"))
        await asyncio.sleep(1)
        bench.inputs.clear()
        bench.port.command(DISABLE)
        await bench.port.settle()

    play(bench, story)

    assert bench.inputs == [EnergyDisabled("E1", "S1", 1000)]


# ---- indicators ------------------------------------------------------------------


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


@pytest.mark.parametrize("error", [TransientDeviceError("busy"), DeviceGoneError()])
def test_what_could_not_be_shown_is_shown_again(error: DriverError) -> None:
    """A signal may stay for hours: it is seen, and its indicator is well again."""
    indicator = FakeIndicator()
    indicator.failures = [error] * 4

    health = show(indicator, Signal.READY)

    assert indicator.shown == ["ready"]
    assert health.is_good("indicator front")


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
