"""Carrying out what the station decided: chargers and indicators, each in order."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from agent.backoff import Backoff
from agent.charger_calls import confirmed, end, leave_off
from agent.domain.messages import (
    ChargerCleared,
    ChargerFaulted,
    ChargerFound,
    ChargerLost,
    DisableEnergy,
    DisableFailed,
    EnableEnergy,
    EnableFailed,
    EnergyDisabled,
    EnergyEnabled,
    Input,
    MeterRead,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.supervisor import REOPEN, supervise
from drivers.chargers import base as charger_events
from drivers.chargers.base import MeterDown, MeterUp, Vehicle
from drivers.errors import DriverError, UnsupportedDeviceError
from drivers.indicators.base import Signal as DriverSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.domain.outcomes import Signal
    from agent.health import Health
    from drivers.chargers.base import Charger, ChargerEvent
    from drivers.indicators.base import Indicator

_LOGGER = logging.getLogger(__name__)

INDICATOR_CLOSES_WITHIN = timedelta(seconds=1)
# A signal may stay for hours, and what failed to show it may work again in a second.
SHOW_AGAIN = Backoff(first=timedelta(seconds=1), cap=timedelta(seconds=30))
CHARGER_TIMEOUT = timedelta(seconds=5)  # For a charger to confirm enable or disable
LAST_TRY = timedelta(seconds=2)  # To find a charger again that may be left switched on


class ChargerPort:
    """One EVSE's charger: its events become inputs, commands are done one by one."""

    def __init__(
        self,
        evse_uid: str,
        charger: Charger,
        post: Callable[[Input], None],
        health: Health,
    ) -> None:
        self._evse_uid = evse_uid
        self._charger = charger
        self._post = post
        self._health = health
        self._part = f"charger {evse_uid}"
        self._meter = f"meter {evse_uid}"
        self._commands: asyncio.Queue[EnableEnergy | DisableEnergy] = asyncio.Queue()
        self._reopen = asyncio.Event()
        self._failed_commands = 0
        self._is_open = self._may_be_on = False
        #: Set once the charger has said what state it is in.
        self.found = asyncio.Event()

    def command(self, effect: EnableEnergy | DisableEnergy) -> None:
        """Have the charger told; the answer comes back as an input."""
        self._commands.put_nowait(effect)

    async def run(self) -> None:
        """Listen and command until cancelled; energy is off then, if that can be."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._obey())
        finally:
            # One that was open has been switched off by its driver.
            is_doubtful = self._may_be_on and not self._is_open
            if is_doubtful and not await leave_off(self._charger, LAST_TRY):
                _LOGGER.warning("%s: nobody knows whether energy is off", self._part)

    async def settle(self) -> None:
        """Wait until every command handed in so far is done."""
        await self._commands.join()

    async def _listen(self) -> None:
        """Follow the driver; after a command that failed, open it anew.

        Then it says what state the charger is really in, and the station tells the
        charger again whatever that state should be.
        """
        while True:
            listening = asyncio.create_task(
                supervise(
                    self._part, self._charger.events, self._on_event, self._on_end
                )
            )
            try:
                await self._reopen.wait()
            finally:
                await end(listening)
            self._reopen.clear()
            await asyncio.sleep(REOPEN.delay_s(self._failed_commands))

    async def _obey(self) -> None:
        while True:
            effect = await self._commands.get()
            match effect:
                case EnableEnergy():
                    answer = await self._enable(effect.session_id)
                case DisableEnergy():
                    answer = await self._disable(effect.session_id)
                case _:
                    assert_never(effect)
            self._post(answer)
            self._commands.task_done()

    async def _enable(self, session_id: str) -> Input:
        self._may_be_on = True
        try:
            await confirmed(self._charger.enable(), CHARGER_TIMEOUT)
        except Exception as err:  # noqa: BLE001 - see _explain
            return EnableFailed(self._evse_uid, session_id, self._explain(err))
        self._failed_commands = 0
        return EnergyEnabled(self._evse_uid, session_id)

    async def _disable(self, session_id: str | None) -> Input:
        try:
            register_wh = await confirmed(self._charger.disable(), CHARGER_TIMEOUT)
        except Exception as err:  # noqa: BLE001 - see _explain
            reason = self._explain(err)
            self._health.bad(self._part, f"cannot be switched off: {reason}")
            self._failed_commands += 1
            self._is_open = False
            self._reopen.set()
            return DisableFailed(self._evse_uid, session_id, reason)
        self._failed_commands = 0
        self._may_be_on = False
        return EnergyDisabled(self._evse_uid, session_id, register_wh)

    def _explain(self, err: Exception) -> str:
        """Put a driver's failure into words; an unforeseen one goes to the log whole.

        Whatever a driver raises, the other EVSEs are not to suffer for it.
        """
        if isinstance(err, TimeoutError):
            return "no confirmation in time"
        if not isinstance(err, DriverError):
            _LOGGER.error("%s: the driver failed", self._part, exc_info=err)
        return str(err) or type(err).__name__

    def _on_end(self, reason: str) -> None:
        self._is_open = False
        self._on_down(reason)

    def _on_down(self, reason: str) -> None:
        self._health.bad(self._part, reason)
        self._post(ChargerLost(self._evse_uid))

    def _on_event(self, event: ChargerEvent) -> None:
        match event:
            case charger_events.ChargerUp(state):
                self._is_open = True
                self._may_be_on = self._may_be_on or state.enabled
                self._note_fault(state.fault)
                self._post(_found(self._evse_uid, state))
                self.found.set()
            case charger_events.ChargerDown(reason):
                self._on_down(reason)
            case charger_events.Connected():
                self._post(VehicleConnected(self._evse_uid))
            case charger_events.Charging():
                self._post(VehicleConnected(self._evse_uid, drawing=True))
            case charger_events.Disconnected():
                self._post(VehicleDisconnected(self._evse_uid))
            case charger_events.Fault(name):
                self._note_fault(name)
                self._post(ChargerFaulted(self._evse_uid, name))
            case charger_events.FaultCleared():
                self._note_fault(None)
                self._post(ChargerCleared(self._evse_uid))
            case charger_events.Meter(wh):
                self._post(MeterRead(self._evse_uid, wh))
            case MeterUp() | MeterDown():
                self._note_meter(event)
            case _:
                assert_never(event)

    def _note_meter(self, event: MeterUp | MeterDown) -> None:
        if isinstance(event, MeterDown):
            self._health.bad(self._meter, f"gives no reading: {event.reason}")
        else:
            self._health.good(self._meter)

    def _note_fault(self, name: str | None) -> None:
        if name is None:
            self._health.good(self._part)
        else:
            self._health.bad(self._part, f"fault {name}")


def _found(evse_uid: str, state: charger_events.ChargerState) -> ChargerFound:
    return ChargerFound(
        evse_uid=evse_uid,
        connected=state.vehicle is not Vehicle.ABSENT,
        enabled=state.enabled,
        wh=state.wh,
        fault=state.fault,
        drawing=state.vehicle is Vehicle.CHARGING,
    )


class IndicatorPort:
    """One reader's indicator; it may be slow or broken and nothing else notices.

    What cannot be shown, or no longer, is shown again soon, until the next signal.
    """

    def __init__(self, reader: str, indicator: Indicator, health: Health) -> None:
        self._indicator = indicator
        self._health = health
        self._part = f"indicator {reader}"
        self._signals: asyncio.Queue[Signal] = asyncio.Queue(maxsize=8)

    def show(self, signal: Signal) -> None:
        """Have a signal shown; when the indicator lags, the oldest is dropped."""
        if self._signals.full():
            self._signals.get_nowait()
        self._signals.put_nowait(signal)

    async def run(self) -> None:
        """Show signals until cancelled."""
        try:
            await self._show_signals()
        finally:
            # Nobody is shown that a station that has ended would be ready.
            with suppress(Exception):
                async with asyncio.timeout(INDICATOR_CLOSES_WITHIN.total_seconds()):
                    await self._indicator.close()

    async def _show_signals(self) -> None:
        """Show each signal until the next; at least once, however soon that comes."""
        signal = await self._signals.get()
        while True:
            tried = asyncio.Event()
            showing = asyncio.create_task(self._keep_showing(signal, tried))
            try:
                await tried.wait()
                signal = await self._signals.get()
            finally:
                showing.cancel()
                await asyncio.wait({showing})

    async def _keep_showing(self, signal: Signal, tried: asyncio.Event) -> None:
        """Show it until that is all that can be done."""
        attempt = 0
        while True:
            try:
                async with aclosing(
                    self._indicator.show(DriverSignal(signal.value))
                ) as showing:
                    async for _ in showing:
                        self._health.good(self._part)
                        tried.set()
                        attempt = 0
            except DriverError as err:
                self._health.bad(self._part, str(err))
                if isinstance(err, UnsupportedDeviceError):
                    return
            except Exception:
                _LOGGER.exception("%s: the driver failed", self._part)
                self._health.bad(self._part, "the driver failed")
                return
            else:
                return
            finally:
                tried.set()
            attempt += 1
            await asyncio.sleep(SHOW_AGAIN.delay_s(attempt))
