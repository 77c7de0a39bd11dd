"""What a look at a Modbus device's surroundings finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.findings import Finding
from drivers.modbus.library import check_library
from drivers.serial_check import check_serial_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.modbus.address import DeviceAddress


def check_address(device: DeviceAddress) -> Iterator[Finding]:
    """Look for the library, and at the serial port if there is one.

    A gateway is left alone: many take one connection only, which the agent has.
    """
    yield check_library()
    if device.endpoint.is_rtu:
        yield check_serial_port(device.port)
    else:
        yield Finding(f"Modbus TCP {device.port}, not asked")
