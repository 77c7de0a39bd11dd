"""Where an NFC adapter is: the key `device`, parsed; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

EXPECTED: Final = (
    "a path such as /dev/serial/by-id/..., usb, usb:VVVV:PPPP or udp:host:port"
)

_USB: Final = re.compile(
    r"usb(?::([0-9a-f]{4}):([0-9a-f]{4}))?", re.ASCII | re.IGNORECASE
)
_UDP: Final = re.compile(r"udp:([a-z0-9.-]+):([0-9]{1,5})", re.ASCII | re.IGNORECASE)
_LAST_PORT: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class TtyPlace:
    """A PN532 on a serial line; `path` may be a link."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class UsbPlace:
    """The first adapter on USB that nfcpy knows, or the first of one product."""

    product: tuple[int, int] | None = None

    def __str__(self) -> str:
        if self.product is None:
            return "usb"
        vendor_id, product_id = self.product
        return f"usb:{vendor_id:04x}:{product_id:04x}"


@dataclass(frozen=True, slots=True)
class UdpPlace:
    """nfcpy's simulated field: another frontend that listens there is the card."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"udp:{self.host}:{self.port}"


Place = TtyPlace | UsbPlace | UdpPlace


def parse_place(text: str) -> Place:
    """Parse it; ValueError says what is expected."""
    if text.startswith("/") and "\0" not in text:
        return TtyPlace(text)
    if match := _USB.fullmatch(text):
        if match[1] is None:
            return UsbPlace()
        return UsbPlace((int(match[1], 16), int(match[2], 16)))
    match = _UDP.fullmatch(text)
    if match and 0 < int(match[2]) <= _LAST_PORT:
        return UdpPlace(match[1], int(match[2]))
    raise ValueError(f"device: expected {EXPECTED}, got {text!r}")
