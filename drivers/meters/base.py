"""The Meter port: read an energy register."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.findings import Finding

POLL_EVERY = timedelta(seconds=5)


class Meter(ABC):
    """One EVSE's energy meter; it counts up over its life.

    `Config` is the driver's own table of the configuration, a frozen dataclass;
    relative paths in it are resolved against the state directory before the
    driver sees them.
    """

    Config: ClassVar[type[Any]]

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

    def check(self) -> Iterable[Finding]:
        """Look at what this driver needs, without disturbing the device; may block.

        Each finding names a cause that a person can do something about.
        """
        return ()
