"""What the simulated charger computes: commands, energy, and lines of its log."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Self

import msgspec

from drivers.chargers.base import ChargerState, Meter, Vehicle
from drivers.chargers.changes import changes
from drivers.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.chargers.base import ChargerEvent

_UJ_PER_WH: Final = 3_600_000_000  # Microjoules; 1 Wh is 3600 J
_NUMBER: Final = re.compile(r"[0-9]{1,12}")  # A century of it still fits in 64 bits

_Natural = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of the log: how things stand from `at` on."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    enabled: bool
    vehicle: Vehicle
    wh: _Natural
    fault: str | None
    watts: _Natural


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How things stand with the car and the charger; nothing here knows the time."""

    plugged: bool = False
    watts: int = 0
    enabled: bool = False
    fault: str | None = None
    energy_uj: int = 0

    @classmethod
    def from_line(cls, line: LogLine, now: datetime) -> Self:
        """Go on from a line of the log: the meter has run on since then.

        A clock that went backwards adds nothing.
        """
        setup = cls(
            plugged=line.vehicle is not Vehicle.ABSENT,
            watts=line.watts,
            enabled=line.enabled,
            fault=line.fault,
            # The line leaves out the fraction of a Wh. The register never falls
            # behind what it has shown only if that was the largest possible.
            energy_uj=(line.wh + 1) * _UJ_PER_WH - 1,
        )
        return setup.after((now - line.at).total_seconds())

    def to_line(self, at: datetime) -> LogLine:
        """Build the line that says this."""
        return LogLine(
            at=at.astimezone(UTC),
            enabled=self.enabled,
            vehicle=self.vehicle,
            wh=self.wh,
            fault=self.fault,
            watts=self.watts,
        )

    @property
    def vehicle(self) -> Vehicle:
        """What is at the socket."""
        if not self.plugged:
            return Vehicle.ABSENT
        flows = self.enabled and self.watts > 0 and self.fault is None
        return Vehicle.CHARGING if flows else Vehicle.CONNECTED

    @property
    def wh(self) -> int:
        """What the energy register shows: whole Wh."""
        return self.energy_uj // _UJ_PER_WH

    @property
    def state(self) -> ChargerState:
        """The snapshot in the words of the port."""
        return ChargerState(self.vehicle, self.enabled, self.wh, self.fault)

    def after(self, seconds: float) -> Self:
        """Let time pass: the register counts while energy flows."""
        if self.vehicle is not Vehicle.CHARGING or seconds <= 0:
            return self
        flowed_uj = self.watts * round(seconds * 1_000_000)
        return replace(self, energy_uj=self.energy_uj + flowed_uj)

    def obey(self, command: str) -> Self:
        """Apply one line of the pipe; raise FrameError if it is not a command."""
        match command.split():
            case ["plug"]:
                return replace(self, plugged=True)
            case ["unplug"]:
                return replace(self, plugged=False, watts=0)
            case ["draw", watts] if _NUMBER.fullmatch(watts):
                return replace(self, watts=int(watts))
            case ["fault", *name] if name:
                return replace(self, fault=" ".join(name))
            case ["clear"]:
                return replace(self, fault=None)
            case ["meter", wh] if _NUMBER.fullmatch(wh):
                return replace(self, energy_uj=int(wh) * _UJ_PER_WH)
        raise FrameError(
            "expected plug, unplug, draw WATTS, fault NAME, clear or meter WH"
        )

    def changes(self, before: Setup) -> Iterator[ChargerEvent]:
        """Yield what to tell about the way from `before`: Meter, then the change."""
        if self.state != before.state:
            yield Meter(self.wh)
            yield from changes(replace(before.state, wh=self.wh), self.state)
