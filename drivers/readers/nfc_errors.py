"""What nfcpy, pyserial and libusb throw, by the retry policy that fits it."""

from __future__ import annotations

import errno
import os
import termios
from typing import TYPE_CHECKING, Final

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers.nfc_place import Place, TtyPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.errors import DriverError

_GONE: Final = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_DENIED: Final = (errno.EACCES, errno.EPERM)
_IN_USE: Final = (errno.EAGAIN, errno.EBUSY)
# Where trying again is useless; EINVAL may come of a device that is just leaving.
_NO_TTY: Final = (errno.ENOTTY, errno.EISDIR, errno.ENOTDIR)

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
    if code in _DENIED:
        hint = (
            "the agent's user must be in the group dialout"
            if isinstance(place, TtyPlace)
            else "a udev rule must let the agent's user in"
        )
        return AccessDeniedError(f"cannot open {place}: {why}; {hint}")
    if code in _IN_USE:
        return TransientDeviceError(f"{place} is used by another program or driver")
    if isinstance(place, TtyPlace) and code in _NO_TTY:
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


def _chain(err: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was made of: nfcpy makes EIO of most things."""
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__


def _is_unplugged(err: Exception) -> bool:
    """Whether a device that is gone is behind it, whatever nfcpy made of that."""
    return any(_number(one) in _GONE for one in _chain(err))


def _errno(err: Exception) -> int | None:
    return next((code for one in _chain(err) if (code := _number(one))), None)


def _number(err: BaseException) -> int | None:
    if isinstance(err, OSError):
        return err.errno
    if isinstance(err, termios.error):
        return int(err.args[0])
    return _OF_LIBUSB.get(type(err).__name__)


def _explain(err: Exception, code: int | None) -> str:
    """Say it without the library's own words, which may hold what a card said."""
    return os.strerror(code) if code else f"{type(err).__name__} in nfcpy"
