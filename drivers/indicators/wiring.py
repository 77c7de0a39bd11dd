"""Which lamps, and whether a buzzer, hang on lines that the installer has named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.gpio import OutputLine  # noqa: TC001 - the configuration reads it
from drivers.indicators.patterns import Patterns

BUZZER: Final = "buzzer"
OUTPUTS: Final = ("red", "green", "blue", "yellow", BUZZER)


@dataclass(frozen=True, slots=True, kw_only=True)
class WiredPatterns(Patterns):
    """Patterns, and the lines that there are; `yellow` is a lamp of its own."""

    red: OutputLine | None = None
    green: OutputLine | None = None
    blue: OutputLine | None = None
    yellow: OutputLine | None = None
    buzzer: OutputLine | None = None

    def lines(self) -> dict[str, OutputLine]:
        """Name the lines by what hangs on them."""
        named = {name: getattr(self, name) for name in OUTPUTS}
        return {name: line for name, line in named.items() if line is not None}
