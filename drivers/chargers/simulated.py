"""A charger without hardware: driven by a named pipe, remembered in a log file.

Lines for the pipe:

    plug            a car is plugged in; it draws nothing until told to
    draw 7400       the car wants this many watts; 0 is a pause
    unplug          the car leaves, and its wish with it
    fault NAME      the charger cannot charge, and NAME says why
    clear           the fault is gone
    meter 123456    the energy register reads this many Wh

A `draw` while nothing is plugged in is the wish of the next car.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - the configuration reads this annotation
from typing import TYPE_CHECKING, Final

import msgspec

from drivers.chargers.base import Charger, ChargerUp, Vehicle
from drivers.chargers.simulated_setup import LogLine, Setup
from drivers.errors import FrameError, TransientDeviceError
from drivers.fifo import LineFifo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from drivers.chargers.base import ChargerEvent

_LOGGER = logging.getLogger(__name__)

_TAIL_BYTES: Final = 65_536  # Far more than one line of the log


@dataclass(frozen=True, slots=True)
class SimulatedChargerConfig:
    """`control`: the named pipe; `log`: the file; both are made when missing."""

    control: Path
    log: Path


class SimulatedCharger(Charger):
    """A socket with a meter and a car, as the module's docstring describes them.

    Every change but the passing of energy is one line of the log, written before
    it takes effect: a log that cannot be written is a TransientDeviceError, and
    nothing has changed. The last whole line is where the next start goes on.
    While energy flows, the register is looked at every `interval_s`, and told when
    it has moved. One consumer of events() at a time. The limit of enable() is not
    simulated.
    """

    Config = SimulatedChargerConfig

    def __init__(
        self,
        config: SimulatedChargerConfig,
        *,
        interval_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._wall = wall
        self._setup: Setup | None = None
        self._setup_at = 0.0
        self._told = Setup()
        self._changed = asyncio.Event()

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes."""
        # A new one each time, because an Event belongs to the loop it was waited on.
        self._changed = asyncio.Event()
        with LineFifo(self._config.control, self._changed) as control:
            self._told = self._catch_up()
            yield ChargerUp(self._told.state)
            while True:
                # One at a time, so that a car that comes and goes is seen.
                for line in control.read():
                    self._obey(line)
                    for event in self._news():
                        yield event
                for event in self._news():
                    yield event
                await self._wait()

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow; a fault is a TransientDeviceError."""
        del limit_amps
        setup = self._catch_up()
        if setup.fault is not None:
            raise TransientDeviceError(
                f"cannot enable, the charger says {setup.fault!r}"
            )
        self._become(replace(setup, enabled=True))

    async def disable(self) -> int:
        """Stop energy and read the register."""
        setup = replace(self._catch_up(), enabled=False)
        self._become(setup)
        return setup.wh

    def _obey(self, line: str) -> None:
        try:
            self._become(self._catch_up().obey(line))
        except FrameError as err:
            _LOGGER.warning("%s: ignored a line: %s", self._config.control, err)

    def _news(self) -> Iterator[ChargerEvent]:
        before, self._told = self._told, self._catch_up()
        return self._told.changes(before)

    async def _wait(self) -> None:
        """Return at the next line or switch, or when the register is due."""
        flows = self._told.vehicle is Vehicle.CHARGING
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval_s if flows else None):
                await self._changed.wait()

    def _catch_up(self) -> Setup:
        """Let time pass until now; the first call takes the setup from the log."""
        at = self._monotonic()
        if self._setup is None:
            self._setup = self._load()
        else:
            self._setup = self._setup.after(at - self._setup_at)
        self._setup_at = at
        return self._setup

    def _load(self) -> Setup:
        line = _read_last_line(self._config.log)
        if line is None:
            return Setup()
        setup = Setup.from_line(line, now := self._wall())
        if setup.vehicle is Vehicle.CHARGING:
            # From here on the energy is counted anew, whatever clock `line.at` was
            # read from.
            _append_line(self._config.log, setup.to_line(now))
        return setup

    def _become(self, setup: Setup) -> None:
        """Make a change of what `_catch_up()` said, once it is written."""
        if setup != self._setup:
            _append_line(self._config.log, setup.to_line(self._wall()))
            self._setup = setup
            self._changed.set()


def _read_last_line(path: Path) -> LogLine | None:
    """Return the last whole line that says how things stand; make the file."""
    try:
        with path.open("a+b") as file:
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            # What follows the last newline was torn by a crash.
            *lines, _ = file.read().split(b"\n")
    except OSError as err:
        raise TransientDeviceError(f"cannot open the log {path}: {err}") from err
    for line in reversed(lines):
        try:
            return msgspec.json.decode(line, type=LogLine)
        except ValueError:
            _LOGGER.warning("%s: skipped a line that is not whole", path)
    return None


def _append_line(path: Path, line: LogLine) -> None:
    """Append a line; a few bytes, so the loop is not kept waiting."""
    data = msgspec.json.encode(line) + b"\n"
    try:
        with path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":  # A torn line must not spoil this one.
                    data = b"\n" + data
            file.write(data)
    except OSError as err:
        raise TransientDeviceError(f"cannot write the log {path}: {err}") from err
