"""The Indicator port: what the driver at the charge point sees and hears."""

from __future__ import annotations

from abc import abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from drivers.driver import Driver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.readers.base import Reader


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


class Misfit(NamedTuple):
    """A key of an indicator's table that does not go with its reader, and why not."""

    key: str
    problem: str


class Indicator(Driver):
    """One reader's lights and buzzer; its failure never touches a decision."""

    @classmethod
    def find_misfits(cls, config: Any, reader: object) -> Iterable[Misfit]:  # noqa: ANN401 - a Config
        """Say what in `config` does not go with a reader of that configuration."""
        del config, reader
        return ()

    def attach(self, reader: Reader) -> None:
        """Learn whose indicator this is, before anything is shown or opened."""

    @abstractmethod
    def show(self, signal: Signal) -> AsyncGenerator[None]:
        """Show the signal until closed; yield once it is seen, and when it is again.

        Raise DriverError when it cannot be shown, or no longer. A generator that ends
        leaves the signal as it is: nothing of it moves. Closing it ends blinking and
        tones, and leaves the lamps as they are.
        """

    async def close(self) -> None:
        """Show nothing any more, and give back what was taken; called once, last."""
