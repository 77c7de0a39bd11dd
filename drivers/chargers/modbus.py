"""EVSE controllers behind Modbus registers: SimpleEVSE, EVSE-WB, and one's own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import Charger
from drivers.chargers.modbus_config import ModbusConfig
from drivers.chargers.modbus_controller import Controller
from drivers.chargers.modbus_follower import Follower
from drivers.errors import DeviceGoneError, DriverError
from drivers.modbus.library import check_library
from drivers.modbus.line import LINES
from drivers.serial_check import check_serial_port

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.chargers.base import ChargerEvent
    from drivers.findings import Finding
    from drivers.modbus.line import LineOffice

__all__ = ["ModbusCharger", "ModbusConfig"]

_LOGGER = logging.getLogger(__name__)

LEAVE_S: Final = 1.0  # What may be spent on energy off when nobody listens any more


class ModbusCharger(Charger):
    """One EVSE controller.

    Energy is off before ChargerUp, each time: at the start, and when the controller
    was lost for longer than `comm_timeout`; and when events() is closed. Energy that
    flows without enable() is switched off at the next look. A controller that was
    switched off by somebody else is told as a new ChargerUp. The driver has no meter.
    """

    Config = ModbusConfig

    def __init__(self, config: ModbusConfig, *, lines: LineOffice = LINES) -> None:
        self._config = config
        self._lines = lines
        self._follower: Follower | None = None

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes."""
        line = self._lines.take(self._config)
        try:
            follower = Follower(Controller(line, self._config), self._config)
            self._follower = follower
            try:
                async with aclosing(follower.events()) as events:
                    async for event in events:
                        yield event
            finally:
                self._follower = None
                await _leave(follower)
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
        yield check_library()
        if path := self._config.endpoint.path:
            yield check_serial_port(path)

    def _found(self) -> Follower:
        if self._follower is None:
            raise DeviceGoneError(f"{self._config.port} is not open")
        return self._follower


async def _leave(follower: Follower) -> None:
    """Leave energy off, in a moment or not at all."""
    if not follower.is_reachable:
        return
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await follower.disable()
                return
        _LOGGER.warning("energy could not be switched off in time when leaving")
    except DriverError as err:
        _LOGGER.warning("energy could not be switched off when leaving: %s", err)
