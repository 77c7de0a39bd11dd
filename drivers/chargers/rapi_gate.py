"""How energy is held back and let through: the control modes of an OpenEVSE.

Each gate says, for the state that the controller is in, which command comes next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Final

from drivers.chargers.rapi_status import State, Status

#: A command's words; WAIT for none yet, None when nothing is left to do.
Step = tuple[str, ...] | None
WAIT: Final[tuple[str, ...]] = ()


class Control(StrEnum):
    """By what the controller is told to charge or not."""

    AUTO = "auto"  # The lock if the firmware has one, else sleep
    AUTH_LOCK = "auth-lock"
    SLEEP = "sleep"
    DISABLE = "disable"


class Gate(ABC):
    """One control mode; nothing here knows the line or the time."""

    #: Sent when the relay stays closed: it opens at once, under load.
    EMERGENCY: Final = ("FD",)

    @abstractmethod
    def is_open(self, status: Status) -> bool:
        """Tell whether the controller may close its relay by itself."""

    @abstractmethod
    def step_open(self, status: Status) -> Step:
        """Return what comes next to let energy flow; never asked in a fault."""

    @abstractmethod
    def step_close(self, status: Status) -> Step:
        """Return what comes next until the relay is open and stays so."""

    @abstractmethod
    def leave(self, status: Status | None) -> list[tuple[str, ...]]:
        """Return what to send before nobody listens any more; None is any state."""

    def shows_unplugged(self, status: Status) -> bool:
        """Tell whether a vehicle has left since the gate was opened, seen or not."""
        del status
        return False


class AuthLockGate(Gate):
    """S4, of builds with AUTH_LOCK; the controller locks by itself at each unplug."""

    def is_open(self, status: Status) -> bool:
        """Unlocked, and not put to rest at the charger itself."""
        return not status.is_auth_locked and not status.is_resting

    def step_open(self, status: Status) -> Step:
        """Wake it first: on its way through state A it would lock again."""
        if status.is_resting:
            return ("FE",)
        if status.state == State.UNKNOWN:
            return WAIT
        return ("S4", "0") if status.is_auth_locked else None

    def step_close(self, status: Status) -> Step:
        """Lock; locked, it may leave -12 V, where it does not see vehicles."""
        if not status.is_auth_locked:
            return ("S4", "1")
        if status.is_relay_closed:
            return WAIT
        return ("FE",) if status.state == State.DISABLED else None

    def leave(self, status: Status | None) -> list[tuple[str, ...]]:
        """Lock."""
        return [] if status and status.is_auth_locked else [("S4", "1")]

    def shows_unplugged(self, status: Status) -> bool:
        """Locked by itself: there was no vehicle for a while, or no power."""
        return status.is_auth_locked and status.state == State.CONNECTED


class SleepGate(Gate):
    """FS and FE: the vehicle is asked to stop, then the relay opens, within 3 s.

    In a fault the relay is open, and FS would end the controller's own tests and hide
    what is wrong: it is sent to sleep as soon as the fault is gone.
    """

    def is_open(self, status: Status) -> bool:
        """Neither asleep nor disabled."""
        return not status.is_resting

    def step_open(self, status: Status) -> Step:
        """Wake it."""
        if status.is_resting:
            return ("FE",)
        return WAIT if status.state == State.UNKNOWN else None

    def step_close(self, status: Status) -> Step:
        """Send it to sleep, from -12 V too, where it does not see vehicles."""
        if status.state == State.SLEEPING:
            return WAIT if status.is_relay_closed else None
        in_fault = status.fault is not None and not status.is_resting
        if in_fault and not status.is_relay_closed:
            return None
        return ("FS",)

    def leave(self, status: Status | None) -> list[tuple[str, ...]]:
        """Send it to sleep, in a fault too."""
        return [] if status and status.state == State.SLEEPING else [("FS",)]


class DisableGate(SleepGate):
    """FD, which opens the relay at once under load; then FS, as vehicles are seen."""

    def step_close(self, status: Status) -> Step:
        """Disable, and once the relay is open, sleep."""
        if status.is_relay_closed:
            return WAIT if status.state == State.DISABLED else ("FD",)
        return super().step_close(status)

    def leave(self, status: Status | None) -> list[tuple[str, ...]]:
        """Disable, then sleep."""
        if status is None or status.is_relay_closed:
            return [("FD",), ("FS",)]
        return super().leave(status)
