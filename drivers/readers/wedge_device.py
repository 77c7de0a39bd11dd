"""A keyboard that nobody else hears; `load_evdev` is the one place that needs evdev."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, Self

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.findings import user_name
from drivers.readers.wedge_keys import KeyEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

#: linux/input.h, EVIOCSCLOCKID: the clock that dates the events.
SET_CLOCK: Final = 0x400445A0

_GONE: Final = (errno.ENODEV, errno.ENOENT, errno.ENXIO, errno.EIO)
_NO_INPUT_DEVICE: Final = (errno.ENOTTY, errno.EINVAL, errno.EISDIR, errno.ENOTDIR)
_ID_MASK: Final = 0xFFFF  # evdev takes ids for signed numbers: ffff is -1 there


class Ids(Protocol):
    """What a device says of itself, as evdev tells it."""

    @property
    def vendor(self) -> int:
        """The vendor's number, of 16 bits, perhaps signed."""

    @property
    def product(self) -> int:
        """The vendor's number for it, alike."""


class Event(Protocol):
    """One event, as evdev tells it."""

    @property
    def sec(self) -> int:
        """Whole seconds of when it was."""

    @property
    def usec(self) -> int:
        """And microseconds."""

    @property
    def type(self) -> int:
        """EV_KEY and others."""

    @property
    def code(self) -> int:
        """Which key."""

    @property
    def value(self) -> int:
        """Pressed, released or repeated."""


class InputDevice(Protocol):
    """What is needed of evdev's InputDevice; all of it raises OSError."""

    @property
    def name(self) -> str:
        """What the device calls itself."""

    @property
    def info(self) -> Ids:
        """Who made it."""

    def fileno(self) -> int:
        """Tell the descriptor, which does not block."""

    def grab(self) -> None:
        """Have all events alone until it is closed."""

    def read(self) -> Iterable[Event]:
        """Read what is there; BlockingIOError if that is nothing."""

    def close(self) -> None:
        """Close it."""


def load_evdev() -> Callable[[Path], InputDevice]:
    """Load evdev; UnsupportedDeviceError says what to install. Blocks shortly."""
    try:
        # A station without such a reader needs no evdev.
        import evdev  # noqa: PLC0415 - see above
    except ImportError as err:
        raise UnsupportedDeviceError(
            "the package evdev is missing; install it with: "
            f"sudo make install EXTRAS=wedge ({err})"
        ) from err

    def open_device(path: Path) -> InputDevice:
        device: InputDevice = evdev.InputDevice(str(path))
        try:
            # The wall clock may jump within a number, and events are dated by it
            # unless told otherwise.
            clock = struct.pack("i", time.CLOCK_MONOTONIC)
            fcntl.ioctl(device.fileno(), SET_CLOCK, clock)
        except OSError:
            device.close()
            raise
        return device

    return open_device


class GrabbedKeyboard:
    """A keyboard, open and ours alone for as long as the context manager is.

    `product`: it is given back unless it is this one. Used on the running loop, by one
    task; no threads, no polling.
    """

    def __init__(
        self,
        path: Path,
        product: tuple[int, int] | None,
        open_device: Callable[[Path], InputDevice],
    ) -> None:
        self._path = path
        self._product = product
        self._open_device = open_device

    def __enter__(self) -> Self:
        """Open and grab it; a DriverError says why that cannot be."""
        self._loop = asyncio.get_running_loop()
        try:
            self._device = self._open_device(self._path)
        except OSError as err:
            raise _opening_error(self._path, err) from err
        try:
            self._check_product()
            self._grab()
        except DriverError:
            self._close()
            raise
        #: What it calls itself, for the logs.
        self.name = self._device.name
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._close()

    async def read(self, within_s: float | None) -> list[KeyEvent]:
        """Wait for events for so long at most; none may be there then.

        DeviceGoneError when it is gone. A cancelled read loses nothing.
        """
        ready = asyncio.Event()
        fd = self._device.fileno()
        self._loop.add_reader(fd, ready.set)
        try:
            async with asyncio.timeout(within_s):
                await ready.wait()
        except TimeoutError:
            # A loop that was held up finds the time over and the keys there.
            return self._read_waiting()
        finally:
            # Before anybody closes it: its number is soon another file's.
            self._loop.remove_reader(fd)
        events = self._read_waiting()
        if not events:
            raise DeviceGoneError(f"{self._path} was unplugged")
        return events

    def _read_waiting(self) -> list[KeyEvent]:
        try:
            return [
                KeyEvent(one.type, one.code, one.value, one.sec + one.usec / 1e6)
                for one in self._device.read()
            ]
        except BlockingIOError:
            return []
        except OSError as err:
            raise DeviceGoneError(
                f"{self._path} was unplugged: {err.strerror}"
            ) from err

    def _check_product(self) -> None:
        """Make sure of it: a number in /dev/input is another device's in no time."""
        info = self._device.info
        found = (info.vendor & _ID_MASK, info.product & _ID_MASK)
        if self._product not in (None, found):
            raise DeviceGoneError(f"{self._path} is another device by now")

    def _grab(self) -> None:
        try:
            self._device.grab()
        except OSError as err:
            if err.errno == errno.EBUSY:
                raise TransientDeviceError(
                    f"{self._path} is held by another program; unless it is ours alone "
                    "card numbers would be typed elsewhere, too: stop that program"
                ) from err
            raise _opening_error(self._path, err) from err

    def _close(self) -> None:
        # Linux has closed the descriptor, whatever it says.
        with suppress(OSError):
            self._device.close()


def _opening_error(path: Path, err: OSError) -> DriverError:
    if isinstance(err, PermissionError):
        return AccessDeniedError(
            f"cannot open {path}: {err.strerror}; let us in with a udev rule for "
            "this reader (docs/reader-wedge.md), or, to all keyboards, with: usermod "
            f"-aG input {user_name()}; the service needs: make install EXTRAS=wedge"
        )
    if err.errno in _GONE:
        return DeviceGoneError(f"{path} is not there: {err.strerror}")
    if err.errno in _NO_INPUT_DEVICE:
        return UnsupportedDeviceError(f"{path} is no input device: {err.strerror}")
    return TransientDeviceError(f"cannot open {path}: {err.strerror}")
