"""What a simulated charger remembers: the world, with or without a daemon."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from drivers.chargers.base import Vehicle
from drivers.chargers.simulated_setup import LogLine, Setup

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A time in which energy could flow; `off_wh` is None while it still can."""

    on_at: datetime
    on_wh: int
    off_wh: int | None = None


class ChargerLog:
    """One charger's log; only `leave` writes to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[LogLine]:
        """Everything that happened, oldest first."""
        if not self._path.exists():
            return []
        # What follows the last newline is being written, or was torn by a kill.
        *whole, _ = self._path.read_bytes().split(b"\n")
        return [msgspec.json.decode(line, type=LogLine) for line in whole if line]

    def is_on(self) -> bool:
        """Whether the charger lets energy flow."""
        return any(line.enabled for line in self.lines()[-1:])

    @property
    def is_plugged(self) -> bool:
        """Whether a car is plugged in."""
        return any(line.vehicle is not Vehicle.ABSENT for line in self.lines()[-1:])

    @property
    def watts(self) -> int:
        """What the car wants to draw."""
        return sum(line.watts for line in self.lines()[-1:])

    @property
    def register_wh(self) -> int:
        """What the register showed when something last happened."""
        return sum(line.wh for line in self.lines()[-1:])

    def flows(self) -> list[Flow]:
        """Every time in which energy could flow, oldest first."""
        flows: list[Flow] = []
        was_on = False
        for line in self.lines():
            if line.enabled and not was_on:
                flows.append(Flow(on_at=line.at, on_wh=line.wh))
            elif was_on and not line.enabled:
                flows[-1] = replace(flows[-1], off_wh=line.wh)
            was_on = line.enabled
        return flows

    def leave(self) -> None:
        """Let the car leave while no daemon looks; energy flows until then."""
        now = datetime.now(UTC)
        setup = Setup.from_line(self.lines()[-1], now).obey("unplug")
        with self._path.open("ab") as log:
            log.write(msgspec.json.encode(setup.to_line(now)) + b"\n")
