"""A bench for the modbus driver: a controller in memory, and what the driver tells."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from drivers.chargers.base import ChargerState, ChargerUp, Vehicle
from drivers.chargers.modbus import ModbusCharger, ModbusConfig
from drivers.errors import DriverError
from drivers.modbus.line import NoAnswerError, RefusedError
from drivers.modbus.values import Table
from tests.drivers.modbus.evse import STATE, SimpleEvse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from drivers.chargers.base import ChargerEvent
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
        #: Writes that are obeyed, and whose answers are lost; and those lost wholly.
        self.lose_answers = 0
        self.lose_writes = 0
        #: Refused with this exception, if it is not 0.
        self.refuse = 0
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
        await self._answer()
        if self.lose_writes:
            self.lose_writes -= 1
            raise NoAnswerError("lost")
        if table is Table.COIL:
            self.coil = bool(words[0])
        else:
            self.evse.write(address, words[0])
        if self.lose_answers:
            self.lose_answers -= 1
            raise NoAnswerError("lost")

    async def _answer(self) -> None:
        assert self.users, "nobody has taken this line"
        self.requests += 1
        if self.is_silent:
            await asyncio.sleep(SILENCE_S)
            raise NoAnswerError("device 1 does not answer")
        await asyncio.sleep(ANSWER_S)
        if self.refuse:
            raise RefusedError(f"exception {self.refuse}")


class Bench:
    """A driver on a line in memory, listened to as the agent does; virtual time."""

    def __init__(self, **config: Any) -> None:  # noqa: ANN401 - any key
        self.line = MemoryLine()
        self.evse = self.line.evse
        keys: dict[str, Any] = {"port": "/dev/memory", "limit_amps": 16} | config
        self.charger = ModbusCharger(ModbusConfig(**keys), lines=self.line)
        self.told: list[ChargerEvent] = []
        self._looked_at = 0
        #: What ended the events.
        self.error: DriverError | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Bench]:
        """Listen until the block ends; it begins when the first thing was told."""
        listener = asyncio.create_task(self._listen())
        try:
            await asyncio.sleep(0.5)
            yield self
        finally:
            listener.cancel()
            await asyncio.wait({listener})
            if not listener.cancelled():
                listener.result()

    async def later(self, seconds: float = 2.0) -> list[ChargerEvent]:
        """Let time pass; return what was told since the last time."""
        await asyncio.sleep(seconds)
        news, self._looked_at = self.told[self._looked_at :], len(self.told)
        return news

    async def _listen(self) -> None:
        try:
            async with aclosing(self.charger.events()) as events:
                async for event in events:
                    self.told.append(event)
        except DriverError as err:
            self.error = err


def up(vehicle: Vehicle = Vehicle.ABSENT, fault: str | None = None) -> ChargerUp:
    """Expect a charger at rest."""
    return ChargerUp(ChargerState(vehicle, enabled=False, wh=None, fault=fault))
