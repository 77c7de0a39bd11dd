"""A GPIO chip in memory: tests drive its inputs and look at its outputs."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from drivers.errors import TransientDeviceError
from drivers.gpio import Edge, InputLine, Lines, OutputLine, PulseLine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.errors import DriverError


class FakeChip:
    """Hands out its lines once at a time, by the names their opener gives them."""

    def __init__(self) -> None:
        #: What the inputs are told from outside.
        self.levels: dict[str, bool] = {}
        #: The outputs as they are now; they stay as they were when they are given back.
        self.outputs: dict[str, bool] = {}
        #: Every switching, with the loop's time.
        self.history: list[tuple[float, str, bool]] = []
        self.opened: list[tuple[str, dict[str, OutputLine | InputLine]]] = []
        #: Raised by everything, until it is taken away.
        self.failure: DriverError | None = None
        #: Raised by switching alone.
        self.disobeys: DriverError | None = None
        self.lines: FakeLines | None = None
        #: When an input will have settled, in seconds from now.
        self.settles_in_s: float | None = None

    def open(self, chip: str, lines: Mapping[str, OutputLine | InputLine]) -> FakeLines:
        """Take the lines, as drivers.gpio.open_lines does."""
        if self.failure is not None:
            raise self.failure
        if self.lines is not None:
            raise TransientDeviceError(f"a line of {chip} is used by another program")
        self.opened.append((chip, dict(lines)))
        self.lines = FakeLines(self, lines)
        for name, line in lines.items():
            if isinstance(line, OutputLine):
                self.switch(name, active=False)
        return self.lines

    def is_free(self) -> bool:
        """Whether nobody has the lines."""
        return self.lines is None

    def switch(self, name: str, *, active: bool) -> None:
        """Set an output."""
        self.outputs[name] = active
        now = asyncio.get_running_loop().time()
        self.history.append((now, name, active))

    def drive(self, name: str, *, active: bool) -> None:
        """Change an input."""
        self.levels[name] = active
        if self.lines is not None:
            self.lines.feel(name, active=active)

    def pulse(self, name: str, times: int = 1, lost: int = 0) -> None:
        """Give pulses, and before them some that nobody came to read."""
        assert self.lines is not None, "the lines are not open"
        self.lines.lose(name, lost)
        for _ in range(times):
            self.lines.feel(name, active=True)
            self.lines.feel(name, active=False)

    def fail(self, failure: DriverError) -> None:
        """Be unplugged."""
        self.failure = failure
        if self.lines is not None:
            self.lines.wake()


class FakeLines(Lines):
    """Lines of a FakeChip."""

    def __init__(
        self, chip: FakeChip, lines: Mapping[str, OutputLine | InputLine]
    ) -> None:
        self._chip = chip
        self._lines = dict(lines)
        self._edges: list[Edge] = []
        self._numbers = dict.fromkeys(lines, 0)
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Name the descriptor."""
        return self._fd

    def settles_in_s(self) -> float | None:
        """Say what the chip says."""
        return self._chip.settles_in_s

    def set(self, name: str, *, active: bool) -> None:
        """Switch an output."""
        self._check()
        assert isinstance(self._lines[name], OutputLine)
        if self._chip.disobeys is not None:
            raise self._chip.disobeys
        self._chip.switch(name, active=active)

    def is_active(self, name: str) -> bool:
        """Look at a line."""
        self._check()
        if isinstance(self._lines[name], OutputLine):
            return self._chip.outputs[name]
        return self._chip.levels.get(name, False)

    def read_edges(self) -> list[Edge]:
        """Return what was felt."""
        self._check()
        edges, self._edges = self._edges, []
        if edges:
            os.eventfd_read(self._fd)
        return edges

    def close(self) -> None:
        """Give the lines back."""
        os.close(self._fd)
        self._chip.lines = None

    def feel(self, name: str, *, active: bool) -> None:
        """Have an input change."""
        line = self._lines.get(name)
        if line is None or (isinstance(line, PulseLine) and not active):
            return
        self._numbers[name] += 1
        self._edges.append(Edge(name, active, self._numbers[name]))
        self.wake()

    def settle(self, name: str, *, active: bool) -> None:
        """Have an input change that does not make the descriptor readable."""
        self._chip.levels[name] = active

    def lose(self, name: str, edges: int) -> None:
        """Count edges that are never read."""
        self._numbers[name] += edges

    def wake(self) -> None:
        """Make the descriptor readable."""
        os.eventfd_write(self._fd, 1)

    def _check(self) -> None:
        if self._chip.failure is not None:
            raise self._chip.failure
