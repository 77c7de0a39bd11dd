"""What tests of serial lines need: a pty with us at its other end, and a fake line."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

from drivers.errors import DeviceGoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from drivers.serial_port import SerialPort

EVERY_BYTE = bytes(range(256))


def now() -> float:
    """Tell the loop's time, which may be virtual."""
    return asyncio.get_running_loop().time()


async def read_all(port: SerialPort, count: int) -> bytes:
    """Read until so many bytes have come."""
    data = b""
    while len(data) < count:
        data += await port.read()
    return data


class Device(Protocol):
    """What sits at the other end of a line."""

    def hear(self, data: bytes) -> Iterable[bytes]:
        """Take what was sent to it; return what it sends, write by write."""


class Deaf:
    """A device that says nothing."""

    def hear(self, data: bytes) -> Iterator[bytes]:
        """Take anything."""
        del data
        return iter(())


class Pty:
    """A real terminal; `device` sits at its other end until it is unplugged."""

    def __init__(self, device: Device | None = None) -> None:
        self._device = device or Deaf()
        self.master, self._slave = os.openpty()
        self.path = os.ttyname(self._slave)

    def __enter__(self) -> Self:
        """Plug the device in; it is served by the running loop."""
        asyncio.get_running_loop().add_reader(self.master, self._on_data)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.unplug()

    def send(self, data: bytes) -> None:
        """Let the device say something by itself."""
        assert os.write(self.master, data) == len(data)

    def unplug(self) -> None:
        """Take the device away; the path is gone as well."""
        if self.master < 0:
            return
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self._slave)
        os.close(self.master)
        self.master = -1

    def _on_data(self) -> None:
        try:
            data = os.read(self.master, 65_536)
        except OSError:  # Nobody has the other end open
            data = b""
        for answer in self._device.hear(data) if data else ():
            self.send(answer)


class FakeLine:
    """An open line on which nothing takes time, and no byte is lost."""

    def __init__(self, device: Device | None = None) -> None:
        self.name = "/dev/fake"
        self.gone = False
        self.opened = 0
        self._device = device or Deaf()
        self._came = deque[bytes]()
        self._ready = asyncio.Event()

    def open(self, url: str, baudrate: int) -> Self:
        """Stand in for the class SerialPort."""
        self.name = url
        self.baudrate = baudrate
        return self

    async def __aenter__(self) -> Self:
        """Open it, empty."""
        self._check()
        self.opened += 1
        self._came.clear()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        """Close it."""

    async def read(self) -> bytes:
        """Wait for bytes that were sent together."""
        while not self._came:
            self._ready.clear()
            self._check()
            await self._ready.wait()
        return self._came.popleft()

    async def read_now(self) -> bytes:
        """Return bytes that were sent together, if there are any."""
        self._check()
        return self._came.popleft() if self._came else b""

    async def write(self, data: bytes) -> None:
        """Let the device hear it."""
        self._check()
        for answer in self._device.hear(data):
            self.send(answer)

    def send(self, data: bytes) -> None:
        """Let the device say something by itself."""
        if data:
            self._came.append(data)
            self._ready.set()

    def unplug(self) -> None:
        """Take the device away."""
        self.gone = True
        self._ready.set()

    def _check(self) -> None:
        if self.gone:
            raise DeviceGoneError(f"{self.name} was unplugged")
