"""Where a Modbus device is: the part of a driver's configuration that says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta

MODBUS_PORT: Final = 502

Port = Annotated[
    str,
    Meta(
        min_length=1,
        description='a path such as "/dev/ttyUSB0", "host:port", or '
        '"socket://host:port" of a serial server',
    ),
]
# 0 is everybody, and nobody answers to it.
DeviceId = Annotated[
    int, Meta(ge=1, le=255, description="a whole number from 1 to 255")
]
Baudrate = Annotated[
    int, Meta(ge=300, le=1_000_000, description="bits per second, from 300")
]
StopBits = Annotated[int, Meta(ge=1, le=2, description="1 or 2")]
Pause = Annotated[
    timedelta,
    Meta(description='a duration such as "100ms"', extra={"may_be_zero": True}),
]


class Parity(StrEnum):
    """The ninth bit of a serial line."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A `port`, read: a tty when `host` is empty, else an address.

    `is_rtu`: serial frames, with checksums and without transaction numbers.
    """

    path: str = ""
    host: str = ""
    port: int = 0
    is_rtu: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAddress:
    """One device on one line, which everything with the same `port` shares.

    `port`: the path of a tty (RTU), `host:port` (Modbus TCP; 502 if left out), or
    `socket://host:port` of a serial server (RTU). `pause`: at least, between two
    requests of RTU. `answer_timeout`: for one answer, and for a connection.
    """

    port: Port
    baudrate: Baudrate = 9600
    parity: Parity = Parity.NONE
    stop_bits: StopBits = 1
    device_id: DeviceId = 1
    pause: Pause = timedelta(milliseconds=100)
    answer_timeout: timedelta = timedelta(milliseconds=500)

    def __post_init__(self) -> None:
        _ = self.endpoint

    @property
    def name(self) -> str:
        """What it is called in errors and in the log."""
        return f"device {self.device_id} on {self.port}"

    @property
    def endpoint(self) -> Endpoint:
        """Take `port` apart; ValueError says what is wrong with it."""
        if self.port.startswith("/"):
            return Endpoint(path=self.port)
        url = self.port if "://" in self.port else f"tcp://{self.port}"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        is_rtu = parts.scheme == "socket"
        if parts.scheme == "tcp" and port is None:
            port = MODBUS_PORT
        if (
            parts.scheme not in ("tcp", "socket")
            or not host
            or port is None
            # More than an address, or the path of a serial port without its /dev/
            or any((parts.path, parts.query, parts.fragment, parts.username))
            or host.startswith("tty")
        ):
            raise ValueError(
                "port: expected the path of a serial port, host:port, or "
                f"socket://host:port, got {self.port}"
            )
        return Endpoint(host=host, port=port, is_rtu=is_rtu)
