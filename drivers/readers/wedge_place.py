"""Which keyboard is the reader: the kernel's list of them, and the key `device`.

Nothing is opened here: what is no reader of ours is never touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.errors import DeviceGoneError, TransientDeviceError

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED: Final = (
    'vendor and product like "ffff:0035", or a path like '
    '"/dev/input/by-id/usb-...-event-kbd"'
)

_DEVICE: Final = re.compile(
    r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}|/dev/input/by-id/[^/\x00]+-event-[^/\x00]+"
)
_EVENT: Final = re.compile(r"event\d+", re.ASCII)
_KEY_1: Final = 1 << 2  # Its bit among the keys that a device says it has


@dataclass(frozen=True, slots=True)
class Keyboard:
    """An input device that types digits; `usb_port` is empty unless it tells one."""

    node: Path
    product: tuple[int, int]
    name: str
    usb_port: str

    @property
    def ids(self) -> str:
        """Write vendor and product as the configuration does."""
        return "{:04x}:{:04x}".format(*self.product)


@dataclass(frozen=True, slots=True)
class Product:
    """The one keyboard of a product, or that at a port if there are several."""

    product: tuple[int, int]
    usb_port: str = ""

    def __str__(self) -> str:
        ids = "{:04x}:{:04x}".format(*self.product)
        return f"{ids} at {self.usb_port}" if self.usb_port else ids


@dataclass(frozen=True, slots=True)
class ById:
    """The keyboard that udev gave this name."""

    name: str

    def __str__(self) -> str:
        return self.name


Place = Product | ById


def parse_place(device: str, usb_port: str = "") -> Place:
    """Parse what is configured; ValueError says what is expected."""
    if not _DEVICE.fullmatch(device):
        raise ValueError(f"device: expected {EXPECTED}, got {device!r}")
    if not device.startswith("/"):
        vendor_id, product_id = (int(part, 16) for part in device.split(":"))
        return Product((vendor_id, product_id), usb_port)
    if usb_port:
        raise ValueError(
            "usb_port: goes with a device like ffff:0035; a path needs none"
        )
    return ById(device.rpartition("/")[2])


def list_keyboards(*, sysfs: Path, nodes: Path) -> list[Keyboard]:
    """List the input devices that type digits; keyboards are among them."""
    entries = sysfs.iterdir() if sysfs.is_dir() else ()
    numbered = [entry for entry in entries if _EVENT.fullmatch(entry.name)]
    numbered.sort(key=lambda entry: int(entry.name.removeprefix("event")))
    found = (_read(entry, nodes) for entry in numbered)
    return [keyboard for keyboard in found if keyboard]


def find_node(
    place: Place, *, sysfs: Path, nodes: Path
) -> tuple[Path, tuple[int, int] | None]:
    """Find what to open, and as which product it has to present itself, if known.

    DeviceGoneError if it is not there, TransientDeviceError if it may be one of
    several.
    """
    if isinstance(place, ById):
        path = nodes / "by-id" / place.name
        if not path.exists():
            raise DeviceGoneError(f"{path} is not there: is the reader plugged in?")
        return path, None
    keyboards = list_keyboards(sysfs=sysfs, nodes=nodes)
    equal = [one for one in keyboards if one.product == place.product]
    # Each interface of one device has its port, and /input0 or /input1 behind it.
    meant = [
        one
        for one in equal
        if place.usb_port in ("", one.usb_port, one.usb_port.partition("/")[0])
    ]
    if not meant:
        others = ", ".join(one.usb_port for one in equal)
        hint = f"it is at {others}" if others else "is the reader plugged in?"
        raise DeviceGoneError(f"no keyboard {place}: {hint}")
    if len(meant) > 1:
        raise TransientDeviceError(
            f"{len(meant)} keyboards are {place}: name one by usb_port, which may be "
            + " or ".join(f'"{one.usb_port}"' for one in meant)
        )
    return meant[0].node, place.product


def _read(entry: Path, nodes: Path) -> Keyboard | None:
    """Read one entry; None if it types no digits, or was unplugged meanwhile."""
    device = entry / "device"
    try:
        keys = (device / "capabilities" / "key").read_text(encoding="ascii")
        vendor_id, product_id = (
            int((device / "id" / name).read_text(encoding="ascii"), 16)
            for name in ("vendor", "product")
        )
        name, port = (
            (device / file).read_text(encoding="utf-8", errors="replace").strip()
            for file in ("name", "phys")
        )
        # Words of bits, the lowest last.
        types_digits = int(keys.split()[-1], 16) & _KEY_1
    except (OSError, ValueError, IndexError):
        return None
    if not types_digits:
        return None
    return Keyboard(nodes / entry.name, (vendor_id, product_id), name, port)
