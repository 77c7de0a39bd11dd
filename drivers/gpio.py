"""GPIO lines: a small port of our own; only drivers/gpiod_*.py know the library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from msgspec import Meta

from drivers.errors import DriverError, UnsupportedDeviceError
from drivers.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    OpenLines = Callable[[str, Mapping[str, "OutputLine | InputLine"]], "Lines"]

#: By name, as the board's makers called it, or by its number on the chip.
LineId = Annotated[
    Annotated[str, Meta(min_length=1)] | Annotated[int, Meta(ge=0)],
    Meta(description='the name of a line, like "GPIO17", or its number on the chip'),
]
ChipId = Annotated[
    str,
    Meta(
        min_length=1,
        description='a GPIO chip: its label, like "pinctrl-bcm2711", name or path',
    ),
]
_ADVICE: Final = "install it with: sudo make install EXTRAS=gpio"

#: A length of time that may be zero.
_MayBeZero = Annotated[timedelta, Meta(extra={"may_be_zero": True})]


class Pull(StrEnum):
    """The resistor in the chip; `as-is` leaves it as the board has set it."""

    AS_IS = "as-is"
    UP = "up"
    DOWN = "down"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLine:
    """`active_low`: the line is at 0 V when what hangs on it is on."""

    line: LineId
    active_low: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLine:
    """`active_low`: the line is at 0 V when what it tells is true.

    `debounce`: a level counts once it has lasted so long.
    """

    line: LineId
    active_low: bool = False
    pull: Pull = Pull.AS_IS
    debounce: _MayBeZero = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseLine(InputLine):
    """A line of which only the beginnings of pulses are of interest."""

    debounce: _MayBeZero = timedelta(milliseconds=5)


class Edge(NamedTuple):
    """A change of an input.

    `number` counts the edges of this line from 1 since it was opened: a gap tells how
    many were lost because nobody came to read them.
    """

    name: str
    active: bool
    number: int


class Lines(ABC):
    """Lines that are ours until they are closed, by the names their opener gave them.

    Nothing here waits. What fails is a DriverError: the chip is gone, most likely.
    """

    @abstractmethod
    def fileno(self) -> int:
        """Name the descriptor that is readable when there are edges to read."""

    @abstractmethod
    def settles_in_s(self) -> float | None:
        """Say when to read edges although none is readable: an input is settling."""

    @abstractmethod
    def set(self, name: str, *, active: bool) -> None:
        """Switch an output."""

    @abstractmethod
    def is_active(self, name: str) -> bool:
        """Look at an input, or at what an output is switched to."""

    @abstractmethod
    def read_edges(self) -> list[Edge]:
        """Return what has changed since the last time, oldest first; may be nothing."""

    @abstractmethod
    def close(self) -> None:
        """Give the lines back; what outputs do then is the chip's affair."""


def open_lines(chip: str, lines: Mapping[str, OutputLine | InputLine]) -> Lines:
    """Take lines of a chip, outputs off from the first moment."""
    try:
        # The library is an optional extra.
        from drivers import gpiod_lines  # noqa: PLC0415
    except ImportError as err:
        raise UnsupportedDeviceError(
            f"GPIO needs the package gpiod: {_ADVICE} ({err})"
        ) from err
    return gpiod_lines.open_lines(chip, lines)


def lines_taken(
    chip: str, lines: Mapping[str, OutputLine | InputLine]
) -> Iterable[str]:
    """Name lines as the configuration does when two want the same."""
    return [f"GPIO line {line.line} of {chip}" for line in lines.values()]


def check_release(chip: str) -> Iterable[Finding]:
    """Look whether outputs go off when the agent dies; after check_lines()."""
    try:
        from drivers import gpiod_chips  # noqa: PLC0415 - as in open_lines

        keeps = gpiod_chips.keeps_outputs(chip)
    except (ImportError, DriverError):
        return  # As check_lines() has said
    if keeps:
        yield Finding(
            f"outputs of {chip}",
            "stay on when the agent dies: write dtparam=strict_gpiod into "
            "/boot/firmware/config.txt and reboot (docs/charger-gpio.md)",
        )


def check_lines(
    chip: str, lines: Mapping[str, OutputLine | InputLine]
) -> Iterable[Finding]:
    """Look whether there are such lines, without taking them."""
    try:
        from drivers import gpiod_lines  # noqa: PLC0415 - as in open_lines
    except ImportError as err:
        yield Finding("package gpiod", f"is missing: {_ADVICE} ({err})")
        return
    for name, line in lines.items():
        what = f"GPIO line {line.line} of {chip}, for {name}"
        try:
            gpiod_lines.look_at(chip, line.line)
        except DriverError as err:
            yield Finding(what, str(err))
        else:
            yield Finding(what)
