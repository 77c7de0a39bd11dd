"""GPIO lines of the kernel's character devices, through libgpiod (gpiod 2.5)."""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import gpiod
from gpiod.line import Bias, Direction, Value
from gpiod.line import Edge as LineEdge

from drivers.errors import TransientDeviceError, UnsupportedDeviceError
from drivers.gpio import Edge, InputLine, Lines, OutputLine, Pull, PulseLine
from drivers.gpio_debounce import Contact
from drivers.gpiod_chips import find_chip, offset_of, to_driver_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Asked = Mapping[str, OutputLine | InputLine]

CONSUMER: Final = "rfid-agent"  # Shown by gpioinfo(1)
_READS_AT_ONCE: Final = 16  # A noisy line must not keep the loop
_MOST_KEPT: Final = 1024  # Events that the kernel keeps unread, at most
_NS_PER_S: Final = 1e9
_BIAS: Final = {
    Pull.AS_IS: Bias.AS_IS,
    Pull.UP: Bias.PULL_UP,
    Pull.DOWN: Bias.PULL_DOWN,
    Pull.OFF: Bias.DISABLED,
}


class GpiodLines(Lines):
    """One request; the kernel turns active-low lines round, and debounces most.

    `bouncing`: the inputs that it does not, to be debounced here. `monotonic` has to be
    the kernel's clock.
    """

    def __init__(
        self,
        chip: str,
        request: gpiod.LineRequest,
        names: list[str],
        bouncing: Mapping[str, InputLine],
        monotonic: Callable[[], float],
    ) -> None:
        self._chip = chip
        self._request = request
        self._offsets = dict(zip(names, request.offsets, strict=True))
        self._names = {offset: name for name, offset in self._offsets.items()}
        self._monotonic = monotonic
        self._only_begins = {n for n in bouncing if isinstance(bouncing[n], PulseLine)}
        self._contacts = {
            name: Contact(
                level=self._look(name), lasting_s=line.debounce.total_seconds()
            )
            for name, line in bouncing.items()
        }
        self._numbers = dict.fromkeys(bouncing, 0)
        self._settled: list[Edge] = []

    def fileno(self) -> int:
        """Name the descriptor of the request."""
        return self._request.fd

    def set(self, name: str, *, active: bool) -> None:
        """Switch an output, and look whether its chip still answers."""
        value = Value.ACTIVE if active else Value.INACTIVE
        try:
            self._request.set_value(self._offsets[name], value)
        except OSError as err:
            raise to_driver_error(self._chip, err) from err
        # A chip behind I2C or USB may fail without a word: most kernels have no way to
        # report that a line was not switched, but tell when one cannot be read.
        self._look(name)

    def is_active(self, name: str) -> bool:
        """Look at a line."""
        level = self._look(name)
        if (contact := self._contacts.get(name)) is None:
            return level
        # Edges that were lost leave their level behind.
        self._feel(name, self._monotonic(), level=level)
        return contact.level

    def read_edges(self) -> list[Edge]:
        """Read the kernel's buffer."""
        edges = []
        for event in self._read_events():
            name = self._names[event.line_offset]
            rises = event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE
            if name in self._contacts:
                self._feel(name, event.timestamp_ns / _NS_PER_S, level=rises)
            else:
                edges.append(Edge(name, rises, event.line_seqno))
        now = self._monotonic()
        for name, contact in self._contacts.items():
            if contact.settle(now):
                self._note(name)
        edges += self._settled
        self._settled = []
        return edges

    def settles_in_s(self) -> float | None:
        """Say when the next input that bounces here will have settled."""
        if self._settled:
            return 0
        due = [contact.due_at() for contact in self._contacts.values()]
        known = [at for at in due if at is not None]
        return max(min(known) - self._monotonic(), 0) if known else None

    def close(self) -> None:
        """Release the request."""
        with suppress(OSError):
            self._request.release()

    def _look(self, name: str) -> bool:
        try:
            return self._request.get_value(self._offsets[name]) is Value.ACTIVE
        except OSError as err:
            raise to_driver_error(self._chip, err) from err

    def _read_events(self) -> list[gpiod.EdgeEvent]:
        events: list[gpiod.EdgeEvent] = []
        try:
            for _ in range(_READS_AT_ONCE):
                # Reading without an event would wait for one.
                if not self._request.wait_edge_events(0):
                    break
                events += self._request.read_edge_events()
        except OSError as err:
            raise to_driver_error(self._chip, err) from err
        return events

    def _feel(self, name: str, at: float, *, level: bool) -> None:
        if self._contacts[name].feel(at, level=level):
            self._note(name)

    def _note(self, name: str) -> None:
        level = self._contacts[name].level
        if level or name not in self._only_begins:
            self._numbers[name] += 1
            self._settled.append(Edge(name, level, self._numbers[name]))


