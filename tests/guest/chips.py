"""What the GPIO chips of the guest have in common, and using their lines."""

from __future__ import annotations

import select
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol, Self

from drivers.gpiod_lines import open_lines
from tests.guest.cp2112 import Cp2112
from tests.guest.soc_chip import SocChip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from drivers.gpio import Edge, InputLine, Lines, OutputLine

    Asked = Mapping[str, "OutputLine | InputLine"]

#: Their kinds, by what they are called in tests.
KINDS: Final = {"soc": SocChip, "usb": Cp2112}


class Chip(Protocol):
    """A chip with at least seven lines; its inputs are high unless they are driven."""

    label: str
    node: Path

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

    def is_high(self, line: int) -> bool:
        """Whether a line is high."""

    def drive(self, line: int, *, high: bool) -> None:
        """Put an input at a level, and wait until the kernel has seen it."""

    def unplug(self) -> None:
        """Take it away; harmless when it is."""


def pulse(chip: Chip, line: int, times: int = 1, *, lasting_s: float = 0.0) -> None:
    """Pull a line down for a moment, and let it be high for as long."""
    for _ in range(times):
        for high in (False, True):
            chip.drive(line, high=high)
            time.sleep(lasting_s)


@contextmanager
def using(chip: Chip, asked: Asked) -> Iterator[Lines]:
    """Take lines; in the end the chip is unplugged, and only then they are closed.

    The kernel's driver of the CP2112 may wait where it must not when an input of a
    chip that is there is given back, after which nothing in the guest can be trusted.
    """
    lines = open_lines(chip.label, asked)
    try:
        yield lines
    finally:
        chip.unplug()
        lines.close()


def edges_of(lines: Lines, count: int, within_s: float = 10.0) -> list[Edge]:
    """Wait for so many edges that count, as the charger does; return what has come."""
    edges: list[Edge] = []
    deadline = time.monotonic() + within_s
    while len(edges) < count and (left_s := deadline - time.monotonic()) > 0:
        settles_in_s = lines.settles_in_s()
        wait_s = left_s if settles_in_s is None else min(settles_in_s, left_s)
        select.select([lines.fileno()], [], [], wait_s)
        edges += lines.read_edges()
    return edges
