"""GPIO lines of the kernel's character devices, through libgpiod (gpiod 2.5)."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gpiod
from gpiod.line import Bias, Direction, Value
from gpiod.line import Edge as LineEdge

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.gpio import Edge, InputLine, Lines, OutputLine, Pull, PulseLine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.errors import DriverError

CONSUMER: Final = "rfid-agent"  # Shown by gpioinfo(1)
_DEVICES: Final = "/dev"
_READS_AT_ONCE: Final = 16  # A noisy line must not keep the loop
_BIAS: Final = {
    Pull.AS_IS: Bias.AS_IS,
    Pull.UP: Bias.PULL_UP,
    Pull.DOWN: Bias.PULL_DOWN,
    Pull.OFF: Bias.DISABLED,
}
_GONE: Final = (errno.ENODEV, errno.ENXIO, errno.EIO, errno.EBADF)
_DENIED: Final = (errno.EACCES, errno.EPERM)


class GpiodLines(Lines):
    """One request; the kernel debounces, and turns active-low lines round."""

    def __init__(self, chip: str, request: gpiod.LineRequest, names: list[str]) -> None:
        self._chip = chip
        self._request = request
        self._offsets = dict(zip(names, request.offsets, strict=True))
        self._names = {offset: name for name, offset in self._offsets.items()}

    def fileno(self) -> int:
        """Name the descriptor of the request."""
        return self._request.fd

    def set(self, name: str, *, active: bool) -> None:
        """Switch an output."""
        value = Value.ACTIVE if active else Value.INACTIVE
        try:
            self._request.set_value(self._offsets[name], value)
        except OSError as err:
            raise _error(self._chip, err) from err

    def is_active(self, name: str) -> bool:
        """Look at a line."""
        try:
            return self._request.get_value(self._offsets[name]) is Value.ACTIVE
        except OSError as err:
            raise _error(self._chip, err) from err

    def read_edges(self) -> list[Edge]:
        """Read the kernel's buffer."""
        events: list[gpiod.EdgeEvent] = []
        try:
            for _ in range(_READS_AT_ONCE):
                # Reading without an event would wait for one.
                if not self._request.wait_edge_events(0):
                    break
                events += self._request.read_edge_events()
        except OSError as err:
            raise _error(self._chip, err) from err
        return [
            Edge(
                self._names[event.line_offset],
                event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE,
                event.line_seqno,
            )
            for event in events
        ]

    def close(self) -> None:
        """Release the request."""
        with suppress(OSError):
            self._request.release()


def open_lines(chip: str, lines: Mapping[str, OutputLine | InputLine]) -> GpiodLines:
    """Request all lines at once, so that it is all of them or none."""
    with find_chip(chip) as found:
        offsets = [_offset(found, chip, line.line) for line in lines.values()]
        if len(set(offsets)) < len(offsets):
            raise UnsupportedDeviceError(f"a line of {chip} is given two tasks")
        settings = [settings_of(line) for line in lines.values()]
        try:
            request = found.request_lines(
                dict(zip(offsets, settings, strict=True)), consumer=CONSUMER
            )
        except (OSError, ValueError) as err:
            raise _error(chip, err) from err
    return GpiodLines(chip, request, list(lines))


def look_at(chip: str, line: str | int) -> None:
    """See whether there is such a line that we may use; DriverError if not."""
    with find_chip(chip) as found:
        offset = _offset(found, chip, line)
        try:
            info = found.get_line_info(offset)
        except OSError as err:
            raise _error(chip, err) from err
    if info.used and info.consumer != CONSUMER:
        raise TransientDeviceError(f"is used by {info.consumer or 'the kernel'}")


def settings_of(line: OutputLine | InputLine) -> gpiod.LineSettings:
    """Say in the library's words what a line is for."""
    if isinstance(line, OutputLine):
        return gpiod.LineSettings(
            direction=Direction.OUTPUT,
            active_low=line.active_low,
            output_value=Value.INACTIVE,
        )
    return gpiod.LineSettings(
        direction=Direction.INPUT,
        active_low=line.active_low,
        bias=_BIAS[line.pull],
        debounce_period=line.debounce,
        edge_detection=(
            LineEdge.RISING if isinstance(line, PulseLine) else LineEdge.BOTH
        ),
    )


def find_chip(wanted: str) -> gpiod.Chip:
    """Open a chip by its label, its name or its path."""
    if wanted.startswith("/"):
        return _open_chip(wanted)
    seen: list[str] = []
    denied: AccessDeniedError | None = None
    for path in sorted(Path(_DEVICES).glob("gpiochip*")):
        if path.is_symlink():
            continue  # Some boards have a second name for a chip.
        try:
            chip = _open_chip(str(path))
        except AccessDeniedError as err:
            denied = err
            continue
        except DeviceGoneError:
            continue
        try:
            info = chip.get_info()
        except OSError:
            chip.close()  # It is just going away.
            continue
        if wanted in (info.label, info.name):
            return chip
        seen.append(f"{info.label} ({info.name})")
        chip.close()
    if denied is not None:
        raise denied
    raise DeviceGoneError(
        f"there is no GPIO chip {wanted}; there are: {', '.join(seen) or 'none'}"
    )


def _open_chip(path: str) -> gpiod.Chip:
    try:
        return gpiod.Chip(path)
    except OSError as err:
        if err.errno == errno.ENOENT:
            raise DeviceGoneError(f"there is no GPIO chip {path}") from err
        if err.errno in (errno.ENOTTY, errno.EINVAL, errno.EISDIR):
            raise UnsupportedDeviceError(f"{path} is no GPIO chip") from err
        raise _error(path, err) from err


def _offset(found: gpiod.Chip, chip: str, line: str | int) -> int:
    try:
        return found.line_offset_from_id(line)
    except (OSError, ValueError) as err:
        lines = found.get_info().num_lines
        raise UnsupportedDeviceError(
            f"{chip} has no line {line}; it has {lines} lines, and gpioinfo lists them"
        ) from err


def _error(chip: str, err: OSError | ValueError) -> DriverError:
    """Name a failure by the retry policy that fits it."""
    code = err.errno if isinstance(err, OSError) else errno.EINVAL
    if code in _DENIED:
        return AccessDeniedError(
            f"cannot use {chip}: {err}; the agent's user must be in the group gpio, "
            "and its service must be allowed the device (DeviceAllow=char-gpiochip rw)"
        )
    if code == errno.EBUSY:
        return TransientDeviceError(
            f"a line of {chip} is used by another program; gpioinfo names it"
        )
    if code in _GONE:
        return DeviceGoneError(f"{chip} is gone, or is no GPIO chip: {err}")
    if code in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
        return UnsupportedDeviceError(f"{chip} cannot use a line as told: {err}")
    return TransientDeviceError(f"{chip} failed: {err}")
