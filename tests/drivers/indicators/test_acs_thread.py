"""The thread in which an ACS reader is told something, and readers that hang."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.indicators.acs_commands import Led, Light
from drivers.indicators.acs_link import Shown
from drivers.indicators.acs_thread import HangingReaderError, Lamp, in_daemon_thread
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

RED, GREEN = Light(Led.RED), Light(Led.GREEN)


def test_outcome_and_failure_come_back() -> None:
    """What the call returns or raises is what awaiting it returns or raises."""

    def fail() -> int:
        raise TransientDeviceError("broken")

    async def main() -> None:
        assert await in_daemon_thread(lambda: 7) == 7
        with pytest.raises(TransientDeviceError, match="broken"):
            await in_daemon_thread(fail)

    asyncio.run(main())


def test_a_call_that_hangs_does_not_hold_up_the_end() -> None:
    """The loop ends, and the answer that comes after it harms nobody."""
    begun, release = threading.Event(), threading.Event()
    ended: list[threading.Thread] = []

    def hang() -> None:
        ended.append(threading.current_thread())
        begun.set()
        release.wait()

    async def main() -> None:
        task = asyncio.create_task(in_daemon_thread(hang))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(main())
    assert ended[0].is_alive()
    release.set()
    ended[0].join(5)
    assert not ended[0].is_alive()


class Hanging:
    """A reader that answers each light when it is released."""

    def __init__(self) -> None:
        self.lights: list[Light] = []
        self.released = asyncio.Event()

    def put(self, light: Light) -> Shown:
        """Keep the light."""
        self.lights.append(light)
        return Shown.BY_ESCAPE

    async def call(self, call: Callable[[], Shown]) -> Shown:
        """Wait to be released, as a thread would."""
        await self.released.wait()
        return call()


def test_a_hanging_reader_is_told_of() -> None:
    """After 2 s it is an error, and every later light is one, too, until it answers."""

    async def main() -> None:
        reader = Hanging()
        lamp = Lamp(reader.put, reader.call)
        for light in (RED, GREEN):
            with pytest.raises(HangingReaderError, match="take the card away"):
                await lamp.put(light)
        reader.released.set()
        assert await lamp.put(GREEN) is Shown.BY_ESCAPE
        assert reader.lights == [RED, GREEN]

    run_virtual(main())


def test_a_cancelled_light_is_not_overtaken() -> None:
    """The light that follows a cancelled one comes after it."""

    async def main() -> None:
        reader = Hanging()
        lamp = Lamp(reader.put, reader.call)
        first = asyncio.create_task(lamp.put(RED))
        await asyncio.sleep(0.1)
        first.cancel()
        second = asyncio.create_task(lamp.put(GREEN))
        await asyncio.sleep(0.1)
        reader.released.set()
        await second
        assert reader.lights == [RED, GREEN]

    run_virtual(main())


def test_two_at_once_take_turns() -> None:
    """A light and a tone at the same time are two calls, one after the other."""
    inside = 0

    async def call(call: Callable[[], Shown]) -> Shown:
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0.1)
        inside -= 1
        return call()

    async def main() -> None:
        lamp = Lamp(lambda _: Shown.BY_ESCAPE, call)
        await asyncio.gather(lamp.put(RED), lamp.put(Light(None, 0.1)))

    run_virtual(main())