def open_lines(
    chip: str, lines: Asked, *, monotonic: Callable[[], float] = time.monotonic
) -> GpiodLines:
    """Request all lines at once, so that it is all of them or none."""
    with find_chip(chip) as found:
        offsets = [offset_of(found, chip, line.line) for line in lines.values()]
        if len(set(offsets)) < len(offsets):
            raise UnsupportedDeviceError(f"a line of {chip} is given two tasks")
        asked = dict(zip(offsets, lines.values(), strict=True))
        bouncing: dict[str, InputLine] = {}
        try:
            request = _request(found, chip, asked)
        except UnsupportedDeviceError:
            # The kernel debounces no line whose interrupts need a thread, which are
            # all behind I2C, SPI or USB, and says of it only that it is invalid.
            bouncing = {
                name: line
                for name, line in lines.items()
                if isinstance(line, InputLine) and line.debounce
            }
            if not bouncing:
                raise
            request = _request(found, chip, asked, debounces=False)
    try:
        return GpiodLines(chip, request, list(lines), bouncing, monotonic)
    except BaseException:
        request.release()
        raise


def look_at(chip: str, line: str | int) -> None:
    """See whether there is such a line that we may use; DriverError if not."""
    with find_chip(chip) as found:
        offset = offset_of(found, chip, line)
        try:
            info = found.get_line_info(offset)
        except OSError as err:
            raise to_driver_error(chip, err) from err
    if info.used and info.consumer != CONSUMER:
        raise TransientDeviceError(f"is used by {info.consumer or 'the kernel'}")


def settings_of(
    line: OutputLine | InputLine, *, debounces: bool = True
) -> gpiod.LineSettings:
    """Say in the library's words what a line is for, and whether the kernel debounces.

    If it does not, it is asked for every edge of what should be debounced.
    """
    if isinstance(line, OutputLine):
        return gpiod.LineSettings(
            direction=Direction.OUTPUT,
            active_low=line.active_low,
            output_value=Value.INACTIVE,
        )
    bounces = bool(line.debounce) and not debounces
    only_begins = isinstance(line, PulseLine) and not bounces
    return gpiod.LineSettings(
        direction=Direction.INPUT,
        active_low=line.active_low,
        bias=_BIAS[line.pull],
        debounce_period=timedelta() if bounces else line.debounce,
        edge_detection=LineEdge.RISING if only_begins else LineEdge.BOTH,
    )


def _request(
    found: gpiod.Chip,
    chip: str,
    asked: Mapping[int, OutputLine | InputLine],
    *,
    debounces: bool = True,
) -> gpiod.LineRequest:
    settings = [settings_of(line, debounces=debounces) for line in asked.values()]
    try:
        return found.request_lines(
            dict(zip(asked, settings, strict=True)),
            consumer=CONSUMER,
            event_buffer_size=None if debounces else _MOST_KEPT,
        )
    except (OSError, ValueError) as err:
        if isinstance(err, OSError) and err.errno == errno.ENXIO:
            raise UnsupportedDeviceError(
                f"{chip} has no interrupts for these lines, and tells no changes"
            ) from err
        raise to_driver_error(chip, err) from err
