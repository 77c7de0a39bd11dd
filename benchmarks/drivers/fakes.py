"""Drivers whose hardware is a fake of the tests, moved by another process."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.drivers.openers import follow, make
from drivers.chargers.gpio import GpioCharger
from drivers.readers.wedge import Surroundings, WedgeReader
from tests.drivers.gpio_fake import FakeChip, FakeLines
from tests.drivers.readers.wedge_bench import FakeKeyboard, InputTree, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.drivers.openers import Tell
    from drivers.gpio import Edge, InputLine, OutputLine


class _InheritedKeyboard(FakeKeyboard):
    """A keyboard whose keys are pressed at the other end of a socket."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def open(self, path: Path) -> FakeKeyboard:
        """Stand in for what opens a device."""
        del path
        self._ours = socket.socket(fileno=self._descriptor)
        self._ours.setblocking(False)
        return self


async def wedge(tell: Tell, *, folder: str, descriptor: int, **options: Any) -> None:  # noqa: ANN401 - any key
    """Run the wedge driver; `folder` holds the kernel's list of keyboards."""
    tree = InputTree(Path(folder))
    keyboard = load(_InheritedKeyboard(descriptor))
    around = Surroundings(tree.sysfs, tree.nodes, keyboard)
    await follow(make(WedgeReader, options, surroundings=around).events(), tell)


class _InheritedLines(FakeLines):
    """Lines of which `vehicle` is what comes through a pipe: 1 or 0 for each edge."""

    descriptor = -1

    def fileno(self) -> int:
        """Name the descriptor."""
        return self.descriptor

    def read_edges(self) -> list[Edge]:
        """Read what has come."""
        for level in os.read(self.descriptor, 64):
            self._chip.drive("vehicle", active=level == ord("1"))
        return super().read_edges()


class _InheritedChip(FakeChip):
    """A chip with such lines."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def open(self, chip: str, lines: Mapping[str, OutputLine | InputLine]) -> FakeLines:
        """Take the lines."""
        del chip
        self.lines = taken = _InheritedLines(self, lines)
        taken.descriptor = self._descriptor
        return taken


async def gpio(tell: Tell, *, descriptor: int, **options: Any) -> None:  # noqa: ANN401 - any key
    """Run the gpio charger."""
    os.set_blocking(descriptor, False)
    chip = _InheritedChip(descriptor)
    await follow(make(GpioCharger, options, take_lines=chip.open).events(), tell)
