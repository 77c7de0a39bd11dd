"""A relay, what is plugged in behind it, and a meter: a charger made of lines."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import ChargerState, Vehicle
from drivers.chargers.changes import changes
from drivers.chargers.gpio_draw import Draw
from drivers.errors import DriverError, TransientDeviceError

if TYPE_CHECKING:
    from drivers.chargers.base import ChargerEvent
    from drivers.chargers.gpio_config import GpioChargerConfig
    from drivers.chargers.gpio_register import PulseRegister
    from drivers.gpio import Edge, Lines

_LOGGER = logging.getLogger(__name__)

_REMEMBERED: Final = 64  # Far more states than come between two looks at them
#: How often the chip is asked whether it is still there. Kernels before 6.6 wake nobody
#: when a chip is unplugged.
LOOK_EVERY_S: Final = 5.0
#: An SD card may hang for longer; what is told and commanded does not wait for that.
SAVE_S: Final = 2.0
#: What faults are called; a line has no name for its own.
FAULT: Final = "fault input"
WELDED: Final = "energy though the relay is off, its contact may be welded"
#: A pulse may be under way when the relay opens; more are energy that should not be.
_STRAY_PULSES: Final = 2


class Socket:
    """The charger behind open lines; see GpioCharger for what it promises."""

    def __init__(
        self, lines: Lines, config: GpioChargerConfig, register: PulseRegister | None
    ) -> None:
        self._lines = lines
        self._register = register
        self._save_every_s = (
            config.meter.save_every.total_seconds() if config.meter else 0.0
        )
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._levels: dict[str, bool] = {
            name: lines.is_active(name)
            for name in ("vehicle", "fault")
            if name in config.lines()
        }
        self._enabled = False
        self._pulse_number = 0
        self._draw = Draw()
        self._saved_at = self._loop.time()
        self._cannot_save = False
        self._saving: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._told = self.state = self._look()
        self._seen: deque[ChargerState] = deque(maxlen=_REMEMBERED)
        self._loop.add_reader(lines.fileno(), self._on_readable)
        self._looking_again = self._plan_look()

    # ---- commands -------------------------------------------------------------------

    def enable(self) -> None:
        """Let energy flow."""
        if self._failure is not None:
            raise self._failure
        self._take_edges()
        self._see()
        if self.state.fault is not None:
            raise TransientDeviceError(f"cannot enable: {self.state.fault}")
        if self.state.vehicle is Vehicle.ABSENT:
            raise TransientDeviceError("cannot enable, no vehicle is plugged in")
        self._switch(enabled=True)

    async def disable(self) -> int | None:
        """Stop energy and read the register."""
        try:
            with suppress(DriverError):  # What is wrong shows when it is switched off.
                # The pulses up to now are this vehicle's.
                self._take_edges()
        finally:
            self._switch(enabled=False)
        await self._save()
        self._see()
        return self.state.wh

    async def leave(self) -> None:
        """Leave energy off, and the register on the disk."""
        self._stop_looking()
        try:
            with suppress(DriverError):
                self._read_edges()
        finally:
            with suppress(DriverError):
                self._switch(enabled=False)
        await self._save()

    def _switch(self, *, enabled: bool) -> None:
        self._lines.set("relay", active=enabled)
        if enabled is not self._enabled:
            self._enabled = enabled
            self._draw = Draw()
        self._see()

    # ---- events ---------------------------------------------------------------------

    async def next(self) -> list[ChargerEvent]:
        """Wait for news; raise when the lines are gone."""
        while True:
            if self._failure is not None:
                raise self._failure
            if self._is_save_due():
                await self._save()
            self._see()
            if self._seen:
                return self._news()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._due_at()):
                    await self._woken.wait()
            self._woken.clear()

    def _news(self) -> list[ChargerEvent]:
        news: list[ChargerEvent] = []
        while self._seen:
            # With what has been saved since, so that the reading comes before it.
            after = replace(self._seen.popleft(), wh=self._register_wh())
            before, self._told = self._told, after
            news += changes(before, self._told)
        return news

    def _due_at(self) -> float | None:
        """When there is something to do without an edge."""
        due = []
        if self._register is not None and not self._register.is_saved:
            due.append(self._saved_at + self._save_every_s)
        if self._draw.pulses(self._loop.time()):
            due.append(self._draw.ends_at)
        return min(due, default=None)

    # ---- what the lines say ---------------------------------------------------------

    def _on_readable(self) -> None:
        """Take edges as they come: a fault does not wait for anybody."""
        try:
            self._take_edges()
        except Exception as err:  # noqa: BLE001 - else the loop would call for ever
            self._fail(err)
        self._woken.set()

    def _look_again(self) -> None:
        """Find out what no edge tells: what has settled, and that the chip is gone."""
        try:
            self._lines.is_active("relay")
        except DriverError as err:
            self._fail(err)
        else:
            self._on_readable()

    def _take_edges(self) -> None:
        self._read_edges()
        self._looking_again.cancel()
        self._looking_again = self._plan_look()

    def _plan_look(self) -> asyncio.TimerHandle:
        settles_in_s = self._lines.settles_in_s()
        wait_s = LOOK_EVERY_S if settles_in_s is None else settles_in_s
        return self._loop.call_later(wait_s, self._look_again)

    def _fail(self, err: Exception) -> None:
        self._failure = err
        # The loop would call again and again.
        self._stop_looking()
        self._woken.set()

    def _stop_looking(self) -> None:
        # A closed descriptor's number is soon another file's.
        self._loop.remove_reader(self._lines.fileno())
        self._looking_again.cancel()

    def _read_edges(self) -> None:
        for edge in self._lines.read_edges():
            if edge.name == "meter":
                self._count(edge)
            else:
                self._levels[edge.name] = edge.active
            self._guard()
            self._see()
        # Edges that were lost leave their level behind.
        for name in self._levels:
            self._levels[name] = self._lines.is_active(name)
        self._guard()
        self._see()

    def _guard(self) -> None:
        """Open the relay when there is a fault, or nobody to charge."""
        if self._enabled and not self._may_flow():
            self._switch(enabled=False)

    def _may_flow(self) -> bool:
        return self._levels.get("vehicle", True) and not self._levels.get("fault")

    def _count(self, edge: Edge) -> None:
        if self._register is None:
            return
        pulses = edge.number - self._pulse_number
        self._pulse_number = edge.number
        self._register.count(pulses)
        self._draw.add(pulses, self._loop.time())

    def _see(self) -> None:
        if (state := self._look()) != self.state:
            self.state = state
            self._seen.append(state)
            self._woken.set()

    def _look(self) -> ChargerState:
        return ChargerState(
            vehicle=self._look_at_vehicle(),
            enabled=self._enabled,
            wh=self._register_wh(),
            fault=self._look_for_fault(),
        )

    def _look_at_vehicle(self) -> Vehicle:
        if not self._levels.get("vehicle", True):
            return Vehicle.ABSENT
        if not self._enabled:
            return Vehicle.CONNECTED
        if self._register is None:
            return Vehicle.CHARGING
        draws = self._draw.pulses(self._loop.time())
        return Vehicle.CHARGING if draws else Vehicle.CONNECTED

    def _look_for_fault(self) -> str | None:
        if self._levels.get("fault"):
            return FAULT
        strays = 0 if self._enabled else self._draw.pulses(self._loop.time())
        return WELDED if strays > _STRAY_PULSES else None

    # ---- the register ---------------------------------------------------------------

    def _register_wh(self) -> int | None:
        """What is told was saved before, so that no restart makes the register fall."""
        if self._register is None:
            return None
        return self._register.wh if self._cannot_save else self._register.saved_wh

    def _is_save_due(self) -> bool:
        if self._register is None or self._register.is_saved:
            return False
        is_change = any(
            (one.vehicle, one.enabled, one.fault)
            != (self._told.vehicle, self._told.enabled, self._told.fault)
            for one in self._seen
        )
        return is_change or self._loop.time() >= self._saved_at + self._save_every_s

    async def _save(self) -> None:
        """Write the register in a thread: an SD card may take its time."""
        if self._register is None:
            return
        self._saved_at = self._loop.time()
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(asyncio.to_thread(self._register.save))
        await asyncio.wait({self._saving}, timeout=SAVE_S)
        problem = _problem_of(self._saving)
        if problem and not self._cannot_save:
            _LOGGER.warning("%s; what is counted is lost at a restart", problem)
        self._cannot_save = bool(problem)


def _problem_of(saving: asyncio.Task[None]) -> str:
    """Say what keeps the register from being saved, nothing if it is."""
    if not saving.done():
        return f"the register was not written within {SAVE_S:g} s"
    try:
        saving.result()
    except DriverError as err:
        return str(err)
    return ""
