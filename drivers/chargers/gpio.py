"""A charger made of GPIO lines: a relay, and what tells of vehicle, fault and energy.

docs/charger-gpio.md says how to wire it.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

from drivers.chargers.base import Charger, ChargerUp
from drivers.chargers.gpio_config import GpioChargerConfig
from drivers.chargers.gpio_register import PulseRegister
from drivers.chargers.gpio_socket import Socket
from drivers.errors import DeviceGoneError
from drivers.gpio import check_lines, check_release, open_lines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.chargers.base import ChargerEvent
    from drivers.findings import Finding
    from drivers.gpio import OpenLines

__all__ = ["GpioCharger", "GpioChargerConfig"]


class GpioCharger(Charger):
    """One socket behind a relay.

    The relay is off from the moment its line is taken, when events() is closed, and at
    once on a fault or when the vehicle leaves, whatever the station says of it later.
    The limit of enable() is not obeyed: a relay knows no amps. What the register has
    told once it never takes back, unless its disk fails.
    """

    Config = GpioChargerConfig

    def __init__(
        self, config: GpioChargerConfig, *, take_lines: OpenLines = open_lines
    ) -> None:
        self._config = config
        self._take_lines = take_lines
        self._register = None
        if (meter := config.meter) is not None:
            self._register = PulseRegister(meter.register, meter.pulses_per_kwh)
        self._socket: Socket | None = None

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes, Meter before each change."""
        config = self._config
        with closing(self._take_lines(config.chip, config.lines())) as lines:
            if self._register is not None:
                await asyncio.to_thread(self._register.load)
            self._socket = socket = Socket(lines, config, self._register)
            try:
                yield ChargerUp(socket.state)
                while True:
                    for event in await socket.next():
                        yield event
            finally:
                self._socket = None
                await socket.leave()

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow; a fault, or no vehicle, is a TransientDeviceError."""
        del limit_amps
        self._found().enable()

    async def disable(self) -> int | None:
        """Stop energy and read the register."""
        return await self._found().disable()

    def check(self) -> Iterable[Finding]:
        """Look for the chip and its lines; nothing is switched."""
        yield from check_lines(self._config.chip, self._config.lines())
        yield from check_release(self._config.chip)

    def _found(self) -> Socket:
        if self._socket is None:
            raise DeviceGoneError(f"the lines of {self._config.chip} are not open")
        return self._socket
