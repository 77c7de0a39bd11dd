"""Where those who show signals meet the reader to which the lights belong.

The reader alone talks on its line. So it is also the one who works its lights, between
two looks for a card: no command ever comes between a question and its answer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final

from drivers.errors import DriverError, TransientDeviceError
from drivers.readers.panel_operator import Operator, Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.formats.dialogue import Module
    from drivers.readers.formats.panel import Panel

#: Longer than a look, and than an opening that meets with no trouble.
SHOWN_WITHIN_S: Final = 2.0
#: What a reader's end may be held up by lights that do not go out.
DARK_WITHIN_S: Final = 1.0


class Switchboard:
    """What is wanted of a reader's lights, for as long as there is the reader.

    Without a panel nothing is wanted, and nothing done.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._panel: Panel | None = None
        self._wish = Wish()
        self._operator: Operator | None = None
        #: Those who wait for lights; they are told why not, or nothing.
        self._waiting: set[asyncio.Future[str]] = set()
        self._changed = asyncio.Event()

    # ---- for who shows --------------------------------------------------------------

    def install(self, panel: Panel) -> None:
        """Say what the lights are, before the reader is opened."""
        self._panel = panel

    @property
    def is_open(self) -> bool:
        """Whether the reader is open, so that something can be shown."""
        return self._operator is not None

    async def light(self, lamps: frozenset[str]) -> None:
        """Have these lamps on and no other; return when it is so.

        TransientDeviceError if it is not so soon. It will be when it can be.
        """
        self._wish.lamps = lamps
        await self._done()

    async def sound(self, seconds: float) -> None:
        """Sound the buzzer for so long; return when it has begun.

        TransientDeviceError if it has not soon. Then it is left out.
        """
        self._wish.tone_s = seconds
        try:
            await self._done()
        finally:
            self._wish.tone_s = 0.0

    def hush(self) -> None:
        """End a tone; the change of lamps that follows makes it so."""
        self._wish.tone_s = 0.0
        if self._operator is not None:
            self._operator.hush()

    # ---- for the reader -------------------------------------------------------------

    def open(self, module: Module) -> None:
        """Take the lights of a module into use; all is shown again."""
        if self._panel is not None:
            self._operator = Operator(self._panel, module, self._wish, self._monotonic)

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and do meanwhile what is wanted.

        One command if there is one, however short the time, so that looks do not keep
        the lights from changing; and at most one that does not end in time.
        """
        ends_at = self._monotonic() + seconds
        while True:
            self._changed.clear()
            has_acted = await self._act()
            now = self._monotonic()
            if now >= ends_at:
                return
            if not has_acted:
                due_at = self._operator.due_at() if self._operator else inf
                await self._until_changed(min(ends_at, due_at) - now)

    async def close(self) -> None:
        """Leave all dark and silent, if the module obeys within DARK_WITHIN_S."""
        operator, self._operator = self._operator, None
        if operator is None:
            return
        # A task of its own: this one has mostly been cancelled, and the time-outs of a
        # cancelled task do not work in each Python 3.11.
        darkening = asyncio.create_task(operator.go_dark())
        try:
            await asyncio.wait({darkening}, timeout=DARK_WITHIN_S)
        finally:
            darkening.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await darkening

    # ---------------------------------------------------------------------------------

    async def _done(self) -> None:
        waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        self._changed.set()
        try:
            async with asyncio.timeout(SHOWN_WITHIN_S):
                why = await waiter
        except TimeoutError:
            why = "the reader is busy" if self.is_open else "the reader is not open"
        finally:
            self._waiting.discard(waiter)
        if why:
            raise TransientDeviceError(why)

    async def _act(self) -> bool:
        if self._operator is None:
            return False
        has_acted = await self._operator.act()
        if self._operator.failure or self._operator.is_done():
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_result(self._operator.failure)
        return has_acted

    async def _until_changed(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
