"""The modbus driver's table of the configuration: which registers say and do what."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from drivers.chargers.limits import Amps  # noqa: TC001 - the configuration reads it
from drivers.modbus.address import DeviceAddress
from drivers.modbus.values import Register, Scale

if TYPE_CHECKING:
    from collections.abc import Iterable

States = Annotated[
    tuple[int, ...], Meta(description="a list of whole numbers, such as [1, 2]")
]
Faults = Annotated[
    dict[str, str], Meta(description='a table such as { 5 = "failure" }')
]

ROUNDING: Final = 1e-6  # 0.3 / 0.1 is less than 3


class ProfileName(StrEnum):
    """Registers that are known, or that the configuration tells."""

    SIMPLEEVSE = "simpleevse"
    OWN = "own"


class Ampere(StrEnum):
    """What one unit of the current register is, before `scale`."""

    AMPS = "A"
    MILLIAMPS = "mA"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRegister(Register):
    """What is at the socket; `faults` gives names to values.

    A value that stands nowhere is a fault, too, once it was read twice.
    """

    absent: States
    connected: States
    charging: States
    faults: Faults = field(default_factory=dict)

    def __post_init__(self) -> None:
        Register.__post_init__(self)
        try:
            faults = tuple(int(text, 0) for text in self.faults)
        except ValueError as err:
            raise ValueError("faults: expected numbers for keys") from err
        values = [*self.absent, *self.connected, *self.charging, *faults]
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise ValueError(f"{min(twice)} stands for two states")

    def fault_name(self, value: float) -> str:
        """Give a value its name, or its number."""
        names = {int(text, 0): name for text, name in self.faults.items()}
        return names.get(int(value), f"state {value:.15g}, in none of the lists")

    def is_fault(self, value: float) -> bool:
        """Tell whether this value is a fault by name."""
        return any(int(text, 0) == value for text in self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRegister(Register):
    """What tells whether energy is offered, by the values in `on`.

    For controllers whose state is what the vehicle asks for: one that asks, and is
    offered nothing, is connected.
    """

    on: States

    def __post_init__(self) -> None:
        Register.__post_init__(self)
        if not self.on:
            raise ValueError("on: expected at least one value")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRegister(Register):
    """A register or coil that lets energy flow, by `on`, or holds it back, by `off`."""

    on: int = 1
    off: int = 0

    def __post_init__(self) -> None:
        Register.__post_init__(self)
        if not self.table.is_writable:
            raise ValueError(
                f"table: {self.table.value} cannot be written; it takes holding or coil"
            )
        if self.on == self.off:
            raise ValueError(f"off: {self.off} is on already")
        for key, value in (("on", self.on), ("off", self.off)):
            if self.table.is_of_bits and value not in (0, 1):
                raise ValueError(f"{key}: a {self.table.value} is 0 or 1")
            if not self.can_hold(value):
                raise ValueError(f"{key}: {value} does not fit into {self.type.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRegister(Register):
    """The current that the vehicle is offered: a value times `scale` is `unit`.

    Without a switch register, 0 holds energy back.
    """

    scale: Scale = 1.0
    unit: Ampere = Ampere.AMPS

    def __post_init__(self) -> None:
        Register.__post_init__(self)
        if not self.table.is_writable or self.table.is_of_bits:
            raise ValueError("table: a current can only be written to a holding")

    def amps(self, value: float) -> float:
        """Turn a register's value into amps."""
        amps = value * self.scale
        return amps / 1000 if self.unit is Ampere.MILLIAMPS else amps

    def check(self, amps: int) -> None:
        """Raise ValueError if such a limit cannot be written, or would be none."""
        value = self.value(amps)
        if not self.can_hold(value):
            raise ValueError(f"limit_amps: {amps} A does not fit into {self}")
        if not value:
            raise ValueError(f"limit_amps: {amps} A is 0 in {self}, which is off")

    def value(self, amps: float) -> float:
        """Turn amps into a register's value, rounded down."""
        if self.unit is Ampere.MILLIAMPS:
            amps *= 1000
        value = amps / self.scale
        return math.floor(value + ROUNDING) if self.is_whole else value


@dataclass(frozen=True, slots=True)
class Profile:
    """The registers of one controller; at least one of `enable` and `current`.

    `resolution` has a bit, PRECISE, that says that `current` counts hundredths.
    """

    state: StateRegister
    enable: SwitchRegister | None
    current: CurrentRegister | None
    output: OutputRegister | None = None
    resolution: Register | None = None


PRECISE: Final = 0x0080

# 4 is IEC 61851's state D. 1002 is the vehicle's side of the pilot signal, and stays 3
# when a vehicle goes on asking; 2 in 1006 says that the controller generates its own.
SIMPLEEVSE: Final = Profile(
    state=StateRegister(
        address=1002,
        absent=(1,),
        connected=(2,),
        charging=(3, 4),
        faults={"5": "failure"},
    ),
    enable=None,
    current=CurrentRegister(address=1000),
    output=OutputRegister(address=1006, on=(2,)),
    resolution=Register(address=2005),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusConfig(DeviceAddress):
    """`profile`: known registers; the tables below replace single ones.

    `limit_amps`: offered to the vehicle; needed where a current of 0 is off.
    `comm_timeout`: silent for longer, the charger is lost, and energy is off when it
    comes back.
    """

    profile: ProfileName = ProfileName.SIMPLEEVSE
    state: StateRegister | None = None
    enable: SwitchRegister | None = None
    current: CurrentRegister | None = None
    output: OutputRegister | None = None
    limit_amps: Amps | None = None
    poll_every: timedelta = timedelta(seconds=1)
    comm_timeout: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        DeviceAddress.__post_init__(self)
        registers = self.registers
        if registers.enable is None and self.limit_amps is None:
            raise ValueError(
                "limit_amps: missing; energy is let flow by a current, so say which"
            )
        if registers.current is None and self.limit_amps is not None:
            raise ValueError("limit_amps: there is no current register to set it by")
        if registers.current is not None and self.limit_amps is not None:
            registers.current.check(self.limit_amps)

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody; the charger's own meter shares it."""
        return [self.name]

    @property
    def registers(self) -> Profile:
        """The registers to use; ValueError says which is missing."""
        known = SIMPLEEVSE if self.profile is ProfileName.SIMPLEEVSE else None
        state = self.state or (known.state if known else None)
        enable = self.enable or (known.enable if known else None)
        current = self.current or (known.current if known else None)
        output = self.output or (known.output if known else None)
        # Who names the register says its scale, too.
        resolution = known.resolution if known and not self.current else None
        if state is None:
            raise ValueError('state: missing; expected a table, or another "profile"')
        if enable is None and current is None:
            raise ValueError("enable: missing; expected this table or current")
        return Profile(state, enable, current, output, resolution)
