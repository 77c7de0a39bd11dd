"""The Indicator port: what the driver at the charge point sees and hears."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, ClassVar


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
