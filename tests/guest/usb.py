"""A keyboard on USB: its end of the cable is ours, the host's is the kernel's.

The kernel has both: dummy_hcd is a host whose only port leads to a device that
configfs describes (docs of the kernel: usb/gadget_configfs, usb/gadget_hid).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from tests.e2e.waiting import until
from tests.guest.keyboards import SYC

#: Where the host sees it.
PORT: Final = "usb-dummy_hcd.0-1/input0"
_GADGETS: Final = Path("/sys/kernel/config/usb_gadget")
_CONTROLLER: Final = "dummy_udc.0"
_ENGLISH: Final = "strings/0x409"
#: A boot keyboard (HID 1.11, appendix B.1): modifiers, a byte, lamps, and six keys.
_REPORT_DESCRIPTOR: Final = bytes.fromhex(
    "05010906a101050719e029e71500250175019508810295017508810395057501050819012905"
    "9102950175039103950675081500256505071900296581 00c0".replace(" ", "")
)
_SHIFT: Final = 0x02
_USAGES: Final = {
    **{letter: 0x04 + number for number, letter in enumerate("abcdef")},
    **{digit: 0x1E + number for number, digit in enumerate("1234567890")},
    "\n": 0x28,
}
_RELEASED: Final = bytes(8)


class UsbKeyboard:
    """Plugged in from entering to leaving the context, and whenever a test says so."""

    def __init__(self, ids: tuple[int, int] = SYC) -> None:
        self._gadget = _GADGETS / "keyboard"
        self._function = self._gadget / "functions/hid.usb0"
        self._configuration = self._gadget / "configs/c.1"
        self._ids = ids

    def __enter__(self) -> Self:
        vendor_id, product_id = self._ids
        for folder in (self._gadget / _ENGLISH, self._configuration, self._function):
            folder.mkdir(parents=True)
        for name, value in (
            ("idVendor", f"{vendor_id:#06x}"),
            ("idProduct", f"{product_id:#06x}"),
            (f"{_ENGLISH}/manufacturer", "Sycreader"),
            (f"{_ENGLISH}/product", "SYC ID IC USB Reader"),
            (f"{_ENGLISH}/serialnumber", "08FF20140315"),
            ("functions/hid.usb0/protocol", "1"),
            ("functions/hid.usb0/subclass", "1"),
            ("functions/hid.usb0/report_length", "8"),
        ):
            (self._gadget / name).write_text(value)
        (self._function / "report_desc").write_bytes(_REPORT_DESCRIPTOR)
        (self._configuration / "keyboard").symlink_to(self._function)
        self.plug()
        self._typist = Path("/dev/hidg0").open("wb", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._typist.close()
        self.unplug()
        (self._configuration / "keyboard").unlink()
        for folder in (
            self._configuration,
            self._function,
            self._gadget / _ENGLISH,
            self._gadget,
        ):
            folder.rmdir()

    def plug(self) -> None:
        """Plug it in, and wait for the host to know it."""
        (self._gadget / "UDC").write_text(_CONTROLLER)
        until(self.nodes, "the keyboard", within_s=60)

    def unplug(self) -> None:
        """Pull it out; harmless when it is."""
        if (self._gadget / "UDC").read_text().strip():
            (self._gadget / "UDC").write_text("\n")

    @staticmethod
    def nodes() -> list[Path]:
        """Name the input devices at its port."""
        found = Path("/sys/class/input").glob("event*/device/phys")
        return [
            Path("/dev/input") / phys.parts[-3]
            for phys in found
            if phys.read_text().strip() == PORT
        ]

    def type(self, text: str) -> None:
        """Type at the pace at which the host asks for keys."""
        for character in text:
            modifiers = _SHIFT if character.isupper() else 0
            usage = _USAGES[character.lower()]
            self._typist.write(bytes([modifiers, 0, usage, 0, 0, 0, 0, 0]))
            self._typist.write(_RELEASED)
