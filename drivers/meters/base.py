"""The Meter port: read an energy register."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import Final

from drivers.driver import Driver

POLL_EVERY: Final = timedelta(seconds=5)


class Meter(Driver):
    """One EVSE's energy meter; it counts up over its life."""

    @property
    def poll_every(self) -> timedelta:
        """How often to read it while a vehicle is there."""
        return POLL_EVERY

    @abstractmethod
    async def read_wh(self) -> int:
        """Read the register in Wh; a DriverError says why there is no reading.

        FrameError for something that is no number. May be called after close().
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of the device; the next reading opens it again."""
