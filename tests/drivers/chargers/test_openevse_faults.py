"""The OpenEVSE driver with faults, with people at the button, with bad relays."""

from __future__ import annotations

import asyncio

import pytest

from drivers.chargers.base import (
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
)
from drivers.errors import TransientDeviceError
from tests.drivers.chargers.openevse_bench import WATTS, Bench
from tests.drivers.chargers.rapi_emulator import DISABLED, SLEEP, Build
from tests.fakes.virtual_loop import run_virtual

LOCKING = Build(auth_lock=True)
PLAIN = Build(auth_lock=False)


@pytest.mark.parametrize("build", [LOCKING, PLAIN])
def test_a_fault_in_mid_session(build: Build) -> None:
    """It has the last reading before it; enabling is refused with its name."""

    async def main() -> None:
        bench = Bench(build)
        async with bench.listening():
            evse = bench.evse
            evse.plug(WATTS)
            await bench.later()
            await bench.charger.enable()
            await bench.later(10)
            evse.trip(0x06)
            assert await bench.later() == [Fault("GfciFault"), Connected()]
            assert bench.meter[-1] == evse.register_wh()
            assert await bench.charger.disable() == evse.register_wh()
            with pytest.raises(TransientDeviceError, match="GfciFault"):
                await bench.charger.enable()
            # Its fault stays visible, and when it is gone nothing charges by itself.
            assert await bench.later(60) == []
            evse.mend()
            assert await bench.later(30) == [FaultCleared()]
            assert not evse.delivers()
            await bench.charger.enable()
            assert await bench.later() == [Charging()]

    run_virtual(main())


def test_a_hard_fault_makes_it_forget_that_it_sleeps() -> None:
    """When the vehicle leaves it would charge the next one: it is sent to sleep."""

    async def main() -> None:
        bench = Bench(PLAIN)
        async with bench.listening():
            bench.evse.plug(WATTS)
            await bench.later()
            bench.evse.trip(0x0A, hard=True)
            bench.evse.state = SLEEP
            bench.evse._say_state()
            assert await bench.later() == [Fault("HardFault")]
            bench.evse.unplug()
            assert await bench.later() == [FaultCleared(), Disconnected()]
            assert bench.evse.state == SLEEP
            bench.evse.plug(WATTS)
            await bench.later(10)
            assert bench.evse.energy_ws == 0

    run_virtual(main())


def test_somebody_wakes_it_by_its_button() -> None:
    """Without a session it does not stay awake for long."""

    async def main() -> None:
        bench = Bench(PLAIN)
        async with bench.listening():
            bench.evse.plug(WATTS)
            await bench.later()
            bench.evse.press_button()
            await bench.later(0.5)
            assert bench.evse.state == SLEEP
            assert not bench.evse.delivers()
            assert bench.evse.energy_ws < 0.2 * WATTS

    run_virtual(main())


def test_a_vehicle_that_does_not_stop() -> None:
    """Asleep, the controller opens the relay after 3 s; disable() waits for that."""

    async def main() -> None:
        bench = Bench(PLAIN)
        async with bench.listening():
            bench.evse.plug(WATTS, reacts_s=None)
            await bench.later()
            await bench.charger.enable()
            await bench.later()
            before = len(bench.evse.commands)
            began = asyncio.get_running_loop().time()
            register_wh = await bench.charger.disable()
            took_s = asyncio.get_running_loop().time() - began
            assert 3.0 <= took_s < 3.3
            assert register_wh == bench.evse.register_wh()
            assert "FD" not in bench.evse.commands
            assert len(bench.evse.commands) - before < 50

    run_virtual(main())


@pytest.mark.parametrize("build", [LOCKING, PLAIN])
def test_a_relay_that_does_not_open_is_opened_under_load(build: Build) -> None:
    """FD is the last resort, all within the time a charger is given; then it rests."""

    async def main() -> None:
        bench = Bench(build)
        async with bench.listening():
            bench.evse.stuck = {"FS", "S4"}
            bench.evse.plug(WATTS)
            await bench.later()
            await bench.charger.enable()
            await bench.later()
            async with asyncio.timeout(5):
                await bench.charger.disable()
            assert not bench.evse.delivers()
            assert bench.evse.commands.count("FD") == 1
            assert bench.evse.state != DISABLED
            bench.evse.unplug()
            assert Disconnected() in await bench.later()

    run_virtual(main())


def test_a_relay_that_never_opens_is_no_success() -> None:
    """disable() says so within the time a charger is given."""

    async def main() -> None:
        bench = Bench(PLAIN)
        async with bench.listening():
            bench.evse.stuck = {"FS", "FD"}
            bench.evse.plug(WATTS)
            await bench.later()
            await bench.charger.enable()
            await bench.later()
            async with asyncio.timeout(5):
                with pytest.raises(TransientDeviceError, match="relay closed"):
                    await bench.charger.disable()

    run_virtual(main())
