"""A meter beside a charger, as a process of their own opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.drivers.openers import follow, make
from drivers.chargers.metered import MeteredCharger
from drivers.chargers.modbus import ModbusCharger
from drivers.meters.modbus import ModbusMeter

if TYPE_CHECKING:
    from benchmarks.drivers.openers import Tell


async def metered(
    tell: Tell, *, charger: dict[str, Any], meter: dict[str, Any]
) -> None:
    """Run both of them behind Modbus."""
    both = MeteredCharger(make(ModbusCharger, charger), make(ModbusMeter, meter))
    await follow(both.events(), tell)
