"""The world's hardware as the agent's drivers: slow, and sometimes out of order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drivers.chargers.base import (
    Charger,
    ChargerState,
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Meter,
    Vehicle,
)
from drivers.errors import DeviceGoneError, TransientDeviceError
from drivers.indicators.base import Indicator
from drivers.readers.base import CardArrived, CardLeft, Reader, ReaderUp, Technology
from tests.simulation.loop import LIFE

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Iterator

    from drivers.chargers.base import ChargerEvent
    from drivers.indicators.base import Signal
    from drivers.readers.base import ReaderEvent
    from tests.simulation.power import Life
    from tests.simulation.sockets import Socket

#: While energy flows, the register is told this often.
METER_EVERY_S: Final = 120.0
#: How long a charger may be silent before its driver gives it up.
SILENT_AT_MOST_S: Final = 20.0
_COMMAND_FAILS: Final = 0.004
_COMMAND_HANGS_S: Final = 60.0
_COMMAND_IS_SLOW: Final = 0.05
_VEHICLE_EVENTS: Final[dict[Vehicle, ChargerEvent]] = {
    Vehicle.ABSENT: Disconnected(),
    Vehicle.CONNECTED: Connected(),
    Vehicle.CHARGING: Charging(),
}


@dataclass(frozen=True, slots=True)
class Name:
    """Which of the world's things it is."""

    which: str


class WorldCharger(Charger):
    """Drives a socket of the world."""

    Config = Name

    def __init__(self, config: Name) -> None:
        self._life: Life = LIFE.get()
        self._socket: Socket = self._life.world.sockets[config.which]
        self._chance: random.Random = self._life.world.chance("charger")

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes."""
        socket = self._socket
        await asyncio.sleep(self._chance.uniform(0.05, 1.0))
        if not socket.linked:
            raise TransientDeviceError("no answer")
        socket.changed = asyncio.Event()
        told, resets = socket.state, socket.resets
        socket.lighten()
        try:
            yield ChargerUp(told)
            while True:
                await self._wait(told, resets)
                before, told = told, socket.state
                for event in _changes(before, told):
                    yield event
        finally:
            if self._life.powered:
                socket.darken()

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow."""
        del limit_amps
        self._socket.vain.append(self._life.world.now())
        await self._command(on=True)
        if self._socket.can_flow:
            self._socket.vain.pop()

    async def disable(self) -> int | None:
        """Stop energy, and read the register."""
        await self._command(on=False)
        return self._socket.register_wh()

    async def _command(self, *, on: bool) -> None:
        slow = self._chance.random() < _COMMAND_IS_SLOW
        range_s = (0.4, 4.5) if slow else (0.02, 0.4)
        await asyncio.sleep(self._socket.slow_s + self._chance.uniform(*range_s))
        socket, fails = self._socket, self._chance.random() < _COMMAND_FAILS
        if not socket.linked or (fails and self._chance.random() < 0.3):
            await asyncio.sleep(self._chance.choice((0.1, _COMMAND_HANGS_S)))
            raise TransientDeviceError("no answer")
        if on and socket.fault is not None:
            raise TransientDeviceError(f"cannot enable: {socket.fault}")
        if not self._life.powered:
            raise asyncio.CancelledError
        socket.switch(on=on)
        if fails:
            # It was done, and nobody heard.
            await asyncio.sleep(self._chance.choice((0.1, _COMMAND_HANGS_S)))
            raise TransientDeviceError("no answer")

    async def _wait(self, told: ChargerState, resets: int) -> None:
        """Return when there is something to tell; raise if nobody answers."""
        socket = self._socket
        flows = told.vehicle is Vehicle.CHARGING
        with suppress(TimeoutError):
            async with asyncio.timeout(METER_EVERY_S if flows else None):
                await socket.changed.wait()
        socket.changed.clear()
        await asyncio.sleep(self._chance.uniform(0.01, 0.4))
        if not socket.linked:
            await asyncio.sleep(self._chance.uniform(0.0, SILENT_AT_MOST_S))
            if not socket.linked:
                raise DeviceGoneError("no answer")
        if socket.resets != resets:
            raise DeviceGoneError("it has started anew")
        socket.lighten()


def _changes(before: ChargerState, now: ChargerState) -> Iterator[ChargerEvent]:
    if now.wh is not None and now.wh != before.wh:
        yield Meter(now.wh)
    if now.fault != before.fault:
        yield FaultCleared() if now.fault is None else Fault(now.fault)
    if now.vehicle is not before.vehicle:
        yield _VEHICLE_EVENTS[now.vehicle]


class WorldReader(Reader):
    """Drives a card reader of the world."""

    Config = Name

    def __init__(self, config: Name) -> None:
        self._life: Life = LIFE.get()
        self._reader = self._life.world.readers[config.which]
        self._chance: random.Random = self._life.world.chance("reader")

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield what is held to it; a card that lies there is read anew."""
        reader, loop = self._reader, asyncio.get_running_loop()
        await asyncio.sleep(self._chance.uniform(0.1, 2.0))
        queue: asyncio.Queue[Any] = asyncio.Queue()
        reader.opened = queue
        try:
            yield ReaderUp(reader.name)
            if reader.lying is not None:
                queue.put_nowait(reader.lying)
            while True:
                card = await queue.get()
                if isinstance(card, Exception):
                    raise card
                if card is None:
                    yield CardLeft(at=loop.time())
                    continue
                self._life.world.note_tap(reader, card, self._life)
                yield CardArrived(card.uid, Technology.ISO14443, at=loop.time())
        finally:
            if reader.opened is queue:
                reader.opened = None


class WorldIndicator(Indicator):
    """A reader's lights."""

    Config = Name

    def __init__(self, config: Name) -> None:
        self._life: Life = LIFE.get()
        self._reader = self._life.world.readers[config.which]

    async def show(self, signal: Signal) -> AsyncGenerator[None]:
        """Show it."""
        self._reader.signal = signal.value
        yield


_CLASSES: Final = {
    "rfid_agent.chargers": WorldCharger,
    "rfid_agent.readers": WorldReader,
    "rfid_agent.indicators": WorldIndicator,
}


def load_driver(group: str, name: str) -> Any:  # noqa: ANN401 - as the registry's
    """Stand in for `agent.registry.load_driver`."""
    assert name == "world"
    return _CLASSES[group]
