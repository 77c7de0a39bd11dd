"""Stories from months in which something was wrong, told by themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.simulation.cards import Kind
from tests.simulation.comparison import find_differences
from tests.simulation.loop import SimulatedLoop
from tests.simulation.play import simulate
from tests.simulation.world import Plan

if TYPE_CHECKING:
    from tests.simulation.sockets import Socket
    from tests.simulation.world import World

PLAN: Final = Plan(seed=0, days=1)
HOUR_S: Final = 3600.0
MINUTE_S: Final = 60.0
WATTS: Final = 7400


def _judge(world: World) -> None:
    assert world.heard.taps
    assert list(find_differences(world)) == []


async def _tap(world: World, kind: Kind, reader: str = "south") -> None:
    card = next(card for card in world.cards if card.kind is kind)
    await world.readers[reader].hold(card, 0.5)


async def _switch_on(world: World) -> None:
    world.machine.boot()
    world.clock.synchronize()
    readers = world.readers.values()
    assert await world.until(lambda: all(one.is_lit for one in readers), MINUTE_S)


async def _begin(world: World) -> Socket:
    """Switch everything on and let a car charge."""
    socket = world.sockets["E8"]
    await _switch_on(world)
    socket.plug()
    socket.draw(WATTS)
    await _tap(world, Kind.ALWAYS)
    assert await world.until(lambda: socket.can_flow, MINUTE_S)
    return socket


async def _restart(world: World, dark_s: float) -> None:
    await world.machine.kill()
    await asyncio.sleep(dark_s)
    world.machine.boot()
    world.clock.synchronize()


def test_what_was_read_before_a_long_pause_is_not_lost_with_the_power() -> None:
    """No reading comes while a car pauses, so the last one must not wait for it."""

    async def story(world: World) -> None:
        socket = await _begin(world)
        await asyncio.sleep(5 * MINUTE_S)
        socket.draw(0)
        await asyncio.sleep(HOUR_S)
        await world.machine.kill()
        socket.unplug()
        world.machine.boot()
        world.clock.synchronize()
        await world.settle()

    simulate(PLAN, _judge, story=story)


def test_what_was_read_after_a_power_cut_is_not_lost_with_the_next() -> None:
    """A station that is up for moments only still counts what flows in between."""

    async def story(world: World) -> None:
        socket = await _begin(world)
        for _ in range(5):
            await _restart(world, HOUR_S)
            await asyncio.sleep(MINUTE_S / 2)
        await world.machine.kill()
        socket.unplug()
        world.machine.boot()
        world.clock.synchronize()
        await world.settle()
        (told,) = [
            told for one in world.backends.values() for told in one.sessions.values()
        ]
        assert told.session.energy_wh > 4 * WATTS

    simulate(PLAN, _judge, story=story)


def test_a_stop_of_the_agent_leaves_no_driver_without_an_answer() -> None:
    """A card that is just being asked about has its outcome before the end."""

    async def story(world: World) -> None:
        world.machine.boot()
        world.clock.synchronize()
        reader = world.readers["south"]
        assert await world.until(lambda: reader.is_lit, MINUTE_S)
        await asyncio.sleep(5 * MINUTE_S)  # The lists are fetched meanwhile.
        tap = asyncio.create_task(_tap(world, Kind.NEVER))
        await world.gesture.wait()
        await world.machine.terminate()
        await tap
        world.machine.start()
        await world.settle()

    simulate(PLAN, _judge, story=story)


def test_a_reload_while_a_charger_takes_its_time_takes_nothing_from_anybody() -> None:
    """The driver there is answered, and the one at another socket keeps his grant."""

    async def story(world: World) -> None:
        slow, other = world.sockets["E8"], world.sockets["E1"]
        await _switch_on(world)
        await _tap(world, Kind.OFFLINE, "east")
        slow.plug()
        slow.slow_s = 3.0
        await asyncio.sleep(2)
        await _tap(world, Kind.ALWAYS)
        world.machine.reload()
        await asyncio.sleep(MINUTE_S / 3)
        other.plug()
        assert await world.until(lambda: other.can_flow, MINUTE_S)
        slow.unplug()
        other.unplug()
        await world.settle()

    simulate(PLAN, _judge, story=story)


def test_what_happens_during_a_reload_is_remembered() -> None:
    """Who plugs in while the station looks away is charged once, for one session."""

    async def story(world: World) -> None:
        socket, loop = world.sockets["E8"], asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        await _switch_on(world)
        await _tap(world, Kind.ALWAYS)
        loop.slow_s = 1.0
        world.machine.reload()
        await asyncio.sleep(0.3)
        socket.plug()
        assert await world.until(lambda: socket.can_flow, MINUTE_S)
        await asyncio.sleep(MINUTE_S)
        socket.unplug()
        await world.settle()

    simulate(PLAN, _judge, story=story)
