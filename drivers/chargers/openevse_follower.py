"""Following an OpenEVSE controller: its state becomes events, its gate is guarded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import ChargerDown, ChargerUp, Vehicle
from drivers.chargers.changes import changes
from drivers.chargers.limits import lowest
from drivers.chargers.openevse_settings import Settings
from drivers.chargers.openevse_switch import find_switch
from drivers.chargers.openevse_view import see_vehicle, view
from drivers.chargers.rapi_client import NoAnswerError
from drivers.errors import TransientDeviceError
from drivers.loop_clock import now_s

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from drivers.chargers.base import ChargerEvent, ChargerState
    from drivers.chargers.openevse_config import OpenEvseConfig
    from drivers.chargers.openevse_controller import Controller
    from drivers.chargers.openevse_switch import Memory, Switch, Timings
    from drivers.chargers.rapi_status import Status

_LOGGER = logging.getLogger(__name__)

# A line that is silent for so many times the limit is opened anew: a serial server may
# have forgotten us. Not at once, because opening some lines resets the controller.
_REOPEN_AFTER: Final = 3


class Follower:
    """The charger behind one open line; see OpenEvseCharger for what it promises."""

    def __init__(
        self,
        controller: Controller,
        config: OpenEvseConfig,
        timings: Timings,
        memory: Memory,
    ) -> None:
        self._controller = controller
        self._name = controller.name
        self._config = config
        self._timings = timings
        self._memory = memory
        self._settings = Settings(
            controller,
            limit_amps=config.limit_amps,
            heartbeat_s=config.heartbeat_s,
            heartbeat_amps=config.heartbeat_amps,
        )
        self._switch: Switch | None = None
        self._told: ChargerState | None = None
        self._news: deque[ChargerEvent] = deque()
        self._is_down = False
        self._must_synchronise = False
        self._is_known_reset = False  # The controller has booted since it was told
        self._poll_at = 0.0

    # ---- commands -------------------------------------------------------------------

    async def enable(self, limit_amps: int | None) -> None:
        """Let energy flow."""
        limit = lowest(limit_amps, self._config.limit_amps)
        switch = self._found_switch()
        self._memory.wants_energy = None
        try:
            await self._settings.limit(limit)
            await switch.open()
        except BaseException:
            self._memory.wants_energy = False
            raise
        self._memory.wants_energy = True

    async def disable(self) -> int | None:
        """Stop energy and read the register."""
        self._memory.wants_energy = False
        await self._found_switch().close()
        return await self._controller.read_register()

    async def leave(self) -> None:
        """Leave energy off, as far as there is time."""
        if self._switch is not None:
            await self._switch.leave()

    def _found_switch(self) -> Switch:
        if self._switch is None:
            raise TransientDeviceError("the controller has not answered yet")
        return self._switch

    # ---- events ---------------------------------------------------------------------

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes; raise when the line is gone."""
        yield ChargerUp(await self._find())
        while True:
            await self._rest()
            try:
                await self._look()
            except NoAnswerError as err:
                self._on_silence(err)
            while self._news:
                yield self._news.popleft()

    async def _find(self) -> ChargerState:
        """Say how things stand; a controller that boots is given its time."""
        while True:
            try:
                return await self._synchronise()
            except NoAnswerError:
                if (
                    self._controller.client.silent_s
                    > self._config.comm_timeout.total_seconds()
                ):
                    raise
                # One that refuses to read us does so at once.
                await asyncio.sleep(self._timings.answer_s)

    async def _rest(self) -> None:
        """Return when something is due, or has come."""
        controller = self._controller
        due, pulse_at = self._poll_at, self._settings.pulse_at
        if pulse_at is not None and not self._must_synchronise:
            due = min(due, pulse_at)
        if not controller.seen:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await controller.woken.wait()
        controller.woken.clear()

    async def _look(self) -> None:
        """Do what is due, and turn what was seen into news."""
        controller = self._controller
        if controller.client.failure is not None:
            raise controller.client.failure
        is_due = now_s() >= self._poll_at
        if is_due:
            self._plan_poll()
        if controller.has_rebooted or (self._must_synchronise and is_due):
            self._news.append(ChargerUp(await self._synchronise()))
        if self._must_synchronise:
            controller.seen.clear()
            return
        if is_due:
            await self._poll()
        pulse_at = self._settings.pulse_at
        if pulse_at is not None and now_s() >= pulse_at:
            await self._settings.pulse()
        while controller.seen and not self._must_synchronise:
            if controller.has_rebooted:
                return  # What was seen after that is told with everything else.
            await self._tell(controller.seen.popleft())
        await self._guard()

    async def _synchronise(self) -> ChargerState:
        """Bring the controller to where it should be, and say how things stand."""
        controller, memory = self._controller, self._memory
        self._must_synchronise = True
        if controller.has_rebooted:
            _LOGGER.warning(
                "%s: the controller has booted; it is told everything again", self._name
            )
            controller.has_rebooted, self._is_known_reset = False, True
        if self._switch is None:
            self._switch = await find_switch(
                controller, self._config.control, self._timings
            )
        await self._switch.begin(is_off=memory.wants_energy is False)
        await controller.read_settled_status(self._timings.confirm_s)
        await self._settings.apply()
        register_wh = await controller.read_register()
        status = controller.status or await controller.read_status()
        controller.seen.clear()
        state = view(status, self._switch.gate, memory.vehicle, register_wh)
        if self._was_unplugged_unseen(status):
            state = replace(state, vehicle=Vehicle.ABSENT)
            controller.seen.append(status)  # What follows is the next vehicle.
        if not state.enabled:
            memory.wants_energy = False
        self._is_down = self._must_synchronise = self._is_known_reset = False
        self._remember(state)
        self._plan_poll()
        return state

    async def _poll(self) -> None:
        """Ask what may have been lost, and how much has flowed."""
        status = await self._controller.read_status()
        if status.is_relay_closed:
            register_wh = await self._read_register()
            if not self._must_synchronise and self._told is not None:
                self._announce(self._told, replace(self._told, wh=register_wh))

    async def _tell(self, status: Status) -> None:
        """Turn one status into news."""
        switch, told = self._found_switch(), self._told
        if told is None:
            return
        await self._settings.keep_limit(status.amps)
        vehicle, register_wh = see_vehicle(status, told.vehicle), told.wh
        was_unplugged = self._was_unplugged_unseen(status)
        if was_unplugged or (vehicle, status.fault) != (told.vehicle, told.fault):
            # The reading belongs to the change, and must not hold it up.
            with suppress(NoAnswerError):
                register_wh = await self._read_register()
            if self._must_synchronise:
                return
        if was_unplugged:
            _LOGGER.warning(
                "%s: the controller has locked: the vehicle has left", self._name
            )
            self._memory.wants_energy = False
            gone = replace(told, vehicle=Vehicle.ABSENT, wh=register_wh)
            self._announce(told, gone)
            told = gone
        self._announce(told, view(status, switch.gate, told.vehicle, register_wh))

    def _was_unplugged_unseen(self, status: Status) -> bool:
        """Tell whether it locked by itself while a session should run.

        A boot locks it, too, but of that the station hears.
        """
        gate, latest = self._found_switch().gate, self._controller.status
        return (
            self._memory.wants_energy is True
            and self._memory.vehicle is not Vehicle.ABSENT
            and not self._is_known_reset
            # One from before the gate was opened may still stand in the queue.
            and all(gate.shows_unplugged(one) for one in (status, latest or status))
        )

    async def _guard(self) -> None:
        """Close the gate when it has opened by itself, or somebody else opened it."""
        status = self._controller.status
        if status is not None and status.waits_for_clearance:
            self._on_lost_boot()
        elif status is not None and self._memory.wants_energy is False:
            await self._found_switch().keep_closed(status)

    async def _read_register(self) -> int | None:
        """Read the register; one that fell was lost in a boot that nobody noticed."""
        register_wh = await self._controller.read_register()
        told_wh = self._told.wh if self._told is not None else None
        if register_wh is not None and told_wh is not None and register_wh < told_wh:
            self._on_lost_boot()
        return register_wh

    def _on_lost_boot(self) -> None:
        """Tell it everything again: it has booted, and its notice was lost."""
        self._must_synchronise = self._is_known_reset = True
        self._poll_at = now_s()

    def _announce(self, before: ChargerState, state: ChargerState) -> None:
        self._news.extend(changes(before, state))
        self._remember(state)
        if state.vehicle is not before.vehicle:
            self._plan_poll()

    def _remember(self, state: ChargerState) -> None:
        self._told = state
        self._memory.vehicle = state.vehicle

    # ---- silence --------------------------------------------------------------------

    def _on_silence(self, err: NoAnswerError) -> None:
        """Tell that the charger is lost, once; reopen when it stays so."""
        limit_s = self._config.comm_timeout.total_seconds()
        self._poll_at = now_s() + self._config.poll_every.total_seconds()
        silent_s = self._controller.client.silent_s
        if silent_s < limit_s:
            return
        if silent_s > _REOPEN_AFTER * limit_s:
            raise err
        if not self._is_down:
            self._is_down = self._must_synchronise = True
            self._news.append(ChargerDown(str(err)))

    def _plan_poll(self) -> None:
        """Look often while energy flows, seldom while nothing may happen by itself."""
        config, status = self._config, self._controller.status
        is_quiet = (
            self._memory.wants_energy is False
            and not self._is_down
            and status is not None
            and not status.is_relay_closed
            # Out of a fault a controller may come back charging.
            and status.fault is None
        )
        every = config.poll_idle_every if is_quiet else config.poll_every
        self._poll_at = now_s() + every.total_seconds()
