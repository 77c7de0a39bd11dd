"""What nfcpy, pyserial and libusb throw, by the retry policy that fits it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from drivers.errnos import DENIED, IN_USE, NO_TTY, errors_behind, number_of
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers.nfc_place import Place, TtyPlace

if TYPE_CHECKING:
    from drivers.errors import DriverError

# Without EIO, which nfcpy makes of most things.
_GONE: Final = (errno.ENOENT, errno.ENODEV, errno.ENXIO)

# libusb's errors are no OSErrors, and not all of them are translated by nfcpy.
_OF_LIBUSB: Final = {
    "USBErrorAccess": errno.EACCES,
    "USBErrorBusy": errno.EBUSY,
    "USBErrorNoDevice": errno.ENODEV,
    "USBErrorNotFound": errno.ENODEV,
    "USBErrorIO": errno.EIO,
    "USBErrorPipe": errno.EIO,
    "USBErrorTimeout": errno.ETIMEDOUT,
}


def opening_error(place: Place, err: Exception) -> DriverError:
    """Name what keeps an adapter from being opened."""
    code = _errno(err)
    why = _explain(err, code)
    if code in DENIED:
        hint = (
            "the agent's user must be in the group dialout"
            if isinstance(place, TtyPlace)
            else "a udev rule must let the agent's user in"
        )
        return AccessDeniedError(f"cannot open {place}: {why}; {hint}")
    if code in IN_USE:
        return TransientDeviceError(f"{place} is used by another program or driver")
    if isinstance(place, TtyPlace) and code in NO_TTY:
        return UnsupportedDeviceError(f"expected a serial port at {place}: {why}")
    if code in _GONE:
        return DeviceGoneError(f"there is no NFC adapter at {place}: {why}")
    return TransientDeviceError(
        f"no PN532 answers at {place}: {why}; check its wiring and its mode switches, "
        "and switch its power off and on"
        if isinstance(place, TtyPlace)
        else f"cannot open {place}: {why}"
    )


def working_error(place: Place, err: Exception) -> DriverError:
    """Name what went wrong with an adapter that worked."""
    code = _errno(err)
    why = _explain(err, code)
    if _is_unplugged(err):
        return DeviceGoneError(f"{place} was unplugged: {why}")
    return TransientDeviceError(f"{place} failed: {why}")


def _is_unplugged(err: Exception) -> bool:
    """Whether a device that is gone is behind it, whatever nfcpy made of that."""
    return any(_number(one) in _GONE for one in errors_behind(err))


def _errno(err: Exception) -> int | None:
    return next(filter(None, map(_number, errors_behind(err))), None)


def _number(err: BaseException) -> int | None:
    return number_of(err) or _OF_LIBUSB.get(type(err).__name__)


def _explain(err: Exception, code: int | None) -> str:
    """Say it without the library's own words, which may hold what a card said."""
    return os.strerror(code) if code else f"{type(err).__name__} in nfcpy"
