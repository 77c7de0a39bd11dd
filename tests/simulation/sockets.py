"""The sockets, their cars and meters, and everything that ever flowed there.

Nobody here knows what the agent believes. Times are true seconds since the beginning.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import ChargerState, Vehicle

if TYPE_CHECKING:
    from collections.abc import Callable

_HOUR_S: Final = 3600.0
_LEAVES_S: Final = 15.0
#: What happens so shortly before or after a dark time may have gone unseen.
_SEES_S: Final = 15.0


class Off(Enum):
    """Why energy could not flow any more."""

    COMMAND = "command"
    UNPLUGGED = "unplugged"
    FAULT = "fault"
    POWER = "power"


@dataclass(eq=False, slots=True)
class Charge:
    """A time in which a socket let a car have energy, and what its register said.

    `visit` counts the cars at this socket.
    """

    socket: str
    visit: int
    on_at: float
    on_wh: int
    off_at: float | None = None
    off_wh: int = 0
    off: Off | None = None


@dataclass(eq=False, slots=True)
class Dark:
    """A time in which the agent could not see or command a socket."""

    since: float
    until: float | None = None


class Socket:
    """One EVSE: contactor, meter, and whatever car is there.

    The contactor is switched by commands only, besides by a fault or without power; a
    car that leaves does not open it. `visible` is whether the agent can reach it.
    """

    def __init__(self, uid: str, true: Callable[[], float], first_wh: int) -> None:
        self.uid = uid
        self.charges: list[Charge] = []
        #: Enable commands that may have done nothing.
        self.vain: list[float] = []
        self.darks: list[Dark] = []
        #: When cars left: a session may have been about to start.
        self.left_at: list[float] = []
        #: When faults came.
        self.failed_at: list[float] = []
        self.visits = 0
        self.plugged = False
        #: A car has left and nobody may have noticed.
        self._left_unseen = False
        #: A car that leaves takes its time.
        self._taken_until = -inf
        self.enabled = False
        self.watts = 0
        self.fault: str | None = None
        self.linked = True
        #: What its contactor needs besides the usual.
        self.slow_s = 0.0
        #: Somebody has tapped and is about to plug in.
        self.reserved = False
        self.resets = 0
        self.changed = asyncio.Event()
        self._true = true
        self._wh = float(first_wh)
        self._read_at = true()
        #: What the register said whenever something changed.
        self._moments = array("d", [self._read_at])
        self._readings = array("d", [self._wh])

    # ---- what can be seen of it -----------------------------------------------------

    @property
    def can_flow(self) -> bool:
        """Whether a car may have energy."""
        return self.enabled and self.plugged and self.fault is None

    @property
    def state(self) -> ChargerState:
        """Say how things stand, as a charger would."""
        if not self.plugged:
            vehicle = Vehicle.ABSENT
        else:
            flows = self.can_flow and self.watts > 0
            vehicle = Vehicle.CHARGING if flows else Vehicle.CONNECTED
        return ChargerState(vehicle, self.enabled, self.register_wh(), self.fault)

    def register_wh(self) -> int:
        """Read the energy register."""
        now = self._true()
        if self.can_flow:
            self._wh += self.watts * (now - self._read_at) / _HOUR_S
        self._read_at = now
        return int(self._wh)

    def wh_at(self, moment: float) -> float:
        """Look up what the register has shown at a moment of the past."""
        moments, readings = self._moments, self._readings
        after = min(bisect_right(moments, moment), len(moments) - 1)
        before = max(after - 1, 0)
        passed_s = moments[after] - moments[before]
        if passed_s <= 0 or moment >= moments[after]:
            return readings[after]
        share = (moment - moments[before]) / passed_s
        return readings[before] + (readings[after] - readings[before]) * share

    def moved_until(self, moment: float) -> float:
        """Say until when, at most up to a moment, the register has been moving."""
        shown = self.wh_at(moment)
        for index in reversed(range(bisect_right(self._moments, moment))):
            if self._readings[index] < shown:
                break
            moment = self._moments[index]
        return moment

    @property
    def is_free(self) -> bool:
        """Whether a car could be plugged in."""
        taken = self.plugged or self.reserved or self._true() < self._taken_until
        if self.enabled:
            return False  # It is lit, as if somebody were charging.
        # Nobody could tell the agent that another car came while it did not look.
        return not taken and not self._left_unseen

    @property
    def is_idle(self) -> bool:
        """Whether there has been nothing for a while that could keep anybody off."""
        now, dark = self._true(), self.darks[-1] if self.darks else None
        rested = now - self._moments[-1] > _SEES_S
        seen = dark is None or (dark.until is not None and now - dark.until > _SEES_S)
        return rested and seen and not self.plugged and self.fault is None

    # ---- what is done to it ---------------------------------------------------------

    def plug(self) -> None:
        """Let a car be plugged in, that wants nothing yet."""
        assert not self.plugged
        self.visits += 1
        self._become(Off.COMMAND, plugged=True, watts=0)

    def unplug(self) -> None:
        """Let the car go."""
        self.left_at.append(self._true())
        self._left_unseen = self._left_unseen or not self.is_watched
        self._taken_until = self._true() + _LEAVES_S
        self._become(Off.UNPLUGGED, plugged=False, watts=0)

    def draw(self, watts: int) -> None:
        """Let the car want so much."""
        self._become(Off.COMMAND, watts=watts)

    def switch(self, *, on: bool) -> None:
        """Obey the agent."""
        self._become(Off.COMMAND, enabled=on)

    def fail(self, name: str | None) -> None:
        """Let a fault come, or go."""
        if name is not None:
            self.failed_at.append(self._true())
        self._become(Off.FAULT, fault=name)

    def lose_power(self) -> None:
        """Open the contactor, which stays open when power is back."""
        self.resets += 1
        self._become(Off.POWER, enabled=False)

    # ---- whether the agent sees it --------------------------------------------------

    @property
    def is_watched(self) -> bool:
        """Whether the agent sees what happens."""
        return not self.darks or self.darks[-1].until is not None

    def darken(self) -> None:
        """Note that the agent does not see any more what happens."""
        if self.is_watched:
            self.darks.append(Dark(self._true()))

    def lighten(self) -> None:
        """Note that the agent sees how things stand."""
        if not self.is_watched:
            self.darks[-1].until = self._true()
        if self._left_unseen:
            self._left_unseen = False
            self._taken_until = self._true() + _LEAVES_S

    def is_dark(self, since: float, until: float) -> bool:
        """Whether it was out of the agent's sight at any time between."""
        return any(
            dark.since <= until and (dark.until is None or dark.until >= since)
            for dark in self.darks
        )

    def seen_by(self, moment: float) -> float:
        """Say when the agent had seen, for a while, what happened at a moment."""
        for dark in self.darks:
            if dark.since <= moment and (
                dark.until is None or dark.until >= moment - _SEES_S
            ):
                moment = (dark.until or inf) + _SEES_S
        return moment

    def unseen_since(self, moment: float, blink_s: float = _SEES_S) -> float:
        """Say when the agent had last seen it before something happened unseen.

        When it could look for less than `blink_s`, it may have forgotten what it saw.
        """
        for dark in reversed(self.darks):
            until = inf if dark.until is None else dark.until
            if dark.since <= moment + _SEES_S and until >= moment - blink_s:
                moment = min(moment, dark.since)
        return moment

    def _become(self, why: Off, **change: object) -> None:
        self.register_wh()
        before = self.can_flow
        now = self._true()
        self._moments.append(now)
        self._readings.append(self._wh)
        for name, value in change.items():
            setattr(self, name, value)
        if self.can_flow and not before:
            charge = Charge(self.uid, self.visits, now, self.register_wh())
            self.charges.append(charge)
        elif before and not self.can_flow:
            charge = self.charges[-1]
            charge.off_at, charge.off_wh, charge.off = now, self.register_wh(), why
        self.changed.set()
