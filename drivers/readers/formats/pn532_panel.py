"""Lamps and a buzzer on the free pins of a PN532; pure (user manual, WriteGPIO).

After its reset the chip drives these pins strongly to 0 and only weakly to 1, so what
needs a current hangs between the supply and the pin, and is `active_low`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from drivers.readers.formats.panel import Panel, levels

if TYPE_CHECKING:
    from drivers.readers.formats.panel import Wiring

WRITE_GPIO: Final = 0x0E  # Then P3 and P7
VALIDATE: Final = 0x80  # Without this bit a port stays as it is
ALL_OF_P3: Final = 0b11_1111  # P32 and P34 have to stay 1, and are no pins of ours
ALL_OF_P7: Final = 0b110

_P3: Final = {"P30": 1 << 0, "P31": 1 << 1, "P33": 1 << 3, "P35": 1 << 5}
# The lines of SPI, which has no use for them while the host speaks HSU.
_P7: Final = {"P71": 1 << 1, "P72": 1 << 2}
LINES: Final = (*_P3, *_P7)


class Pn532Panel(Panel):
    """Outputs on pins; a port on which none of them hangs is not written."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self._wiring = wiring
        self._used = {str(line.line) for line in wiring.values()}

    def switch(self, on: frozenset[str], before: frozenset[str] | None) -> list[bytes]:
        """Write the ports; what hangs on none of our pins stays 1."""
        if on == before:
            return []
        low, _ = levels(self._wiring, on, None)
        ports = (
            _written(pins, everything, self._used, low)
            for pins, everything in ((_P3, ALL_OF_P3), (_P7, ALL_OF_P7))
        )
        return [bytes([WRITE_GPIO, *ports])]


def _written(
    pins: dict[str, int], everything: int, used: set[str], low: set[str]
) -> int:
    if used.isdisjoint(pins):
        return 0
    return VALIDATE | everything - sum(pins[pin] for pin in low & pins.keys())
