"""GPIOs and beeper of the ELATEC TWN4, as functions of its Simple Protocol; pure.

The numbers of the functions and their order of parameters are those of the firmware's
header (API_PERIPH): bits of the GPIOs in one byte, times and frequencies in two, low
byte first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from drivers.gpio import OutputLine
from drivers.readers.formats.panel import BUZZER, Panel, levels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.readers.formats.panel import Wiring

GPIO_CONFIGURE_OUTPUTS: Final = bytes.fromhex("04 00")  # Then bits, pull, type
GPIO_SET_BITS: Final = bytes.fromhex("04 02")
GPIO_CLEAR_BITS: Final = bytes.fromhex("04 03")
BEEP: Final = bytes.fromhex("04 07")  # Then volume, frequency, time on, time off
NO_PULL_PUSH_PULL: Final = bytes.fromhex("00 00")

LINES: Final = tuple(f"GPIO{bit}" for bit in range(8))
#: The LEDs of the board, as the firmware's header names them.
BOARD: Final = {
    "red": OutputLine(line="GPIO0"),
    "green": OutputLine(line="GPIO1"),
    "yellow": OutputLine(line="GPIO2"),
}
VOLUME_PERCENT: Final = 100
FREQUENCY_HZ: Final = 2400  # The header's BEEP_FREQUENCY_HIGH


class Twn4Panel(Panel):
    """LEDs and perhaps a buzzer on GPIOs, and else the beeper; `volume` 0: silent."""

    def __init__(
        self,
        wiring: Wiring,
        volume: int = VOLUME_PERCENT,
        frequency: int = FREQUENCY_HZ,
    ) -> None:
        super().__init__(wiring)
        self._wiring = wiring
        self._volume = volume
        self._frequency = frequency

    def set_up(self) -> list[bytes]:
        """Make outputs of the GPIOs."""
        bits = _bits(str(line.line) for line in self._wiring.values())
        return [GPIO_CONFIGURE_OUTPUTS + bits + NO_PULL_PUSH_PULL] if any(bits) else []

    def switch(self, on: frozenset[str], before: frozenset[str] | None) -> list[bytes]:
        """Clear bits, then set bits; nothing is said of those that stay."""
        low, high = levels(self._wiring, on, before)
        commands = (GPIO_CLEAR_BITS + _bits(low), GPIO_SET_BITS + _bits(high))
        return [command for command in commands if command[-1]]

    def beep(self, seconds: float) -> bytes | None:
        """Beep once, without a pause after it."""
        if BUZZER in self._wiring or not self._volume:
            return None
        on_ms = max(round(seconds * 1000), 1)
        times = self._frequency.to_bytes(2, "little") + on_ms.to_bytes(2, "little")
        return BEEP + bytes([self._volume]) + times + bytes(2)


def _bits(lines: Iterable[str]) -> bytes:
    return bytes([sum(1 << LINES.index(line) for line in lines)])
