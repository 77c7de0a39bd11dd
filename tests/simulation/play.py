"""Running the agent in a world: all around it is replaced, and nothing of itself."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from agent.events import EventLog
from tests.simulation import hardware
from tests.simulation.connection import Connection
from tests.simulation.loop import LIFE, SimulatedLoop
from tests.simulation.world import Plan, World, chance_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import datetime, timedelta

    from agent.clock import SystemClock
    from agent.config import Config, Upstream
    from agent.domain.messages import Event
    from tests.simulation.power import Life

#: In memory: the simulation is not about disks, and waits for none.
_FAST: Final = Path("/dev/shm")


def simulate(
    plan: Plan,
    judge: Callable[[World], None],
    *,
    probe: Callable[[World], None] = lambda _: None,
    story: Callable[[World], Awaitable[None]] | None = None,
) -> None:
    """Live through a plan, or a story, and have the world judged that came of it.

    `probe` may look at things every hour.
    """
    random.seed(plan.seed)

    async def main() -> None:
        world = World(plan, Path(directory))
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: world.heard.wrong.append(str(context))
        )
        with _surroundings(), _listening(world):
            await (story(world) if story else world.live(probe))
        judge(world)

    def make_loop() -> SimulatedLoop:
        return SimulatedLoop(chance_for(plan.seed, "disk"))

    parent = _FAST if os.access(_FAST, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="simulation-", dir=parent) as directory,
        asyncio.Runner(loop_factory=make_loop) as runner,
    ):
        runner.run(main())


@contextmanager
def _surroundings() -> Iterator[None]:
    """Put the world in the place of clocks, drivers, network and chance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.registry.load_driver", hardware.load_driver)
        patch.setattr("agent.upstreams.connect", _connect)
        patch.setattr("agent.assembly.EventLog", _OpenEventLog)
        patch.setattr("agent.assembly._new_id", lambda: _world().new_id())
        patch.setattr("agent.clock.datetime", _Datetime)
        patch.setattr("agent.clock._monotonic", _monotonic)
        patch.setattr("agent.clock._BOOT_ID", _BootId())
        patch.setattr(
            "agent.clock.SystemClock._kernel_is_synchronized", _is_synchronized
        )
        yield


@contextmanager
def _listening(world: World) -> Iterator[None]:
    """Note every error that the agent logs; the rest is not even written."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            world.heard.wrong.append(f"{world.now():.1f}: {self.format(record)}")

    logger, listener = logging.getLogger("agent"), Listener()
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagate


# ---- the agent's surroundings, as it knows them --------------------------------------


def _world() -> World:
    life: Life = LIFE.get()
    return life.world


class _OpenEventLog(EventLog):
    """Lets the world hear all events."""

    def publish(self, event: Event) -> None:
        super().publish(event)
        life: Life = LIFE.get()
        life.world.hear(event, life)


class _Datetime:
    """What the clock uses of `datetime`."""

    @staticmethod
    def now(tz: Any = None) -> datetime:  # noqa: ANN401 - whatever it is, it is UTC
        return _world().clock.now(tz)


class _BootId:
    """What the clock uses of a Path."""

    def read_text(self, encoding: str) -> str:
        del encoding
        return _world().clock.boot.boot_id


def _monotonic() -> timedelta:
    return _world().clock.monotonic()


def _is_synchronized(_: SystemClock) -> bool:
    return _world().clock.is_synchronized()


def _connect(
    config: Config,
    upstream: Upstream,
    on_change: Callable[..., None] = lambda _: None,
    **_: object,
) -> Connection:
    del config, on_change
    life: Life = LIFE.get()
    return Connection(life.world.backends[upstream.config.name], life)
