"""The library's client for one line, and what keeps it from working."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    TransientDeviceError,
)
from drivers.modbus.library import load_library

if TYPE_CHECKING:
    from drivers.errors import DriverError
    from drivers.modbus.address import DeviceAddress


def suspects(device: DeviceAddress) -> str:
    """Name what keeps a device from answering, as it is called in its table."""
    if device.endpoint.path:
        return "device_id, wiring, baudrate and parity"
    return "device_id and wiring"


def make_client(device: DeviceAddress) -> Any:  # noqa: ANN401 - the library's
    """Make a client that is not open yet; UnsupportedDeviceError without a library."""
    library = load_library()
    endpoint = device.endpoint
    # It neither repeats nor reconnects by itself: that has to be bounded here.
    manners = {
        "timeout": device.answer_timeout.total_seconds(),
        "retries": 0,
        "reconnect_delay": 0,
    }
    if endpoint.path:
        return library.client.AsyncModbusSerialClient(
            endpoint.path,
            baudrate=device.baudrate,
            parity=device.parity.value[0].upper(),
            stopbits=device.stop_bits,
            **manners,
        )
    framer = library.FramerType.RTU if endpoint.is_rtu else library.FramerType.SOCKET
    return library.client.AsyncModbusTcpClient(
        endpoint.host, port=endpoint.port, framer=framer, **manners
    )


def explain_closed(device: DeviceAddress) -> DriverError:
    """Name what keeps a line from being opened; the library tells only its log."""
    path = device.endpoint.path
    if not path:
        return TransientDeviceError(
            f"cannot connect to {device.port}: check its address and its cable, and "
            "that nobody else is connected, as many take one connection only"
        )
    if not Path(path).exists():
        return DeviceGoneError(f"there is no serial port at {path}")
    if not os.access(path, os.R_OK | os.W_OK):
        return AccessDeniedError(
            f"cannot open {path}; the agent's user must be in the group dialout"
        )
    return TransientDeviceError(
        f"cannot open {path}: another program uses it, or it is no serial port"
    )
