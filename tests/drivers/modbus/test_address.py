"""Where a device is, as an installer writes it."""

from __future__ import annotations

import pytest

from drivers.modbus.address import DeviceAddress, Endpoint


@pytest.mark.parametrize(
    ("port", "endpoint"),
    [
        ("/dev/serial/by-id/usb-1", Endpoint(path="/dev/serial/by-id/usb-1")),
        ("evse:1502", Endpoint(host="evse", port=1502, is_rtu=False)),
        ("evse", Endpoint(host="evse", port=502, is_rtu=False)),
        ("tcp://192.0.2.1", Endpoint(host="192.0.2.1", port=502, is_rtu=False)),
        ("[2001:db8::1]:502", Endpoint(host="2001:db8::1", port=502, is_rtu=False)),
        ("socket://evse:23", Endpoint(host="evse", port=23)),
    ],
)
def test_ports(port: str, endpoint: Endpoint) -> None:
    """A path is serial; a host is Modbus TCP, or a serial server."""
    assert DeviceAddress(port=port).endpoint == endpoint


@pytest.mark.parametrize(
    "port",
    [
        "socket://evse",
        "http://evse:80",
        "evse:x",
        "evse:99999",
        "[::1",
        ":502",
        "dev/ttyUSB0",
        "ttyUSB0",
        "evse/1",
        "evse:502?id=1",
        "me@evse",
    ],
)
def test_what_is_no_port(port: str) -> None:
    """The mistake names the key and the forms that there are."""
    with pytest.raises(ValueError, match=r"^port: expected the path of a serial port"):
        DeviceAddress(port=port)
