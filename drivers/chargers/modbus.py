"""EVSE controllers behind Modbus registers: SimpleEVSE, EVSE-WB, and one's own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import Charger, Vehicle
from drivers.chargers.modbus_config import ModbusConfig
from drivers.chargers.modbus_controller import Controller
from drivers.chargers.modbus_follower import Follower
from drivers.errors import DeviceGoneError, DriverError
from drivers.modbus.check import check_address
from drivers.modbus.line import LINES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.chargers.base import ChargerEvent
    from drivers.findings import Finding
    from drivers.modbus.line import LineOffice

__all__ = ["ModbusCharger", "ModbusConfig"]

_LOGGER = logging.getLogger(__name__)

# What may be spent on energy off when nobody listens any more, besides two answers that
# may have to be waited for: the line rests, or somebody else on it is asked.
LEAVE_S: Final = 2.0


class ModbusCharger(Charger):
    """One EVSE controller.

    Energy is off before ChargerUp, each time, and when events() is closed. The events
    end when the controller was silent for longer than `comm_timeout`, does not obey,
    or has switched off by itself. Energy that flows without enable() is switched off
    at the next look. The driver has no meter.
    """

    Config = ModbusConfig

    def __init__(self, config: ModbusConfig, *, lines: LineOffice = LINES) -> None:
        self._config = config
        self._lines = lines
        self._follower: Follower | None = None
        self._vehicle = Vehicle.ABSENT

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes."""
        line = self._lines.take(self._config)
        try:
            controller = Controller(line, self._config)
            follower = Follower(controller, self._config, self._vehicle)
            self._follower = follower
            try:
                async with aclosing(follower.events()) as events:
                    async for event in events:
                        yield event
            finally:
                self._follower, self._vehicle = None, follower.vehicle
                await self._leave(follower)
        finally:
            await self._lines.give_back(self._config)

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow; a fault is a TransientDeviceError."""
        await self._found().enable(limit_amps)

    async def disable(self) -> None:
        """Stop energy; return when the controller says so."""
        await self._found().disable()

    def check(self) -> Iterable[Finding]:
        """Look for the library, and for the serial port if there is one."""
        yield from check_address(self._config)

    def _found(self) -> Follower:
        if self._follower is None:
            raise DeviceGoneError(f"{self._config.port} is not open")
        return self._follower

    async def _leave(self, follower: Follower) -> None:
        """Leave energy off, in a moment or not at all."""
        if not follower.is_found:
            return
        within_s = LEAVE_S + 2 * self._config.answer_timeout.total_seconds()
        why = f"no confirmation within {within_s:g} s"
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await follower.disable()
                    return
        except DriverError as err:
            why = str(err)
        _LOGGER.warning(
            "%s: nobody knows whether energy is off: %s", self._config.name, why
        )
