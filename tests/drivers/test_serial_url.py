"""Ports of serial lines as they are written, and as they are not."""

from __future__ import annotations

import pytest

from drivers.serial_url import check_port


@pytest.mark.parametrize(
    "port",
    [
        "/dev/ttyUSB0",
        "/dev/serial/by-id/usb-1",
        "socket://evse:8023",
        "socket://[2001:db8::1]:23",
    ],
)
def test_ports(port: str) -> None:
    """A path, or a serial server."""
    check_port(port)


@pytest.mark.parametrize(
    "port",
    [
        "",
        "ttyUSB0",
        "dev/ttyUSB0",
        "evse:8023",
        "tcp://evse:8023",
        "socket://evse",
        "socket://:8023",
        "socket://evse:x",
        "socket://evse:99999",
        "socket://evse:8023/x",
        "socket://[::1",
    ],
)
def test_what_is_no_port(port: str) -> None:
    """The mistake says what is expected."""
    with pytest.raises(ValueError, match=r"^port: expected .* or socket://host:port"):
        check_port(port)
