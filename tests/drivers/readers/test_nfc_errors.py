"""What nfcpy throws, and the retry policy that it becomes."""

from __future__ import annotations

import errno
import os
import termios
from typing import TYPE_CHECKING

import pytest

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers.nfc_errors import opening_error, working_error
from drivers.readers.nfc_place import Place, TtyPlace, UsbPlace

if TYPE_CHECKING:
    from collections.abc import Callable

TTY = TtyPlace("/dev/ttyUSB0")
USB = UsbPlace((0x04E6, 0x5591))


class USBErrorAccess(Exception):  # noqa: N818 - libusb's own name
    """As usb1 has it: no OSError."""


class USBErrorNoDevice(Exception):  # noqa: N818 - libusb's own name
    """As usb1 has it: no OSError."""


def os_error(code: int) -> OSError:
    """Make what the kernel says."""
    return OSError(code, os.strerror(code))


def hidden(cause: Exception) -> Exception:
    """Make EIO of an error, as nfcpy does while it waits for an ACK."""
    err = os_error(errno.EIO)
    err.__context__ = cause
    return err


OPENING: list[tuple[Place, Exception, type[DriverError], str]] = [
    (TTY, os_error(errno.ENOENT), DeviceGoneError, "no NFC adapter at /dev/ttyUSB0"),
    (TTY, os_error(errno.EACCES), AccessDeniedError, "group dialout"),
    (USB, os_error(errno.EACCES), AccessDeniedError, "udev rule"),
    (USB, USBErrorAccess(), AccessDeniedError, "udev rule"),
    (TTY, os_error(errno.EAGAIN), TransientDeviceError, "used by another program"),
    (USB, os_error(errno.EBUSY), TransientDeviceError, "used by another program"),
    (TTY, os_error(errno.ENOTTY), UnsupportedDeviceError, "expected a serial port"),
    (TTY, termios.error(errno.ENOTTY, ""), UnsupportedDeviceError, "a serial port"),
    (TTY, termios.error(errno.EINVAL, ""), TransientDeviceError, "check its wiring"),
    (TTY, hidden(os_error(errno.ETIMEDOUT)), TransientDeviceError, "check its wiring"),
    (USB, os_error(errno.EIO), TransientDeviceError, "cannot open usb:04e6:5591"),
    (USB, os_error(errno.ENODEV), DeviceGoneError, "no NFC adapter"),
    (TTY, IndexError("x"), TransientDeviceError, "IndexError in nfcpy"),
]
WORKING: list[tuple[Exception, type[DriverError], str]] = [
    (os_error(errno.EIO), TransientDeviceError, "Input/output error"),
    (os_error(errno.ETIMEDOUT), TransientDeviceError, "timed out"),
    (os_error(errno.ENODEV), DeviceGoneError, "No such device"),
    (hidden(os_error(errno.ETIMEDOUT)), TransientDeviceError, "Input/output error"),
    (hidden(os_error(errno.ENODEV)), DeviceGoneError, "was unplugged"),
    (hidden(USBErrorNoDevice()), DeviceGoneError, "was unplugged"),
    (USBErrorNoDevice(), DeviceGoneError, "was unplugged"),
    (termios.error(errno.ENXIO, "gone"), DeviceGoneError, "was unplugged"),
    (AssertionError(), TransientDeviceError, "AssertionError in nfcpy"),
    (AttributeError("x"), TransientDeviceError, "AttributeError in nfcpy"),
    (OSError("no number"), TransientDeviceError, "OSError in nfcpy"),
]


@pytest.mark.parametrize(("place", "err", "kind", "words"), OPENING)
def test_opening(
    place: Place, err: Exception, kind: type[DriverError], words: str
) -> None:
    """Each failure says whether to try again, and what a person can do."""
    named = opening_error(place, err)
    assert type(named) is kind
    assert words in str(named)


@pytest.mark.parametrize(("err", "kind", "words"), WORKING)
def test_working(err: Exception, kind: type[DriverError], words: str) -> None:
    """A device that is gone is told from one that fails, under nfcpy's EIO as well."""
    named = working_error(TTY, err)
    assert type(named) is kind
    assert words in str(named)


@pytest.mark.parametrize("name", [opening_error, working_error])
def test_no_words_of_the_library(
    name: Callable[[Place, Exception], DriverError],
) -> None:
    """A library's message may hold what a card said, so it is not repeated."""
    assert "04A1B2C3" not in str(name(TTY, ValueError("04A1B2C3D4E5F6")))
