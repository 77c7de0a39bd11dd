"""What the modbus driver asks a controller, and when."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from drivers.chargers.base import Charging, Connected
from drivers.chargers.modbus import ModbusCharger, ModbusConfig
from tests.drivers.chargers.modbus_bench import MemoryLine
from tests.drivers.modbus.evse import AMPS, OUTPUT, STATE
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from drivers.modbus.address import DeviceAddress
    from drivers.modbus.values import Table


def test_the_state_is_read_last() -> None:
    """A change is told when the state's answer is there; no other answer is awaited."""
    asked: list[int] = []

    class ListeningLine(MemoryLine):
        async def read(
            self, device: DeviceAddress, table: Table, address: int, count: int
        ) -> list[int]:
            asked.append(address)
            return await super().read(device, table, address, count)

    async def main() -> None:
        line = ListeningLine()
        charger = ModbusCharger(ModbusConfig(port="/dev/x", limit_amps=16), lines=line)
        async with aclosing(charger.events()) as events:
            await anext(events)
            line.evse.plugged = True
            asked.clear()
            assert await anext(events) == Connected()
            assert asked == [AMPS, STATE]
            line.evse.wants = line.evse.is_stubborn = True
            await charger.enable()
            asked.clear()
            assert await anext(events) == Charging()
            assert asked == [AMPS, STATE, OUTPUT]

    run_virtual(main())
