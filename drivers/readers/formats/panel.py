"""The lights and the buzzer of a module itself: what it is told of them; pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drivers.gpio import OutputLine

    #: What hangs on which line, by the names of the outputs.
    Wiring = Mapping[str, OutputLine]

#: The output that is no lamp; a module may have one, or a beeper of its own.
BUZZER: Final = "buzzer"


class Panel(ABC):
    """What hangs on a module. Commands are what the module's `tell` takes.

    `outputs` are lamps by their colours, and maybe BUZZER.
    """

    def __init__(self, outputs: Iterable[str]) -> None:
        self.outputs: Final = frozenset(outputs)

    def set_up(self) -> list[bytes]:
        """Prepare the outputs; may be said at any time, and changes nothing then."""
        return []

    @abstractmethod
    def switch(self, on: frozenset[str], before: frozenset[str] | None) -> list[bytes]:
        """Have these outputs on and no other; `before`: those that are, if known."""

    def beep(self, seconds: float) -> bytes | None:
        """Sound a beeper that falls silent by itself; None if there is none."""
        del seconds
        return None


def levels(
    wiring: Wiring, on: frozenset[str], before: frozenset[str] | None
) -> tuple[set[str], set[str]]:
    """Name the lines that have to go low, and those that have to go high."""
    changed = wiring.keys() if before is None else on ^ before
    low: set[str] = set()
    high: set[str] = set()
    for name in changed:
        line = wiring[name]
        is_high = (name in on) is not line.active_low
        (high if is_high else low).add(str(line.line))
    return low, high
