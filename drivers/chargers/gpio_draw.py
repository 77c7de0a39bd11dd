"""What the pulses of a meter say about the energy that flows now."""

from __future__ import annotations

from typing import Final

#: Without a pulse for so long nothing is drawn: at 1000 pulses per kWh it is less than
#: 60 W.
PAUSE_S: Final = 60.0


class Draw:
    """Pulses less than `PAUSE_S` apart; times are those of a monotonic clock."""

    def __init__(self) -> None:
        self._pulses = 0
        #: When it is over unless there is another pulse.
        self.ends_at = 0.0

    def add(self, pulses: int, now: float) -> None:
        """Note pulses that were counted just now."""
        self._pulses = self.pulses(now) + pulses
        self.ends_at = now + PAUSE_S

    def pulses(self, now: float) -> int:
        """How many there have been without a pause; 0 when nothing is drawn."""
        return self._pulses if now < self.ends_at else 0
