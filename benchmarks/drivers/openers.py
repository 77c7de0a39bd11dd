"""Drivers as a process of their own opens them, and a line without any driver.

Options are the keys of a driver's configuration, in JSON; durations are ISO 8601.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    Tell = Callable[[object], None]


def address_of(thing: Any) -> str:  # noqa: ANN401 - a class or a function
    """Give the address by which another process finds it."""
    return f"{thing.__module__}:{thing.__qualname__}"


def find(address: str) -> Any:  # noqa: ANN401 - a class or a function
    """Import what is at an address."""
    module, _, name = address.partition(":")
    return getattr(import_module(module), name)


def make(driver: type[Any], options: dict[str, Any], **others: Any) -> Any:  # noqa: ANN401 - a driver
    """Make a driver; `others` are what its tests hand in."""

    def convert(kind: type[Any], value: Any) -> Any:  # noqa: ANN401 - a path, say
        return kind(value)

    config = msgspec.convert(options, driver.Config, dec_hook=convert)
    return driver(config, **others)


async def follow(events: AsyncGenerator[Any], tell: Tell) -> None:
    """Pass events on until cancelled."""
    async with aclosing(events) as coming:
        async for event in coming:
            tell(event)


async def run(tell: Tell, *, driver: str, **options: Any) -> None:  # noqa: ANN401 - any key
    """Run a reader or a charger, named by its address."""
    await follow(make(find(driver), options).events(), tell)


class Listening:
    """The line is open."""


class Heard:
    """Something came."""


async def bare(tell: Tell, *, port: str) -> None:
    """Watch a tty as barely as the loop can, for comparison."""
    line = os.open(port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    loop = asyncio.get_running_loop()

    def on_readable() -> None:
        if b"\r" in os.read(line, 4096):
            tell(Heard())

    loop.add_reader(line, on_readable)
    tell(Listening())
    try:
        await asyncio.Event().wait()
    finally:
        loop.remove_reader(line)
        os.close(line)
