"""What an NFC adapter needs around it, looked at for `doctor`."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.errors import DriverError
from drivers.findings import Finding
from drivers.readers import nfc_usb
from drivers.readers.nfc_place import TtyPlace, UsbPlace
from drivers.serial_check import check_serial_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from drivers.readers.nfc_place import Place


def _load_libusb() -> None:
    # A tenth of a second, which only those pay who have such a reader.
    from drivers.readers import nfc_frontend  # noqa: PLC0415 - start-up time

    nfc_frontend.load_libusb()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where to look; the fields are for tests."""

    modules: Path = nfc_usb.MODULES
    sysfs: Path = nfc_usb.SYSFS
    nodes: Path = nfc_usb.NODES
    load_libusb: Callable[[], None] = _load_libusb

    def check(self, place: Place, reset: Sequence[str]) -> Iterator[Finding]:
        """Look at all that a device at this place needs."""
        yield from self._check_place(place)
        if reset:
            found = shutil.which(reset[0])
            yield Finding(
                f"reset command {reset[0]}",
                "" if found else "is not there, or may not be run",
            )

    def _check_place(self, place: Place) -> Iterator[Finding]:
        if isinstance(place, TtyPlace):
            yield check_serial_port(place.path)
        elif isinstance(place, UsbPlace):
            yield self._check_libusb()
            yield self._check_modules()
            yield from self._check_adapters(place)
        else:
            yield Finding(f"simulated field {place}")

    def _check_libusb(self) -> Finding:
        try:
            self.load_libusb()
        except (DriverError, ImportError) as err:
            return Finding("libusb", str(err))
        return Finding("libusb")

    def _check_modules(self) -> Finding:
        what = "drivers of the kernel"
        if not (grabbing := nfc_usb.find_grabbing_modules(self.modules)):
            return Finding(what)
        names = " ".join(grabbing)
        return Finding(
            what,
            f"{names} may take the adapter: copy rfid-agent-reader-blacklist.conf to "
            f"/etc/modprobe.d and run: modprobe -r {names}",
        )

    def _check_adapters(self, place: UsbPlace) -> Iterator[Finding]:
        adapters = nfc_usb.find_adapters(
            place.product, sysfs=self.sysfs, nodes=self.nodes
        )
        if not adapters:
            yield Finding(
                f"device {place}",
                "is not there: check cable and power, and see what is: lsusb",
            )
        for adapter in adapters:
            yield _check_adapter(adapter)


def _check_adapter(adapter: nfc_usb.UsbAdapter) -> Finding:
    what = f"device {adapter.name}"
    if adapter.product == nfc_usb.ACR122U:
        return Finding(what, "works better through PC/SC: use the driver pcsc")
    if os.access(adapter.node, os.R_OK | os.W_OK):
        return Finding(what)
    return Finding(
        what,
        f"we may not open {adapter.node}: write '{adapter.udev_rule()}' into "
        "/etc/udev/rules.d/61-rfid-agent-reader.rules, run udevadm control --reload, "
        "and plug it in again",
    )
