"""Which modules the guest's kernel needs, in the order in which they can be loaded."""

from __future__ import annotations

import lzma
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: What is loaded by name; what these need comes by itself. What the kernel has built in
#: is no module, and is left out.
WANTED: Final = (
    "virtio_pci",  # devices of the machine
    "9pnet_virtio",
    "9p",  # the files of the host
    "overlay",  # a layer in memory on top of them
    "evdev",  # /dev/input/event*
    "uinput",  # keyboards of ours
    "uhid",  # HID devices of ours
    "hid_cp2112",  # the driver of a GPIO chip on USB
    "gpio_sim",  # GPIO chips of ours, as those of a processor
    "hid_generic",
    "usbhid",  # keyboards on USB
    "dummy_hcd",  # a USB port whose other end is here as well
    "libcomposite",
    "usb_f_hid",  # a keyboard for its other end
)
_DEPENDS: Final = re.compile(rb"\0depends=([^\0]*)\0")


def in_order(*trees: Path) -> list[tuple[str, bytes]]:
    """Find what is wanted and needed below `trees`; return names and contents."""
    found = {_name(file.name): file for tree in trees for file in tree.rglob("*.ko*")}
    ordered: dict[str, bytes] = {}

    def take(name: str) -> None:
        if name in ordered or name not in found:
            return
        content = _read(found[name])
        depends = _DEPENDS.search(content)
        if depends is not None:
            for needed in depends[1].decode().split(","):
                take(_name(needed))
        ordered[name] = content

    for wanted in WANTED:
        take(wanted)
    return list(ordered.items())


def _name(file: str) -> str:
    return file.partition(".")[0].replace("-", "_")


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content
