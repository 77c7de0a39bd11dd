"""Following a Modbus EVSE controller: readings become events, energy is guarded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import ChargerState, ChargerUp, Vehicle
from drivers.chargers.changes import changes
from drivers.chargers.limits import lowest
from drivers.chargers.modbus_controller import UnconfirmedError
from drivers.errors import DriverError, TransientDeviceError, UnsupportedDeviceError
from drivers.loop_clock import now_s

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from drivers.chargers.base import ChargerEvent
    from drivers.chargers.modbus_config import ModbusConfig
    from drivers.chargers.modbus_controller import Controller, Reading

_LOGGER = logging.getLogger(__name__)

RAISED_BY_A: Final = 0.5  # Less above the limit is rounding


class Follower:
    """The charger behind one line; see ModbusCharger for what it promises.

    `vehicle` was last seen, which counts while the state does not tell.
    """

    def __init__(
        self, controller: Controller, config: ModbusConfig, vehicle: Vehicle
    ) -> None:
        self._controller = controller
        self._config = config
        self._turn = asyncio.Lock()
        self._woken = asyncio.Event()
        self._told = ChargerState(vehicle, enabled=False, wh=None, fault=None)
        self._news: deque[ChargerEvent] = deque()
        self._unknown: str | None = None
        #: What the station wants; the amps that were asked for with it.
        self._wants_energy = False
        self._amps: int | None = None
        self._heard_at = 0.0
        #: Whether the controller has answered.
        self.is_found = False

    @property
    def vehicle(self) -> Vehicle:
        """What was last seen at the socket."""
        return self._told.vehicle

    # ---- commands -------------------------------------------------------------------

    async def enable(self, limit_amps: int | None) -> None:
        """Let energy flow."""
        self._check_found()
        async with self._turn:
            self._amps = lowest(limit_amps, self._config.limit_amps)
            try:
                await self._controller.switch_on(self._amps)
            except BaseException:
                # What has been written of it, the next look switches off.
                self._wants_energy = False
                raise
            self._wants_energy = True
        self._woken.set()

    async def disable(self) -> None:
        """Stop energy."""
        self._wants_energy = False
        self._check_found()
        async with self._turn:
            # A command that had the turn until now may have meant the opposite.
            self._wants_energy = False
            await self._controller.switch_off()
        self._woken.set()

    def _check_found(self) -> None:
        if not self.is_found:
            raise TransientDeviceError("the controller has not answered yet")

    # ---- events ---------------------------------------------------------------------

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes.

        Raises when the controller is lost, or does not obey any more.
        """
        async with self._turn:
            state = await self._find()
        yield ChargerUp(state)
        while True:
            await self._rest()
            try:
                async with self._turn:
                    await self._look()
            except (UnsupportedDeviceError, UnconfirmedError):
                raise
            except DriverError:
                # Not at once: one answer that is missing is daily life. After that it
                # may do what it likes: energy goes off first when it is found again.
                if now_s() - self._heard_at > self._config.comm_timeout.total_seconds():
                    raise
            while self._news:
                yield self._news.popleft()

    async def _find(self) -> ChargerState:
        """Bring the controller to rest, and say how things stand."""
        self._wants_energy = False
        await self._controller.switch_off()
        await self._controller.find_unit()
        self._unknown = None
        reading = await self._controller.read()
        if not reading.is_known:
            reading = await self._controller.read()
        self._heard_at, self.is_found = now_s(), True
        self._told = ChargerState(
            vehicle=reading.vehicle or _at_rest(self._told.vehicle),
            enabled=reading.enabled,
            wh=None,
            fault=reading.fault,
        )
        return self._told

    async def _rest(self) -> None:
        """Return when it is time to look, or when something was commanded."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._config.poll_every.total_seconds()):
                await self._woken.wait()
        self._woken.clear()

    async def _look(self) -> None:
        """Read everything; put right what is not as it should be."""
        reading = await self._controller.read()
        self._heard_at = now_s()
        if not self._is_doubtful(reading):
            self._tell(reading)
        # Whatever the state is, what flows is told by other registers as well.
        flows = reading.enabled or reading.vehicle is Vehicle.CHARGING
        if flows and not self._wants_energy:
            _LOGGER.warning(
                "%s: energy was on without a session; switching it off",
                self._config.name,
            )
            await self._controller.switch_off()
        elif self._wants_energy and not reading.enabled:
            # Found anew, it is told again what it should do, and not ever faster.
            raise UnconfirmedError("the controller has switched energy off by itself")
        elif self._amps is not None and self._offers_too_much(reading):
            _LOGGER.warning(
                "%s: the controller has raised its current by itself",
                self._config.name,
            )
            await self._controller.limit(self._amps)

    def _offers_too_much(self, reading: Reading) -> bool:
        return (
            self._wants_energy
            and self._amps is not None
            and reading.amps is not None
            and reading.amps > self._amps + RAISED_BY_A
        )

    def _is_doubtful(self, reading: Reading) -> bool:
        """Tell whether a state that there is not was read, and not the time before."""
        if reading.is_known:
            self._unknown = None
            return False
        if self._unknown is not None:
            return False
        _LOGGER.warning("%s tells %s", self._config.name, reading.fault)
        self._unknown = reading.fault
        return True

    def _tell(self, reading: Reading) -> None:
        before = self._told
        self._told = ChargerState(
            # In a fault the state may not tell; then it is what it was, at rest.
            vehicle=reading.vehicle or _at_rest(before.vehicle),
            enabled=reading.enabled,
            wh=None,
            fault=reading.fault,
        )
        self._news.extend(changes(before, self._told))


def _at_rest(vehicle: Vehicle) -> Vehicle:
    return Vehicle.CONNECTED if vehicle is Vehicle.CHARGING else vehicle
