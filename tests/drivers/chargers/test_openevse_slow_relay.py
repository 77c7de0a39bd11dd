"""The OpenEVSE driver on firmware 9, which is silent while it opens its relay."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from drivers.chargers.base import Connected
from drivers.chargers.rapi_gate import Control
from tests.drivers.chargers.openevse_bench import WATTS, Bench
from tests.drivers.chargers.rapi_emulator import Build, Emulator
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drivers.chargers.rapi_emulator_supply import Clock

#: It waits for the current to fall for 1 s at most, and 0.3 s for the contact.
OPENS_IN_S: Final = 1.4
#: What the station gives a charger for a command.
PATIENCE_S: Final = 5.0


class SlowEmulator(Emulator):
    """Hears and says nothing from the order to open until the relay is open."""

    def __init__(
        self, clock: Clock, send: Callable[[bytes], object], build: Build
    ) -> None:
        self._is_opening = False
        self._heard: list[bytes] = []
        self._to_say: list[bytes] = []
        self._say = send
        super().__init__(clock, self._send, build)

    def receive(self, data: bytes) -> None:
        """Keep it in the serial port's buffer meanwhile."""
        if self._is_opening:
            self._heard.append(data)
        else:
            super().receive(data)

    def _send(self, line: bytes) -> None:
        if self._is_opening:
            self._to_say.append(line)
        else:
            self._say(line)

    def _say_state(self, *, force: bool = False) -> None:
        if not self._is_opening:
            super()._say_state(force=force)

    def _open_relay(self) -> None:
        if self.relay and not self._is_opening:
            self._is_opening = True
            self.clock.call_later(OPENS_IN_S, self._opened)

    def _opened(self) -> None:
        super()._open_relay()
        self._is_opening = False
        for line in self._to_say:
            self._say(line)
        heard, self._heard, self._to_say = self._heard, [], []
        self._say_state()
        for data in heard:
            self.receive(data)


@pytest.mark.parametrize("reacts_s", [0.01, 2.0, None])
@pytest.mark.parametrize("control", [Control.AUTH_LOCK, Control.SLEEP, Control.DISABLE])
def test_a_relay_that_takes_its_time(control: Control, reacts_s: float | None) -> None:
    """Energy is off within the station's patience, and nothing is taken for lost."""

    async def main() -> None:
        bench = Bench(control=control)
        build, line = Build(auth_lock=control is Control.AUTH_LOCK), bench.line
        bench.evse = line.emulator = SlowEmulator(
            asyncio.get_running_loop(), line.say, build
        )
        line.receive = line.emulator.receive
        async with bench.listening():
            bench.evse.plug(WATTS, reacts_s)
            await bench.later()
            await bench.charger.enable()
            await bench.later(3)
            assert bench.evse.delivers()
            async with asyncio.timeout(PATIENCE_S):
                await bench.charger.disable()
            assert not bench.evse.delivers()
            assert await bench.later(5) == [Connected()]
            assert bench.error is None

    run_virtual(main())
