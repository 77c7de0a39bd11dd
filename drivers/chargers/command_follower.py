"""Following an installer's program: its messages become events, energy is guarded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import Vehicle
from drivers.chargers.changes import changes
from drivers.chargers.command_link import Link, NoAnswerError
from drivers.chargers.command_messages import UNKNOWN, Do
from drivers.chargers.limits import lowest
from drivers.errors import DriverError, TransientDeviceError

if TYPE_CHECKING:
    from drivers.chargers.base import ChargerEvent, ChargerState
    from drivers.chargers.command_config import CommandConfig
    from drivers.chargers.command_messages import Message

_LOGGER = logging.getLogger(__name__)

_REMEMBERED: Final = 64  # Far more states than come between two looks at them
_POLLS_PER_TIMEOUT: Final = 3
READING_S: Final = 1.0  # For a reading after energy went off


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds; the daemon has to end within a few."""

    #: For the last `disable`.
    leave_s: float = 1.0
    #: For a program that is to end: by itself, and again after SIGTERM.
    grace_s: float = 1.0


DEFAULT_TIMINGS: Final = Timings()


class Follower:
    """The charger behind one running program; see CommandCharger for its promises."""

    def __init__(self, config: CommandConfig, timings: Timings) -> None:
        self._config = config
        self._timings = timings
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self.link = Link(self._on_message, self._woken.set)
        self._state = UNKNOWN
        self._told = UNKNOWN
        self._seen: deque[ChargerState] = deque(maxlen=_REMEMBERED)
        self._failure: DriverError | None = None
        # What was confirmed last, and when; None while a command is under way.
        self._is_on: bool | None = None
        self._confirmed_at = 0.0
        self._commands = 0
        # From the first enable on, until a disable was confirmed.
        self._may_be_on = False

    # ---- commands -------------------------------------------------------------------

    async def enable(self, limit_amps: int | None) -> None:
        """Let energy flow."""
        limit = lowest(limit_amps, self._config.limit_amps)
        self._begin()
        self._may_be_on = True
        try:
            await self._ask(Do.ENABLE, limit)
        except BaseException:
            # It may have heard of it all the same, or hear of it late.
            with suppress(DriverError):
                self.link.send(Do.DISABLE)
            raise
        self._confirm(is_on=True)

    async def disable(self) -> int | None:
        """Stop energy and return the register that the answer brings."""
        self._begin()
        answer = await self._ask(Do.DISABLE)
        self._confirm(is_on=False)
        if answer.wh is None and self._state.wh is not None:
            # There is a meter; what it reads is no part of the command, which is done.
            with suppress(DriverError, TimeoutError):
                async with asyncio.timeout(READING_S):
                    answer = await self._ask(Do.STATE)
        return answer.wh

    async def leave(self) -> None:
        """Leave energy off, as far as there is time."""
        try:
            await self.link.ask(Do.DISABLE, within_s=self._timings.leave_s)
        except DriverError as err:
            if self._may_be_on:
                name = self._config.command[0]
                _LOGGER.warning("%s: nobody knows whether energy is off: %s", name, err)

    def _begin(self) -> None:
        self._commands += 1
        self._is_on = None

    def _confirm(self, *, is_on: bool) -> None:
        self._is_on, self._confirmed_at = is_on, self._loop.time()
        self._may_be_on = is_on

    async def _ask(self, do: Do, limit_amps: int | None = None) -> Message:
        within_s = self._config.answer_within.total_seconds()
        return await self.link.ask(do, limit_amps, within_s=within_s)

    # ---- events ---------------------------------------------------------------------

    async def find(self) -> ChargerState:
        """Switch off, and say how things stand; a program may take time to start."""
        within_s = self._config.comm_timeout.total_seconds()
        await self.link.ask(Do.DISABLE, within_s=within_s)
        answer = await self.link.ask(Do.STATE, within_s=within_s)
        self._confirm(is_on=False)
        self._check(answer, self._commands)
        self._seen.clear()
        self._told = self._state
        return self._told

    async def next(self) -> list[ChargerEvent]:
        """Wait for news; raise when there will be none."""
        while not self._seen:
            if (failure := self._failure or self.link.failure) is not None:
                raise failure
            await self._woken.wait()
            self._woken.clear()
        news: list[ChargerEvent] = []
        while self._seen:
            before, self._told = self._told, self._seen.popleft()
            news += changes(before, self._told)
        return news

    async def watch(self) -> None:
        """Ask again and again, until the program has been silent for too long."""
        try:
            await self._watch()
        except Exception:
            _LOGGER.exception("looking after the program failed; it is ended")
            self._fail(TransientDeviceError("nobody looks after the program any more"))

    async def _watch(self) -> None:
        limit_s = self._config.comm_timeout.total_seconds()
        while self._failure is None:
            await asyncio.sleep(limit_s / _POLLS_PER_TIMEOUT)
            commands = self._commands
            try:
                self._check(await self._ask(Do.STATE), commands)
            except NoAnswerError as err:
                if self.link.silent_s >= limit_s:
                    self._fail(err)
            except DriverError as err:
                self._fail(err)

    def _check(self, answer: Message, commands: int) -> None:
        """Compare the program's word with what it has confirmed.

        A program that lies about energy, or has lost its memory, is started anew: that
        switches off and tells the station. An answer from before a command is none.
        """
        if not answer.is_whole_state:
            raise TransientDeviceError(
                'the answer to state lacks "vehicle" or "enabled"'
            )
        if self._is_on is None or commands != self._commands:
            return
        state = self._state
        if state.enabled and not self._is_on:
            raise TransientDeviceError(
                "the program says that energy is on, and has confirmed that it is off"
            )
        # It may take a while to notice that the vehicle has stopped.
        since_s = self._loop.time() - self._confirmed_at
        is_late = since_s > self._config.comm_timeout.total_seconds()
        if state.vehicle is Vehicle.CHARGING and not self._is_on and is_late:
            raise TransientDeviceError(
                "the program says that the vehicle charges, and has confirmed that "
                "energy is off; is a contactor welded?"
            )
        # A fault or an empty socket is reason enough to switch off by itself.
        excused = state.fault is not None or state.vehicle is Vehicle.ABSENT
        if self._is_on and not state.enabled and not excused:
            raise TransientDeviceError(
                "the program says that energy is off, and has confirmed that it is on"
            )

    def _fail(self, err: DriverError) -> None:
        self._failure = err
        self._woken.set()

    def _on_message(self, message: Message) -> None:
        after = message.apply_to(self._state)
        if after != self._state:
            self._state = after
            self._seen.append(after)
            self._woken.set()
