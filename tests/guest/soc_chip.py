"""A GPIO chip as processors have them: the kernel's own simulator (gpio-sim).

Unlike one on USB it interrupts at once, so the kernel debounces its lines; it has names
for them, and resistors; and a line that nobody drives falls to its resistor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.guest.plugged import Plugged

LABEL: Final = "pinctrl-guest"
#: Few, because kernels before 6.2 count lines up to 1024, and never reuse the numbers
#: of a chip that went away while it was used.
LINES: Final = 7
_CONFIGURATION: Final = Path("/sys/kernel/config/gpio-sim")
_DEVICES: Final = Path("/sys/devices/platform")


class SocChip(Plugged):
    """There from the start until unplug(); a context manager. Its inputs are high.

    Its lines are called GPIO0 and so on.
    """

    def __init__(self, label: str = LABEL, lines: int = LINES) -> None:
        self.label = label
        self._count = lines
        self._folder = _CONFIGURATION / label
        self._bank = self._folder / "bank0"
        self._bank.mkdir(parents=True)
        (self._bank / "num_lines").write_text(str(lines))
        (self._bank / "label").write_text(label)
        for number in range(lines):
            folder = self._bank / f"line{number}"
            folder.mkdir()
            (folder / "name").write_text(f"GPIO{number}")
        self._is_there = True
        (self._folder / "live").write_text("1")
        name = (self._bank / "chip_name").read_text().strip()
        self.node = Path("/dev") / name
        device = (self._folder / "dev_name").read_text().strip()
        self._lines = _DEVICES / device / name
        for line in range(lines):
            self.drive(line, high=True)

    def is_high(self, line: int) -> bool:
        """Whether a line is high."""
        return (self._lines / f"sim_gpio{line}/value").read_text().strip() == "1"

    def drive(self, line: int, *, high: bool) -> None:
        """Pull a line up or down; one that is an output does not care.

        This is its resistor, too: a request that sets one takes this level away.
        """
        pull = "pull-up" if high else "pull-down"
        (self._lines / f"sim_gpio{line}/pull").write_text(pull)

    def unplug(self) -> None:
        """Take it away; harmless when it is."""
        if not self._is_there:
            return
        self._is_there = False
        (self._folder / "live").write_text("0")
        for number in range(self._count):
            (self._bank / f"line{number}").rmdir()
        self._bank.rmdir()
        self._folder.rmdir()
