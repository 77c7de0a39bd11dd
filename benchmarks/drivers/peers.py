"""The other ends of drivers' lines, and when each said the byte that counts."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import tty
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

_BITS_PER_BYTE: Final = 10  # On a line of 8N1
_BEFORE_LAST_S: Final = 0.001  # About a byte at 9600 baud


class Stamp:
    """When something was said for the first time; thread-safe."""

    def __init__(self) -> None:
        #: CLOCK_MONOTONIC, 0 for not yet.
        self.at_ns = 0
        self._wanted = b""

    def expect(self, wanted: bytes) -> None:
        """Look out for what holds these bytes, or these in hex."""
        # In this order: nothing that is said meanwhile holds them.
        self._wanted = wanted
        self.at_ns = 0

    def look(self, data: bytes) -> None:
        """Note the moment if this is what is wanted; it is said right after."""
        is_it = self._wanted in data or self._wanted.hex().encode() in data.lower()
        if not self.at_ns and is_it:
            self.note()

    def note(self) -> None:
        """Note this moment."""
        self.at_ns = time.monotonic_ns()


class Peer(ABC):
    """Something at the other end that speaks, the last byte of all apart."""

    def __init__(self) -> None:
        self.stamp = Stamp()

    def say(self, data: bytes) -> None:
        """Say something by itself; its last byte is what counts."""
        self.write(data[:-1])
        time.sleep(_BEFORE_LAST_S)
        self.stamp.note()
        self.write(data[-1:])

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Write bytes."""


class DescriptorPeer(Peer):
    """The other end of a pipe or socket; `descriptor` is ours to write to."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write bytes."""
        os.write(self._descriptor, data)


class Device(Protocol):
    """What answers on a line."""

    def hear(self, data: bytes) -> Iterable[bytes]:
        """Take what was sent to it; return what it sends, write by write."""


class PtyPeer(Peer):
    """A pty, with `device` at its other end if there is one.

    With a `baudrate` it takes its time for each byte, as a real line does.
    """

    def __init__(self, device: Device | None = None, baudrate: int = 0) -> None:
        super().__init__()
        self._device = device
        self._byte_s = _BITS_PER_BYTE / baudrate if baudrate else 0.0

    def __enter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        self.path = os.ttyname(self._slave)
        self._stop_reading, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        if self._device is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stop)
        if self._device is not None:
            self._thread.join()
        for descriptor in (self._stop_reading, self._slave, self._master):
            os.close(descriptor)

    def write(self, data: bytes) -> None:
        """Write bytes."""
        os.write(self._master, data)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        poll.register(self._stop_reading, 0)  # It hangs up
        while all(descriptor == self._master for descriptor, _ in poll.poll()):
            data = b""
            with suppress(OSError):  # Nobody has the other end open
                data = os.read(self._master, 4096)
            self._answer(data)

    def _answer(self, data: bytes) -> None:
        time.sleep(self._byte_s * len(data))
        for answer in self._device.hear(data) if self._device and data else ():
            time.sleep(self._byte_s * (len(answer) - 1))
            self.write(answer[:-1])
            time.sleep(self._byte_s)
            self.stamp.look(answer)
            self.write(answer[-1:])


class TcpPeer(Peer):
    """A serial server on loopback, for one client at a time."""

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._client = socket.socket()
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.close()

    def accept(self) -> None:
        """Take the next client; it has connected already."""
        self._client.close()
        self._client, _ = self._server.accept()
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        """Write bytes."""
        self._client.sendall(data)
