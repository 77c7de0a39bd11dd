"""OpenEVSE controllers over RAPI: a serial line, or a serial server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from drivers.chargers.base import Charger
from drivers.chargers.openevse_config import OpenEvseConfig
from drivers.chargers.openevse_controller import Controller
from drivers.chargers.openevse_follower import Follower
from drivers.chargers.openevse_switch import DEFAULT_TIMINGS, Memory
from drivers.errors import DeviceGoneError
from drivers.serial_check import check_serial_port
from drivers.serial_port import SerialPort

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from drivers.chargers.base import ChargerEvent
    from drivers.chargers.openevse_switch import Timings
    from drivers.chargers.rapi_client import Port
    from drivers.findings import Finding

    OpenPort = Callable[[str, int], AbstractAsyncContextManager[Port]]

__all__ = ["OpenEvseCharger", "OpenEvseConfig"]


class OpenEvseCharger(Charger):
    """One OpenEVSE controller.

    Without a session its gate is closed, by whatever it was opened: it is closed
    before ChargerUp when a disable() came last, after each boot, and when events() is
    closed. Only a port that is gone, or an agent that is killed, leaves it as it is.
    The register is the controller's own meter; a boot in mid-session loses what that
    vehicle has drawn, and the next ChargerUp shows it.
    """

    Config = OpenEvseConfig

    def __init__(
        self,
        config: OpenEvseConfig,
        *,
        open_port: OpenPort = SerialPort,
        timings: Timings = DEFAULT_TIMINGS,
    ) -> None:
        self._config = config
        self._open_port = open_port
        self._timings = timings
        self._memory = Memory()
        self._follower: Follower | None = None

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes, Meter before each change."""
        timings = self._timings
        async with self._open_port(self._config.port, self._config.baudrate) as port:
            controller = Controller(
                port,
                name=self._config.port,
                answer_s=timings.answer_s,
                check_every_s=timings.check_every_s,
            )
            follower = Follower(controller, self._config, timings, self._memory)
            listening = asyncio.create_task(controller.run())
            self._follower = follower
            try:
                async with aclosing(follower.events()) as events:
                    async for event in events:
                        yield event
            finally:
                self._follower = None
                try:
                    await follower.leave()
                finally:
                    listening.cancel()
                    await asyncio.wait({listening})

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow; a fault is a TransientDeviceError."""
        await self._found().enable(limit_amps)

    async def disable(self) -> int | None:
        """Stop energy, wait until the relay is open, and read the register."""
        self._memory.wants_energy = False
        return await self._found().disable()

    def check(self) -> Iterable[Finding]:
        """Look at the port; the controller is not asked."""
        yield check_serial_port(self._config.port)

    def _found(self) -> Follower:
        if self._follower is None:
            raise DeviceGoneError(f"{self._config.port} is not open")
        return self._follower
