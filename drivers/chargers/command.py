"""Any other charger: an installer's own program, told and heard in lines of JSON.

docs/charger-command.md is the program's side of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from drivers.chargers.base import Charger, ChargerUp
from drivers.chargers.command_check import check_program
from drivers.chargers.command_config import CommandConfig
from drivers.chargers.command_follower import DEFAULT_TIMINGS, Follower
from drivers.chargers.command_process import run_program
from drivers.errors import DeviceGoneError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from drivers.chargers.base import ChargerEvent
    from drivers.chargers.command_follower import Timings
    from drivers.chargers.command_link import Program
    from drivers.findings import Finding

    RunProgram = Callable[..., AbstractAsyncContextManager[Program]]

__all__ = ["CommandCharger", "CommandConfig"]


class CommandCharger(Charger):
    """One charger behind a program.

    The program runs while events() is open. Energy is switched off before ChargerUp,
    after an enable() that was not confirmed, and when events() is closed; a program
    that is killed, silent for too long, or contradicts itself ends the events, and the
    next opening starts it anew. Nothing that it started outlives it.
    """

    Config = CommandConfig

    def __init__(
        self,
        config: CommandConfig,
        *,
        run: RunProgram = run_program,
        timings: Timings = DEFAULT_TIMINGS,
    ) -> None:
        self._config = config
        self._run = run
        self._timings = timings
        self._follower: Follower | None = None

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield how things stand, then what changes, Meter before each change."""
        follower = Follower(self._config, self._timings)
        link, grace_s = follower.link, self._timings.grace_s
        async with self._run(
            self._config.command, link.on_line, link.on_end, grace_s=grace_s
        ) as program:
            link.attach(program)
            watching: asyncio.Task[None] | None = None
            try:
                state = await follower.find()
                self._follower = follower
                watching = asyncio.create_task(follower.watch())
                yield ChargerUp(state)
                while True:
                    for event in await follower.next():
                        yield event
            finally:
                self._follower = None
                if watching is not None:
                    watching.cancel()
                    await asyncio.wait({watching})
                await follower.leave()

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow; what the program refuses is a TransientDeviceError."""
        await self._found().enable(limit_amps)

    async def disable(self) -> int | None:
        """Stop energy and read the register."""
        return await self._found().disable()

    def check(self) -> Iterable[Finding]:
        """Look whether there is such a program; it is not run."""
        yield check_program(self._config.command[0])

    def _found(self) -> Follower:
        if self._follower is None:
            raise DeviceGoneError(f"{self._config.command[0]} does not run")
        return self._follower
