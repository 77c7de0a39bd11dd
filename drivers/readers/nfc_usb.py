"""NFC adapters on USB, as the kernel lists them; reading it disturbs nobody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSFS: Final = Path("/sys/bus/usb/devices")
NODES: Final = Path("/dev/bus/usb")
MODULES: Final = Path("/proc/modules")

#: What nfcpy knows, by vendor and product.
KNOWN: Final = {
    (0x054C, 0x0193): "PN531",
    (0x04CC, 0x0531): "PN531",
    (0x04CC, 0x2533): "PN533",
    (0x04E6, 0x5591): "SCL3711",
    (0x04E6, 0x5593): "SCL3712",
    (0x054C, 0x02E1): "RC-S330/360/370",
    (0x054C, 0x06C1): "RC-S380",
    (0x054C, 0x06C3): "RC-S380",
    (0x072F, 0x2200): "ACR122U",
}
ACR122U: Final = (0x072F, 0x2200)
#: Drivers of the kernel that take adapters for themselves.
GRABBING_MODULES: Final = ("pn533_usb", "pn533", "port100")


@dataclass(frozen=True, slots=True)
class UsbAdapter:
    """One that is plugged in; `node` is what has to be opened."""

    product: tuple[int, int]
    node: Path

    @property
    def name(self) -> str:
        """What people call it."""
        vendor_id, product_id = self.product
        ids = f"{vendor_id:04x}:{product_id:04x}"
        return f"{KNOWN[self.product]} ({ids})" if self.product in KNOWN else ids

    def udev_rule(self) -> str:
        """Write the rule that lets the agent open it."""
        vendor_id, product_id = self.product
        return (
            f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{vendor_id:04x}", '
            f'ATTR{{idProduct}}=="{product_id:04x}", GROUP="rfid-agent", MODE="0660"'
        )


def find_adapters(
    product: tuple[int, int] | None, *, sysfs: Path = SYSFS, nodes: Path = NODES
) -> list[UsbAdapter]:
    """List those of one product, or all that nfcpy knows."""
    wanted = KNOWN.keys() if product is None else (product,)
    return [
        found
        for entry in (sorted(sysfs.iterdir()) if sysfs.is_dir() else ())
        if (found := _read(entry, nodes)) and found.product in wanted
    ]


def find_grabbing_modules(modules: Path) -> list[str]:
    """Name the loaded drivers of the kernel that take adapters for themselves."""
    try:
        lines = modules.read_text(encoding="utf-8").splitlines()
    except OSError:  # A kernel without modules
        return []
    loaded = {line.partition(" ")[0] for line in lines}
    return [one for one in GRABBING_MODULES if one in loaded]


def _read(entry: Path, nodes: Path) -> UsbAdapter | None:
    """Read one entry; None for an interface, or what was unplugged meanwhile."""
    try:
        vendor_id, product_id = (
            int((entry / name).read_text(), 16) for name in ("idVendor", "idProduct")
        )
        bus, number = (int((entry / name).read_text()) for name in ("busnum", "devnum"))
    except (OSError, ValueError):
        return None
    return UsbAdapter((vendor_id, product_id), nodes / f"{bus:03}" / f"{number:03}")
