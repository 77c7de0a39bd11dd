"""The Indicator port: what the driver at the charge point sees and hears."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.findings import Finding


class Signal(StrEnum):
    """What is shown; drivers turn each into a colour, a blink or a tone."""

    READY = "ready"
    READING = "reading"
    CHECKING = "checking"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    CHARGING = "charging"
    LOCKED = "locked"
    ERROR = "error"


class Indicator(ABC):
    """One reader's lights and buzzer; its failure never touches a decision."""

    Config: ClassVar[type[Any]]

    @abstractmethod
    async def show(self, signal: Signal) -> None:
        """Show the signal until the next one; raise DriverError if it cannot."""

    async def close(self) -> None:  # noqa: B027 - most indicators have nothing to do
        """Show nothing any more, and give back what was taken; called once, last."""

    def check(self) -> Iterable[Finding]:
        """Look at what this driver needs, without disturbing the device; may block.

        Each finding names a cause that a person can do something about.
        """
        return ()
