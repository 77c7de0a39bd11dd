"""Energy meters behind Modbus registers: SDM72, SDM630, and one's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta  # noqa: TC003 - the configuration reads this annotation
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from drivers.errors import FrameError
from drivers.meters.base import POLL_EVERY, Meter
from drivers.modbus.address import DeviceAddress
from drivers.modbus.check import check_address
from drivers.modbus.line import LINES
from drivers.modbus.values import Register, Scale, Table, ValueType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.findings import Finding
    from drivers.modbus.line import Line, LineOffice

# More than any meter of a charger can have counted.
ABSURD_WH: Final = 10**12
# Less than one step of any register: whole numbers and swapped words, read as a float.
TINY_WH: Final = 1e-9


class ProfileName(StrEnum):
    """Meters that are known, or a register that the configuration tells."""

    SDM72 = "sdm72"
    SDM630 = "sdm630"
    OWN = "own"


class EnergyUnit(StrEnum):
    """What one unit of the energy register is, before `scale`."""

    WH = "Wh"
    KWH = "kWh"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyRegister(Register):
    """The register that counts: a value times `scale` is `unit`."""

    scale: Scale = 1.0
    unit: EnergyUnit = EnergyUnit.WH

    def __post_init__(self) -> None:
        Register.__post_init__(self)
        if self.table.is_of_bits:
            raise ValueError("table: energy stands in a holding or input register")

    def read_wh(self, words: list[int]) -> int:
        """Turn what was read into Wh; FrameError if that cannot be."""
        value = self.decode(words) * self.scale
        wh = value * 1000 if self.unit is EnergyUnit.KWH else value
        if not 0 <= wh < ABSURD_WH or 0 < wh < TINY_WH:
            raise FrameError(
                f"expected an energy in {self}, got {wh:g} Wh: check address, table, "
                "type, word_order and scale"
            )
        return round(wh)


# Import and export together, which is what a charger's meter has: import.
EASTRON_TOTAL: Final = EnergyRegister(
    address=0x0156, table=Table.INPUT, type=ValueType.FLOAT32, unit=EnergyUnit.KWH
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusMeterConfig(DeviceAddress):
    """`profile`: a known register; `energy` replaces it. `poll_every`: how often."""

    profile: ProfileName = ProfileName.SDM630
    energy: EnergyRegister | None = None
    poll_every: timedelta = POLL_EVERY

    def __post_init__(self) -> None:
        DeviceAddress.__post_init__(self)
        _ = self.register

    @property
    def register(self) -> EnergyRegister:
        """The register to read; ValueError if none is named."""
        if self.energy is not None:
            return self.energy
        if self.profile is ProfileName.OWN:
            raise ValueError('energy: missing; expected a table, or another "profile"')
        return EASTRON_TOTAL


class ModbusMeter(Meter):
    """One meter, on a line that others may share."""

    Config = ModbusMeterConfig

    def __init__(self, config: ModbusMeterConfig, *, lines: LineOffice = LINES) -> None:
        self._config = config
        self._lines = lines
        self._line: Line | None = None

    @property
    def poll_every(self) -> timedelta:
        """How often to read it while a vehicle is there."""
        return self._config.poll_every

    async def read_wh(self) -> int:
        """Read the register in Wh; asks twice if nothing comes back."""
        if self._line is None:
            self._line = self._lines.take(self._config)
        register = self._config.register
        words = await self._line.read(
            self._config, register.table, register.address, register.count
        )
        return register.read_wh(words)

    async def close(self) -> None:
        """Let go of the line."""
        if self._line is not None:
            self._line = None
            await self._lines.give_back(self._config)

    def check(self) -> Iterable[Finding]:
        """Look for the library, and for the serial port if there is one."""
        yield from check_address(self._config)
