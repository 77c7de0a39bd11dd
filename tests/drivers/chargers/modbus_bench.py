"""A bench for the modbus driver: a controller in memory, and what the driver tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from drivers.chargers.base import ChargerState, ChargerUp, Vehicle
from drivers.chargers.modbus import ModbusCharger, ModbusConfig
from drivers.modbus.line import NoAnswerError, RefusedError
from drivers.modbus.values import Table
from tests.drivers.chargers.listening import ListeningBench
from tests.drivers.modbus.evse import STATE, SimpleEvse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.modbus.address import DeviceAddress

ANSWER_S = 0.02
SILENCE_S = 0.5


class MemoryLine:
    """A line without a device, for virtual time; an office of lines as well."""

    def __init__(self) -> None:
        self.evse = SimpleEvse()
        #: A switch beside the controller, in coil 7.
        self.coil = False
        self.is_silent = False
        #: What is written in silence is obeyed.
        self.is_heard = False
        #: Writes that are obeyed, and whose answers are lost; and those lost wholly.
        self.lose_answers = 0
        self.lose_writes = 0
        #: Refused with this exception, if it is not 0.
        self.refuse = 0
        #: Registers that this controller has not.
        self.missing: set[int] = set()
        #: How often a state is read wrong from now on.
        self.garble = 0
        self.requests = 0
        self.users = 0

    def take(self, device: DeviceAddress) -> MemoryLine:
        """Stand in for Lines."""
        del device
        self.users += 1
        return self

    async def give_back(self, device: DeviceAddress) -> None:
        """Stand in for Lines."""
        del device
        self.users -= 1

    async def read(
        self, device: DeviceAddress, table: Table, address: int, count: int
    ) -> list[int]:
        """Answer, if it does."""
        del device
        await self._answer()
        if address in self.missing:
            raise RefusedError("exception 2")
        if table is Table.COIL:
            return [int(self.coil)]
        registers = self.evse.holding()
        if self.garble and address == STATE:
            self.garble -= 1
            return [77]
        return [registers[address + offset] for offset in range(count)]

    async def write(
        self, device: DeviceAddress, table: Table, address: int, words: Sequence[int]
    ) -> None:
        """Obey, if it does."""
        del device
        if self.is_silent and self.is_heard:
            self._obey(table, address, words)
        await self._answer()
        if self.lose_writes:
            self.lose_writes -= 1
            raise NoAnswerError("lost")
        self._obey(table, address, words)
        if self.lose_answers:
            self.lose_answers -= 1
            raise NoAnswerError("lost")

    def _obey(self, table: Table, address: int, words: Sequence[int]) -> None:
        if table is Table.COIL:
            self.coil = bool(words[0])
        else:
            self.evse.write(address, words[0])

    async def _answer(self) -> None:
        assert self.users, "nobody has taken this line"
        self.requests += 1
        if self.is_silent:
            await asyncio.sleep(SILENCE_S)
            raise NoAnswerError("device 1 does not answer")
        await asyncio.sleep(ANSWER_S)
        if self.refuse:
            raise RefusedError(f"exception {self.refuse}")


class Bench(ListeningBench):
    """A driver on a line in memory, listened to as the agent does; virtual time."""

    FOUND_S: ClassVar[float] = 0.5
    LATER_S: ClassVar[float] = 2.0

    def __init__(self, **config: Any) -> None:  # noqa: ANN401 - any key
        self.line = MemoryLine()
        self.evse = self.line.evse
        keys: dict[str, Any] = {"port": "/dev/memory", "limit_amps": 16} | config
        super().__init__(ModbusCharger(ModbusConfig(**keys), lines=self.line))


def up(vehicle: Vehicle = Vehicle.ABSENT, fault: str | None = None) -> ChargerUp:
    """Expect a charger at rest."""
    return ChargerUp(ChargerState(vehicle, enabled=False, wh=None, fault=fault))
