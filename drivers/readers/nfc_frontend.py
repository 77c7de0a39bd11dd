"""An open NFC adapter; the one module that touches nfcpy, imported by its thread only.

A PN532 on a serial line is greeted here and not by nfcpy, which runs `stty` through a
shell and raises the chip's speed: unless it is closed in order, that leaves it deaf to
whoever comes next. nfcpy's PN532 driver does the rest.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import Any, Final

import nfc.clf
import nfc.clf.pn53x
import nfc.clf.pn532
import nfc.clf.transport

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers.formats.pn532 import WAKE_UP
from drivers.readers.formats.pn532_frames import ACK
from drivers.readers.nfc_chipset import SparedQuestions
from drivers.readers.nfc_errors import opening_error, working_error
from drivers.readers.nfc_field import Sighting
from drivers.readers.nfc_line import SerialLine
from drivers.readers.nfc_place import Place, TtyPlace, UsbPlace
from drivers.readers.nfc_usb import find_adapters

_LOGGER = logging.getLogger(__name__)

USB_TIMEOUT_MS: Final = 2000  # Far more than any answer takes, radio included

# After nfcpy was imported, which sets a level of its own. At DEBUG it writes every
# frame, and card numbers with them; what it calls errors is raised as well.
_NFCPY: Final = logging.getLogger("nfc")
_NFCPY.setLevel(logging.CRITICAL)
_NFCPY.propagate = False


class BoundedUsb(nfc.clf.transport.USB):  # type: ignore[misc] # nfcpy has no types
    """nfcpy's USB, but a device that is silent does not block its thread for ever."""

    def read(self, timeout: int = 0) -> Any:  # noqa: ANN401 - nfcpy has no types
        """Wait for a frame for so many milliseconds; 0 stood for no limit."""
        return super().read(timeout or USB_TIMEOUT_MS)

    def write(self, frame: bytes, timeout: int = 0) -> None:
        """Send a frame within so many milliseconds; 0 stood for no limit."""
        super().write(frame, timeout or USB_TIMEOUT_MS)


# nfcpy makes its transport by itself, and takes the class from there.
nfc.clf.transport.USB = BoundedUsb


class Frontend:
    """An adapter that is ready for looks; for one thread, until `close`."""

    def __init__(self, place: Place, clf: Any) -> None:  # noqa: ANN401 - nfcpy has no types
        chipset = getattr(clf.device, "chipset", None)
        if isinstance(chipset, nfc.clf.pn53x.Chipset):
            SparedQuestions(chipset)
        self._place = place
        self._clf = clf
        #: The adapter's own name, for the logs.
        self.name = str(clf.device)
        self._targets = [nfc.clf.RemoteTarget(kind) for kind in ("106A", "106B")]

    def look(self) -> Sighting | None:
        """Look for a card once, for at most some seconds; a DriverError if it fails."""
        try:
            target = self._clf.sense(*self._targets, iterations=1)
        except Exception as err:
            # nfcpy lets through whatever is in its way.
            raise working_error(self._place, err) from err
        return None if target is None else read_target(target)

    def close(self) -> None:
        """Let the adapter go, in whatever state it is."""
        device = self._clf.device
        # nfcpy forgets its device when closing it fails, and leaves the port open.
        transport = getattr(getattr(device, "chipset", None), "transport", None)
        try:
            self._clf.close()
        except Exception as err:  # noqa: BLE001 - as above, and nobody wants it any more
            _LOGGER.debug("closing %s: %s", self._place, type(err).__name__)
        finally:
            if transport is not None:
                with suppress(Exception):
                    transport.close()


def open_frontend(place: Place) -> Frontend:
    """Open an adapter; a DriverError says why it cannot be."""
    try:
        clf = _open(place)
    except DriverError:
        raise
    except Exception as err:
        raise opening_error(place, err) from err
    if clf.device is None:
        raise _absence(place)
    return Frontend(place, clf)


def load_libusb() -> None:
    """Load the library that USB needs, and only USB; UnsupportedDeviceError if not."""
    try:
        nfc.clf.transport.libusb.loadLibrary()
    except OSError as err:
        raise UnsupportedDeviceError(
            "cannot load libusb-1.0: install the package libusb-1.0-0"
        ) from err


def read_target(target: Any) -> Sighting:  # noqa: ANN401 - nfcpy has no types
    """Take the card number out of a target; one without has no bytes."""
    if target.sensb_res is not None:
        return Sighting(bytes(target.sensb_res[1:5]), is_type_b=True)
    # Type 1 tags have no uid as ISO/IEC 14443-3 knows it.
    return Sighting(bytes(target.sdd_res or b""))


def _open(place: Place) -> Any:  # noqa: ANN401 - nfcpy has no types
    """Let nfcpy look for it; its frontend has no device if it found none."""
    clf = nfc.clf.ContactlessFrontend()
    if isinstance(place, TtyPlace):
        clf.device = _open_tty(place.path)
    else:
        if isinstance(place, UsbPlace):
            load_libusb()
        clf.open(str(place))
    return clf


def _open_tty(path: str) -> Any:  # noqa: ANN401 - nfcpy has no types
    line = SerialLine(path)
    try:
        # The ACK ends what another program has left running.
        line.write(WAKE_UP + ACK)
        chipset = nfc.clf.pn532.Chipset(line, logger=nfc.clf.pn532.log)
        chipset.sam_configuration("normal")
        device = nfc.clf.pn532.Device(chipset, logger=nfc.clf.pn532.log)
    except BaseException:
        line.close()
        raise
    device._path = path  # noqa: SLF001 - nfcpy has no other way in
    return device


def _absence(place: Place) -> DriverError:
    """Say why nfcpy has found nothing; it keeps that to itself."""
    adapters = find_adapters(place.product) if isinstance(place, UsbPlace) else []
    for adapter in adapters:
        if not os.access(adapter.node, os.R_OK | os.W_OK):
            return AccessDeniedError(
                f"cannot open {place}: permission denied; a udev rule must let us in: "
                f"{adapter.udev_rule()}"
            )
    if adapters:
        return TransientDeviceError(
            f"the NFC adapter at {place} cannot be opened: another program, or a "
            "driver of the kernel, has it"
        )
    return DeviceGoneError(f"there is no NFC adapter at {place}")
