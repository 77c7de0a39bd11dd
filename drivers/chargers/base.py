"""The Charger port: switch energy, and hear from the vehicle and the meter."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from drivers.driver import Driver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Vehicle(StrEnum):
    """What is at the socket (IEC 61851 states A, B, and C or D)."""

    ABSENT = "absent"
    CONNECTED = "connected"
    CHARGING = "charging"


@dataclass(frozen=True, slots=True)
class ChargerState:
    """A snapshot: `wh` is the energy register, None when there is no meter."""

    vehicle: Vehicle
    enabled: bool
    wh: int | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """A vehicle was plugged in, or pauses charging while it stays plugged in."""


@dataclass(frozen=True, slots=True)
class Charging:
    """The vehicle draws energy."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The vehicle was unplugged."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The charger cannot charge; `name` is the charger's own word for it."""

    name: str


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """The fault is gone."""


@dataclass(frozen=True, slots=True)
class Meter:
    """The energy register reads `wh`; it counts up over the life of the meter."""

    wh: int


@dataclass(frozen=True, slots=True)
class MeterUp:
    """The meter beside the charger gives readings."""


@dataclass(frozen=True, slots=True)
class MeterDown:
    """It gives none until the next MeterUp; the charger charges all the same."""

    reason: str


@dataclass(frozen=True, slots=True)
class ChargerUp:
    """Communication works; `state` is what the charger says now."""

    state: ChargerState


@dataclass(frozen=True, slots=True)
class ChargerDown:
    """Communication is lost until the next ChargerUp; the driver keeps trying."""

    reason: str


ChargerEvent = (
    Connected
    | Charging
    | Disconnected
    | Fault
    | FaultCleared
    | Meter
    | MeterUp
    | MeterDown
    | ChargerUp
    | ChargerDown
)


class Charger(Driver):
    """One EVSE's charger; energy off is its resting state."""

    @abstractmethod
    def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield events until closed, ChargerUp first; raise a DriverError to reopen."""

    @abstractmethod
    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow; return when the charger confirmed, else DriverError."""

    @abstractmethod
    async def disable(self) -> int | None:
        """Stop energy; return when the charger confirmed, else DriverError.

        The result is the energy register in Wh, read after energy went off; None
        without a meter.
        """
