"""Everything that goes wrong, how often and for how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from drivers.errors import TransientDeviceError
from tests.simulation.cards import Kind
from tests.simulation.drivers import walk_through_numbers
from tests.simulation.upstream import Backend, Line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.simulation.sockets import Socket
    from tests.simulation.world import World

_DAY_S: Final = 86_400.0
_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0
#: How often a day each trouble comes; each socket, reader and backend has its own.
_NETWORK: Final = 1.2
_BACKEND: Final = 1.5
_POWER: Final = 3.0
_FAULT: Final = 0.25
_LINK: Final = 0.4
_CHARGER_POWER: Final = 0.15
_READER: Final = 0.3
_CLOCK: Final = 0.2
_WALKER: Final = 0.15
#: Of a month, the time that one long outage takes, and when it begins.
_LONG_OUTAGE_S: Final = 2 * _DAY_S
_LONG_OUTAGE_AT: Final = 0.4
_LONG_OUTAGE_FROM_DAYS: Final = 7
_RESTARTS: Final = {"cut": 5, "kill": 3, "restart": 2, "reload": 2}


class Troubles:
    """Makes trouble until cancelled, but not `at_work`; `repair` ends it all."""

    def __init__(self, world: World) -> None:
        self.at_work = asyncio.Lock()
        self._world = world
        self._chance = world.chance("troubles")

    async def run(self) -> None:
        """Make trouble of every kind."""
        world = self._world
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_time())
            group.create_task(self._often(_NETWORK, self._lose_network))
            group.create_task(self._lose_network_for_days())
            group.create_task(self._often(_CLOCK, self._set_clock_wrong))
            group.create_task(self._often(_WALKER, self._walk))
            if world.plan.restarts:
                group.create_task(self._often(_POWER, self._interrupt))
            for backend in world.backends.values():
                self._repeat(group, _BACKEND, self._break_backend, backend)
            for socket in world.sockets.values():
                self._repeat(group, _FAULT, self._break_socket, socket)
                self._repeat(group, _LINK, self._lose_link, socket)
                self._repeat(group, _CHARGER_POWER, self._cut_charger, socket)
            group.create_task(self._often(_READER * 3, self._break_reader))

    async def repair(self) -> None:
        """Repair everything, and switch on what is off."""
        world = self._world
        world.set_network(Line.UP)
        world.clock.set_right()
        for backend in world.backends.values():
            backend.become(Line.UP)
        for socket in world.sockets.values():
            self._link(socket)
            if socket.fault is not None:
                socket.fail(None)
        if world.machine.life is None:
            world.machine.boot()
        await asyncio.sleep(_MINUTE_S)
        world.clock.synchronize()

    # ---- when -----------------------------------------------------------------------

    def _repeat(
        self,
        group: asyncio.TaskGroup,
        per_day: float,
        trouble: Callable[..., Awaitable[None]],
        *args: object,
    ) -> None:
        group.create_task(self._often(per_day, trouble, *args))

    async def _often(
        self, per_day: float, trouble: Callable[..., Awaitable[None]], *args: object
    ) -> None:
        per_day *= self._world.plan.trouble
        while True:
            await asyncio.sleep(self._chance.expovariate(per_day / _DAY_S))
            if self._chance.random() < 0.5:
                # Just when somebody does something.
                self._world.gesture.clear()
                await self._world.gesture.wait()
                await asyncio.sleep(self._chance.uniform(0.0, 4.0))
            await trouble(*args)

    def _some_time_s(self, least_s: float, most_s: float) -> float:
        """Choose a length of time, as likely short as long."""
        least_s, most_s = max(least_s, 0.1), max(most_s, 0.1)
        return float(least_s * (most_s / least_s) ** self._chance.random())

    # ---- network and time -----------------------------------------------------------

    async def _lose_network(self) -> None:
        if self._world.network is not Line.UP:
            return
        self._world.set_network(self._chance.choice((Line.REFUSING, Line.SILENT)))
        await asyncio.sleep(self._some_time_s(5, 6 * _HOUR_S))
        self._world.set_network(Line.UP)

    async def _lose_network_for_days(self) -> None:
        days = self._world.plan.days
        if days >= _LONG_OUTAGE_FROM_DAYS:
            await asyncio.sleep(days * _DAY_S * _LONG_OUTAGE_AT)
            await self._world.until(lambda: self._world.network is Line.UP, _DAY_S)
            self._world.set_network(Line.SILENT)
            await asyncio.sleep(_LONG_OUTAGE_S)
            self._world.set_network(Line.UP)

    async def _keep_time(self) -> None:
        """Let time servers be heard some time after the network is there."""
        clock, world = self._world.clock, self._world
        while True:
            boot = clock.boot
            if boot.synchronized_at is None:
                patience_s = self._some_time_s(10, 3 * _HOUR_S)
                while patience_s > 0 and clock.boot is boot:
                    await asyncio.sleep(min(patience_s, _MINUTE_S))
                    patience_s -= _MINUTE_S if world.network is Line.UP else 0
                if clock.boot is boot:
                    clock.synchronize()
            else:
                await asyncio.sleep(_MINUTE_S)
                if world.network is Line.UP:
                    clock.synchronize()
                else:
                    clock.lose_time_server()

    async def _set_clock_wrong(self) -> None:
        clock = self._world.clock
        if clock.boot.synchronized_at is not None:
            clock.set_wrong(self._chance.choice((-90.0, -20.0, -2.0, 2.0, 30.0, 90.0)))
            await asyncio.sleep(self._some_time_s(60, 3 * _HOUR_S))
            clock.set_right()

    async def _break_backend(self, backend: Backend) -> None:
        backend.become(self._chance.choice((Line.REFUSING, Line.SILENT, Line.FAILING)))
        await asyncio.sleep(self._some_time_s(3, 4 * _HOUR_S))
        backend.become(Line.UP)

    # ---- power ----------------------------------------------------------------------

    async def _interrupt(self) -> None:
        """End the agent in one way or another, perhaps again soon after its start."""
        (way,) = self._chance.choices(list(_RESTARTS), list(_RESTARTS.values()))
        world = self._world
        match way:
            case "cut":
                await self._cut_power()
            case "kill":
                async with self.at_work:
                    await world.machine.kill()
                await asyncio.sleep(self._some_time_s(0.5, 120))
                world.machine.start()
            case "restart":
                async with self.at_work:
                    await world.machine.terminate()
                await asyncio.sleep(self._some_time_s(1, 600))
                world.machine.start()
            case _:
                world.machine.reload()
        await asyncio.sleep(self._some_time_s(1, 120))
        if self._chance.random() < 0.3:
            await self._interrupt()

    async def _cut_power(self) -> None:
        world = self._world
        chargers_too = self._chance.random() < 0.6
        async with self.at_work:
            await world.machine.kill()
        world.clock.set_right()
        if chargers_too:
            for socket in world.sockets.values():
                socket.lose_power()
        await asyncio.sleep(self._some_time_s(5, 2 * _HOUR_S))
        world.machine.boot()

    # ---- hardware -------------------------------------------------------------------

    async def _break_socket(self, socket: Socket) -> None:
        if socket.fault is None:
            socket.fail(self._chance.choice(("GroundFailure", "HighTemperature")))
            await asyncio.sleep(self._some_time_s(5, 2 * _HOUR_S))
            socket.fail(None)

    async def _lose_link(self, socket: Socket) -> None:
        if socket.linked:
            self._unlink(socket)
            await asyncio.sleep(self._some_time_s(2, 2 * _HOUR_S))
            self._link(socket)

    async def _cut_charger(self, socket: Socket) -> None:
        if socket.linked:
            self._unlink(socket)
            socket.lose_power()
            await asyncio.sleep(self._some_time_s(10, 600))
            self._link(socket)

    def _unlink(self, socket: Socket) -> None:
        socket.linked = False
        socket.darken()
        socket.changed.set()

    def _link(self, socket: Socket) -> None:
        socket.linked = True
        socket.changed.set()

    async def _break_reader(self) -> None:
        reader = self._chance.choice(list(self._world.readers.values()))
        if reader.opened is not None:
            reader.opened.put_nowait(TransientDeviceError("no answer"))

    async def _walk(self) -> None:
        reader = self._chance.choice(list(self._world.readers.values()))
        strangers = [card for card in self._world.cards if card.kind is Kind.STRANGER]
        await walk_through_numbers(reader, strangers)
