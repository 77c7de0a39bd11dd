"""The machine that the agent runs on: switched on and off, killed and restarted."""

from __future__ import annotations

import asyncio
import contextvars
import shutil
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agent.config import load_config
from agent.daemon import Daemon
from tests.simulation.loop import LIFE, SimulatedLoop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.world import World

_ENDS_WITHIN_S: Final = 60.0
_CANCELLED_AT_MOST: Final = 1000
_LEARNS_TIME_WITHIN_S: Final = 20.0
_FOREVER_S: Final = 100 * 86400.0
_NOT_ON_DISK: Final = ("*-shm", "*.sock", "lock")


@dataclass(eq=False)
class Life:
    """One run of the agent; when it is killed, nothing it does matters any more."""

    world: World
    number: int
    since: float
    daemon: Daemon | None = None
    powered: bool = True
    until: float | None = None
    killed: bool = False
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)


class Machine:
    """One computer; its disk survives everything."""

    def __init__(self, world: World, directory: Path) -> None:
        self.lives: list[Life] = []
        self._world = world
        self._directory = directory
        self._generation = 0
        self._main: asyncio.Task[None] | None = None
        self._noticing: asyncio.Task[None] | None = None

    @property
    def life(self) -> Life | None:
        """The present run, None while there is none."""
        if self.lives and self.lives[-1].until is None:
            return self.lives[-1]
        return None

    @property
    def state(self) -> Path:
        """Where the agent keeps its files now."""
        return self._directory / f"state-{self._generation}"

    # ---- its ways of living and dying -----------------------------------------------

    def boot(self) -> None:
        """Switch the machine on, and the agent with it."""
        self._world.clock.start()
        self.start()

    def start(self) -> None:
        """Start the agent."""
        assert self.life is None
        life = Life(self._world, len(self.lives), self._world.now())
        self.lives.append(life)
        context = contextvars.copy_context()
        context.run(LIFE.set, life)
        life.daemon = context.run(self._make_daemon)
        loop = asyncio.get_running_loop()
        self._main = loop.create_task(life.daemon.run(), context=context)
        life.tasks.add(self._main)
        self._notice_time()

    async def kill(self) -> None:
        """End the agent at once; it has no chance to do anything about it."""
        life = self.life
        assert life is not None
        self._end(life)
        life.killed, life.powered = True, False
        before = self.state
        self._generation += 1
        ignored = shutil.ignore_patterns(*_NOT_ON_DISK)
        shutil.copytree(before, self.state, symlinks=True, ignore=ignored)
        for _ in range(_CANCELLED_AT_MOST):
            if not (tasks := {task for task in life.tasks if not task.done()}):
                break
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
        else:
            raise AssertionError(f"cannot be killed: {life.tasks}")
        if parts := getattr(life.daemon, "parts", None):
            parts.journal._journal.close()
        self._forget(life)
        shutil.rmtree(before)

    async def terminate(self) -> None:
        """End the agent in order."""
        life, loop = self.life, asyncio.get_running_loop()
        assert life is not None
        assert isinstance(loop, SimulatedLoop)
        assert self._main is not None
        loop.send(signal.SIGTERM)
        await asyncio.wait({self._main}, timeout=_ENDS_WITHIN_S)
        assert self._main.done(), "it does not stop"
        self._main.result()
        self._end(life)
        life.powered = False
        self._forget(life)

    def reload(self) -> None:
        """Have the agent read its configuration again."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        loop.send(signal.SIGHUP)

    def check(self) -> None:
        """Raise what the agent has died of by itself."""
        if self.life is not None and self._main is not None and self._main.done():
            self._main.result()
            raise AssertionError("the agent has ended by itself")

    # ---- inside ---------------------------------------------------------------------

    def _end(self, life: Life) -> None:
        life.until = self._world.now()
        if self._noticing is not None:
            self._noticing.cancel()
        for socket in self._world.sockets.values():
            socket.darken()
        for reader in self._world.readers.values():
            reader.opened = None

    def _forget(self, life: Life) -> None:
        """Let go of a dead agent's memory."""
        self._main = life.daemon = None

    def _notice_time(self) -> None:
        """Note in the world when this run can have learned the time."""

        async def notice() -> None:
            clock = self._world.clock
            await self._world.until(
                lambda: clock.boot.synchronized_at is not None, _FOREVER_S
            )
            await asyncio.sleep(_LEARNS_TIME_WITHIN_S)
            clock.note_agent()

        self._noticing = asyncio.get_running_loop().create_task(notice())

    def _make_daemon(self) -> Daemon:
        path = self._directory / "config.toml"
        secret = self._directory / "secret"
        secret.touch(mode=0o600)
        secret.write_text("secret")
        path.write_text(self._configure())
        return Daemon(load_config(path))

    def _configure(self) -> str:
        world = self._world
        blocks = [
            '[station]\ncountry_code = "SE"\nparty_id = "ABC"\nlocation_id = "LOC-1"',
            f'state_dir = "{self.state}"',
        ]
        for table, keys in world.plan.rules.items():
            lines = [f'{key} = "{value}"' for key, value in keys.items()]
            blocks += [f"[{table}]", *lines]
        for socket in world.sockets:
            driver = f'{{ driver = "world", which = "{socket}" }}'
            blocks.append(f'[[evse]]\nuid = "{socket}"\ncharger = {driver}')
        for name, reader in world.readers.items():
            evses = ", ".join(f'"{socket.uid}"' for socket in reader.sockets)
            blocks += [
                f'[[reader]]\nname = "{name}"\ndriver = "world"\nwhich = "{name}"',
                f"evses = [{evses}]",
                f'indicator = {{ driver = "world", which = "{name}" }}',
            ]
        for backend in world.backends.values():
            country_code, party_id = backend.party
            blocks += [
                f'[[upstream]]\nname = "{backend.name}"\nauthorize_unknown = true',
                'versions_url = "http://backend.invalid/versions"',
                f'token = {{ file = "{self._directory / "secret"}" }}',
                f'country_code = "{country_code}"\nparty_id = "{party_id}"',
            ]
        return "\n".join(blocks)
