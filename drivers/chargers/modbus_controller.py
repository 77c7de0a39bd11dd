"""One EVSE controller behind registers: read, switched, and read back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import Vehicle
from drivers.chargers.modbus_config import PRECISE
from drivers.errors import FrameError, TransientDeviceError
from drivers.loop_clock import now_s
from drivers.modbus.line import NoAnswerError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.chargers.modbus_config import ModbusConfig
    from drivers.modbus.line import Line
    from drivers.modbus.values import Register

# With a reading of a meter after it this fits into the 5 s that a charger is given.
CONFIRM_S: Final = 3.0
CHECK_EVERY_S: Final = 0.1
ROUNDING_A: Final = 0.01
HUNDREDTH_A: Final = 0.01  # Unit of the current register of a precise controller


class UnconfirmedError(TransientDeviceError):
    """The controller answers, and does not do what it was told."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the registers say; `vehicle` is None where the state does not tell."""

    vehicle: Vehicle | None
    fault: str | None
    enabled: bool
    amps: float | None
    is_known: bool = True


class Controller:
    """Speaks to one device in the words of its profile; does nothing by itself."""

    def __init__(self, line: Line, config: ModbusConfig) -> None:
        self._line = line
        self._config = config
        self._profile = config.registers
        self._current = self._profile.current

    async def find_unit(self) -> None:
        """Read what one unit of the current is, where the controller tells that."""
        profile = self._profile
        if profile.resolution is None or profile.current is None:
            return
        try:
            is_precise = int(await self._read(profile.resolution)) & PRECISE
        except RefusedError:
            is_precise = 0  # Too old to have the choice
        self._current = (
            replace(profile.current, scale=HUNDREDTH_A)
            if is_precise
            else profile.current
        )

    async def read(self) -> Reading:
        """Read all registers of the profile."""
        profile = self._profile
        current = self._current
        amps = None if current is None else current.amps(await self._read(current))
        if profile.enable is None:
            enabled = bool(amps)
        else:
            # Whatever is not `off` may let energy flow.
            enabled = await self._read(profile.enable) != profile.enable.off
        # Last, so that what happens at the socket is told with its own answer: on RTU
        # another question would be a pause and an answer away.
        vehicle, fault, is_known = self._see(await self._read(profile.state))
        vehicle = await self._check_output(vehicle)
        return Reading(vehicle, fault, enabled, amps, is_known)

    async def switch_on(self, amps: int | None) -> None:
        """Let energy flow, of at most so many amps; return when that was read back."""
        deadline = now_s() + CONFIRM_S
        state = await self._read(self._profile.state)
        _, fault, _ = self._see(state)
        if fault is not None:
            raise TransientDeviceError(f"cannot enable, the charger says {fault}")
        if amps is not None:
            await self._offer(amps, deadline)
        switch = self._profile.enable
        if switch is not None:
            await self._make(
                switch, switch.on, lambda value: value == switch.on, deadline
            )

    async def limit(self, amps: int) -> None:
        """Lower what is offered; return when that was read back."""
        await self._offer(amps, now_s() + CONFIRM_S)

    async def switch_off(self) -> None:
        """Hold energy back; return when that was read back and nothing is drawn."""
        deadline = now_s() + CONFIRM_S
        switch, current = self._profile.enable, self._current
        if switch is not None:
            await self._make(
                switch, switch.off, lambda value: value == switch.off, deadline
            )
        elif current is not None:
            await self._make(current, 0, lambda value: value == 0, deadline)
        while (vehicle := await self._vehicle()) is Vehicle.CHARGING:
            if now_s() >= deadline:
                raise UnconfirmedError(
                    f"energy was switched off, and the charger stays {vehicle.value}"
                )
            await asyncio.sleep(CHECK_EVERY_S)

    async def _vehicle(self) -> Vehicle | None:
        vehicle, _, _ = self._see(await self._read(self._profile.state))
        return await self._check_output(vehicle)

    async def _check_output(self, vehicle: Vehicle | None) -> Vehicle | None:
        """Tell a vehicle that only asks for energy from one that gets it."""
        output = self._profile.output
        if vehicle is not Vehicle.CHARGING or output is None:
            return vehicle
        return vehicle if await self._read(output) in output.on else Vehicle.CONNECTED

    async def _offer(self, amps: int, deadline: float) -> None:
        register = self._current
        if register is not None:
            # It may offer less than that: a thin cable, a lower limit of its own.
            await self._make(
                register,
                register.value(amps),
                lambda value: 0 < register.amps(value) <= amps + ROUNDING_A,
                deadline,
            )

    async def _make(
        self,
        register: Register,
        value: float,
        is_done: Callable[[float], bool],
        deadline: float,
    ) -> None:
        """Write until the register reads as it should.

        A write without an answer may have been obeyed, so it is read back as well.
        """
        words = register.encode(value)
        while True:
            with suppress(NoAnswerError):
                await self._line.write(
                    self._config, register.table, register.address, words
                )
            problem: TransientDeviceError
            try:
                found = await self._read(register)
            except NoAnswerError as err:
                problem = err
            else:
                if is_done(found):
                    return
                problem = UnconfirmedError(
                    f"wrote {value:g} to {register}, and it reads {found:g}"
                )
            if now_s() >= deadline:
                raise problem
            await asyncio.sleep(CHECK_EVERY_S)

    async def _read(self, register: Register) -> float:
        words = await self._line.read(
            self._config, register.table, register.address, register.count
        )
        try:
            return register.decode(words)
        except FrameError as err:
            raise TransientDeviceError(str(err)) from err

    def _see(self, value: float) -> tuple[Vehicle | None, str | None, bool]:
        """Tell vehicle and fault, and whether the profile knows this value."""
        state = self._profile.state
        for vehicle, values in (
            (Vehicle.ABSENT, state.absent),
            (Vehicle.CONNECTED, state.connected),
            (Vehicle.CHARGING, state.charging),
        ):
            if value in values:
                return vehicle, None, True
        return None, state.fault_name(value), state.is_fault(value)
