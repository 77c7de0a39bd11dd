"""A serial line behind a serial server: `socket://host:port`."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

from drivers.errors import (
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.serial_line import READ_BYTES, Line
from drivers.serial_url import parse_server

CONNECT_TIMEOUT_S: Final = 5.0

# A serial server that lost its power says nothing: TCP asks it after 15 s of silence,
# every 5 s, and gives up after three questions without an answer.
KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class _SocketLine(Line):
    """A line behind a serial server."""

    def __init__(
        self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._url = url
        self._reader = reader
        self._writer = writer
        # So a write has ended when the kernel has it all, as it does on a tty.
        writer.transport.set_write_buffer_limits(0)
        with suppress(OSError):  # Lost already: the first read says so
            for option in KEEP_ALIVE:
                writer.get_extra_info("socket").setsockopt(*option)

    async def read(self) -> bytes:
        # The stream gives what it has without a turn of the loop, in which all others
        # would wait until a flood is over.
        await asyncio.sleep(0)
        return await self._read()

    async def _read(self) -> bytes:
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as err:
            raise self._gone(err) from err
        if not data:
            raise DeviceGoneError(f"{self._url} closed the connection")
        return data

    async def read_now(self) -> bytes:
        try:
            # What the stream has it gives without a turn of the loop.
            async with asyncio.timeout(0):
                return await self._read()
        except TimeoutError:
            return b""

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as err:
            raise self._gone(err) from err

    async def close(self) -> None:
        # Nobody waits for a peer that takes no more bytes.
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _gone(self, err: OSError) -> DeviceGoneError:
        return DeviceGoneError(f"lost the connection to {self._url}: {err}")


async def connect(url: str) -> Line:
    """Connect; a DriverError says why that cannot be."""
    try:
        host, port = parse_server(url)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
    except ValueError as err:  # Also for a host that no DNS can ask for
        raise UnsupportedDeviceError(
            f"expected a path or socket://host:port, got {url!r}: {err}"
        ) from err
    except OSError as err:
        raise TransientDeviceError(
            f"cannot connect to {url}: {_why(err)}; is the serial server up, and the "
            "port right?"
        ) from err
    return _SocketLine(url, reader, writer)


def _why(err: OSError) -> str:
    """Say why nobody is there; asyncio's own words repeat the address."""
    if isinstance(err, TimeoutError):
        return "no answer"
    if isinstance(err, socket.gaierror):
        return err.strerror or str(err)
    if err.errno is None:
        return str(err)
    return os.strerror(err.errno)
