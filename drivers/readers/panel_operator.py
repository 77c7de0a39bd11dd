"""Bringing a module's lights in line with what is wanted, one command at a time."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from drivers.errors import DeviceGoneError, DriverError
from drivers.readers.formats.dialogue import TRIES
from drivers.readers.formats.panel import BUZZER

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.formats.dialogue import Module
    from drivers.readers.formats.panel import Panel

_LOGGER = logging.getLogger(__name__)

#: A module that has lost its power meanwhile has forgotten all it was told.
REFRESH_S: Final = 10.0
#: A beeper may hold up its answer until it is silent, so a tone is made of pieces.
PIECE_S: Final = 0.2
SHORTEST_PIECE_S: Final = 0.01  # What is left of a tone by rounding is no beep
#: Lights that fail are tried again after so long, then after twice as long, and so on.
FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0


@dataclass(slots=True)
class Wish:
    """What is to be on: lamps by their colours, and a tone that has not begun yet."""

    lamps: frozenset[str] = frozenset()
    tone_s: float = 0.0


class Operator:
    """Works the panel of an open module; a new one knows nothing of its outputs."""

    def __init__(
        self,
        panel: Panel,
        module: Module,
        wish: Wish,
        monotonic: Callable[[], float],
    ) -> None:
        self._panel = panel
        self._module = module
        self._wish = wish
        self._monotonic = monotonic
        self._orders = deque[bytes]()
        #: What is on when the orders are obeyed, and what is on now, if that is known.
        self._aim: frozenset[str] = frozenset()
        self._on: frozenset[str] | None = None
        self._refresh_at = inf
        self._silent_at = self._piece_ends_at = monotonic()
        self._is_beep = False
        self._lights = _Setback()
        self._beeper = _Setback()

    @property
    def failure(self) -> str:
        """Why the lights do not obey; nothing if they do, as far as is known."""
        return self._lights.why

    async def act(self) -> bool:
        """Give one order if one is due; say so. DeviceGoneError if the module is gone.

        All other failures are remembered, and tried again later.
        """
        now = self._monotonic()
        if not self._plan(now):
            return False
        try:
            await self._module.tell(self._orders[0])
        except DeviceGoneError:
            raise
        except DriverError as err:
            self._on_failure(err)
        else:
            self._on_obeyed()
        return True

    def is_done(self) -> bool:
        """Whether there is nothing to do just now."""
        return not self._plan(self._monotonic())

    def due_at(self) -> float:
        """Tell when there may be something to do although no wish has changed."""
        if self.failure:
            return self._lights.over_at
        now = self._monotonic()
        ends = [at for at in (self._silent_at, self._piece_ends_at) if at > now]
        return min([*ends, self._refresh_at])

    def hush(self) -> None:
        """End the tone, and begin no piece of it any more."""
        self._wish.tone_s = 0.0
        self._silent_at = -inf

    async def go_dark(self) -> None:
        """Turn all off; nobody hears if that fails."""
        for _ in range(TRIES):
            try:
                for order in self._panel.switch(frozenset(), None):
                    await self._module.tell(order)
            except DeviceGoneError:
                return
            except DriverError:
                continue
            return

    def _plan(self, now: float) -> bool:
        """Line up the next orders unless some are left; say whether there are any."""
        if now < self._lights.over_at:
            return False
        if self._is_beep and self._silent_at == -inf:
            self._is_beep = False
            self._orders.clear()
        if not self._orders:
            self._aim = self._wanted(now)
            is_known = self._on is not None and now < self._refresh_at
            before = self._on if is_known else None
            if not is_known:
                self._orders.extend(self._panel.set_up())
                self._refresh_at = now + REFRESH_S
            self._orders.extend(self._panel.switch(self._aim, before))
            if not self._orders:
                self._on = self._aim
                self._plan_beep(now)
        return bool(self._orders)

    def _wanted(self, now: float) -> frozenset[str]:
        if self._wish.tone_s:
            self._silent_at = now + self._wish.tone_s
            self._wish.tone_s = 0.0
        if BUZZER in self._panel.outputs and now < self._silent_at:
            return self._wish.lamps | {BUZZER}
        return self._wish.lamps

    def _plan_beep(self, now: float) -> None:
        piece_s = min(self._silent_at - now, PIECE_S)
        if piece_s < SHORTEST_PIECE_S or now < max(
            self._piece_ends_at, self._beeper.over_at
        ):
            return
        if command := self._panel.beep(piece_s):
            self._orders.append(command)
            self._is_beep = True
            self._piece_ends_at = now + piece_s

    def _on_obeyed(self) -> None:
        self._orders.popleft()
        if self._is_beep:
            self._is_beep = False
            self._beeper.end()
        elif not self._orders:
            self._on = self._aim
            self._lights.end()

    def _on_failure(self, err: DriverError) -> None:
        self._orders.clear()
        self._silent_at = now = self._monotonic()
        if self._is_beep:
            # What has lamps may have no beeper: they are not to suffer for it.
            self._is_beep = False
            self._beeper.begin(f"{err} (at a beep)", now)
            return
        self._on = None
        self._lights.begin(str(err), now)


class _Setback:
    """Something that has failed and is left alone for a while, each time longer."""

    def __init__(self) -> None:
        self.why = ""
        self.over_at = -inf
        self._pause_s = 0.0

    def begin(self, why: str, now: float) -> None:
        if not self.why:
            _LOGGER.warning("%s", why)
        self.why = why
        self._pause_s = min(max(2 * self._pause_s, FIRST_RETRY_S), LAST_RETRY_S)
        self.over_at = now + self._pause_s

    def end(self) -> None:
        self.why = ""
        self.over_at = -inf
        self._pause_s = 0.0
