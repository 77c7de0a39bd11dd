"""Switching an OpenEVSE: commands until its state says that it has happened."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import Vehicle
from drivers.chargers.rapi_gate import (
    AuthLockGate,
    Control,
    DisableGate,
    Gate,
    SleepGate,
)
from drivers.errors import DriverError, TransientDeviceError, UnsupportedDeviceError
from drivers.loop_clock import now_s

if TYPE_CHECKING:
    from drivers.chargers.openevse_controller import Controller
    from drivers.chargers.rapi_status import Status

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds; all of a disable() fits into the 5 s that a charger is given."""

    answer_s: float = 1.0
    check_every_s: float = 0.1
    #: A state that was commanded shows itself.
    confirm_s: float = 3.0
    #: After FS the relay is open after 3 s, whatever the vehicle does.
    relay_s: float = 3.3
    #: From there on, until FD must have opened it.
    emergency_s: float = 1.0
    #: What may be spent on energy off when nobody listens any more: two answers.
    leave_s: float = 2.5


DEFAULT_TIMINGS: Final = Timings()


@dataclass(slots=True)
class Memory:
    """What outlives a line.

    `wants_energy` is what the station commanded last, None before that and while the
    gate is on its way to open. `vehicle` is what was last seen.
    """

    wants_energy: bool | None = None
    vehicle: Vehicle = Vehicle.ABSENT


async def choose_gate(controller: Controller, control: Control) -> Gate:
    """Take the configured control mode; G4 tells whether there is a lock."""
    if control is Control.SLEEP:
        return SleepGate()
    if control is Control.DISABLE:
        return DisableGate()
    if (await controller.client.ask("G4")).ok:
        return AuthLockGate()
    if control is Control.AUTH_LOCK:
        raise UnsupportedDeviceError(
            "the controller's firmware was built without AUTH_LOCK; "
            'use control = "sleep"'
        )
    _LOGGER.info(
        "%s: the controller has no authorization lock; using sleep", controller.name
    )
    return SleepGate()


async def find_switch(
    controller: Controller, control: Control, timings: Timings
) -> Switch:
    """Ask how energy is held back here."""
    await controller.read_status()
    return Switch(controller, await choose_gate(controller, control), timings)


class Switch:
    """Opens and closes one controller's gate, one change at a time."""

    def __init__(self, controller: Controller, gate: Gate, timings: Timings) -> None:
        self.gate = gate
        self._controller = controller
        self._timings = timings
        self._turn = asyncio.Lock()
        # From the first command to open on: the latest status may be from before it.
        self._may_be_open = False

    async def open(self) -> None:
        """Let energy flow; return when the controller says that it may."""
        async with self._turn:
            await self._open()

    async def close(self) -> None:
        """Hold energy back; return when the controller says that the relay is open."""
        async with self._turn:
            await self._close()

    async def keep_closed(self, status: Status) -> None:
        """Hold energy back again, if that is not what it does in this state."""
        if self.gate.step_close(status) is None:
            return
        if self.gate.is_open(status):
            _LOGGER.warning(
                "%s: switching off: there is no session", self._controller.name
            )
        await self.close()

    async def begin(self, *, is_off: bool) -> None:
        """Hold energy back if it is to be off, and let the controller go to work.

        With a boot lock it sees no vehicle: there would never be a session.
        """
        async with self._turn:
            if is_off:
                # Before all else: after a boot some would charge by themselves.
                await self._close()
            status = await self._controller.read_status()
            if status.waits_for_clearance:
                await self._close()
                await self._clear_boot_lock()

    async def leave(self) -> None:
        """Tell it to hold energy back, in a moment or not at all."""
        status = None if self._may_be_open else self._controller.status
        why = f"no answer within {self._timings.leave_s:g} s"
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timings.leave_s):
                    for words in self.gate.leave(status):
                        await self._controller.command(*words)
                    return
        except DriverError as err:
            why = str(err)
        _LOGGER.warning(
            "%s: nobody knows whether energy is off: %s", self._controller.name, why
        )

    async def _open(self) -> None:
        status = _healthy(await self._controller.read_status())
        if status.waits_for_clearance:
            await self._clear_boot_lock()
        deadline = now_s() + self._timings.confirm_s
        before = None
        self._may_be_open = True
        while (step := self.gate.step_open(status)) is not None:
            if now_s() > deadline:
                raise TransientDeviceError(
                    f"the controller was told to charge and stays in state "
                    f"{status.state:02X}"
                )
            before = await self._do(step, before)
            status = _healthy(await self._controller.read_status())

    async def _close(self) -> None:
        status = await self._controller.read_status()
        patience = now_s() + self._timings.relay_s
        deadline = patience + self._timings.emergency_s
        before = None
        while (step := self.gate.step_close(status)) is not None:
            if now_s() > deadline:
                raise TransientDeviceError(
                    f"the controller was told to stop and stays in state "
                    f"{status.state:02X}, relay "
                    + ("closed" if status.is_relay_closed else "open")
                )
            if status.is_relay_closed and now_s() > patience:
                _LOGGER.warning(
                    "%s: the relay did not open; opening it under load",
                    self._controller.name,
                )
                step, patience = self.gate.EMERGENCY, deadline
            before = await self._do(step, before)
            status = await self._controller.read_status()
        self._may_be_open = False

    async def _do(
        self, step: tuple[str, ...], before: tuple[str, ...] | None
    ) -> tuple[str, ...]:
        """Take the step; wait a little if it is none, or the same again."""
        if not step or step == before:
            await asyncio.sleep(self._timings.check_every_s)
        if step:
            await self._controller.command(*step)
        return step

    async def _clear_boot_lock(self) -> None:
        reply = await self._controller.client.ask("SB")
        if not reply.ok or reply.words != ("0",):
            raise TransientDeviceError("the controller keeps its boot lock")


def _healthy(status: Status) -> Status:
    if status.fault is not None:
        raise TransientDeviceError(f"cannot enable, the controller says {status.fault}")
    return status
