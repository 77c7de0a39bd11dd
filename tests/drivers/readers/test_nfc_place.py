"""The key `device` of an NFC reader."""

from __future__ import annotations

import pytest

from drivers.readers.nfc_place import (
    Place,
    TtyPlace,
    UdpPlace,
    UsbPlace,
    parse_place,
)

GOOD: list[tuple[str, Place]] = [
    ("/dev/ttyUSB0", TtyPlace("/dev/ttyUSB0")),
    (
        "/dev/serial/by-id/usb-1a86-if00",
        TtyPlace("/dev/serial/by-id/usb-1a86-if00"),
    ),
    ("/dev/pts/3", TtyPlace("/dev/pts/3")),
    ("usb", UsbPlace()),
    ("usb:04e6:5591", UsbPlace((0x04E6, 0x5591))),
    ("usb:054C:06C3", UsbPlace((0x054C, 0x06C3))),
    ("udp:localhost:54321", UdpPlace("localhost", 54321)),
    ("udp:127.0.0.1:1", UdpPlace("127.0.0.1", 1)),
]
BAD = [
    "",
    "ttyUSB0",
    "tty:USB0:pn532",
    "usb:",
    "usb:04e6",
    "usb:001:004",
    "usb:04e6:5591:1",
    "usb:04e6:559g",
    "udp",
    "udp:localhost",
    "udp::54321",
    "udp:localhost:0",
    "udp:localhost:65536",
    "udp:local host:5",
    "udp:localhost:\u0661",
    "/dev/tty\0",
    "USB 1",
]


@pytest.mark.parametrize(("text", "place"), GOOD)
def test_a_place(text: str, place: Place) -> None:
    """Each kind of place is understood."""
    assert parse_place(text) == place


@pytest.mark.parametrize("text", BAD)
def test_no_place(text: str) -> None:
    """What nfcpy would search the machine for, or nothing, is refused in words."""
    with pytest.raises(ValueError, match="device: expected a path"):
        parse_place(text)


@pytest.mark.parametrize(("text", "place"), GOOD)
def test_a_name_says_the_place_again(text: str, place: Place) -> None:
    """What is given to nfcpy means the same place."""
    assert parse_place(str(place)) == parse_place(text)
