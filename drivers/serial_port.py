"""Bytes from and to a serial line, on the event loop's file-descriptor watcher."""

from __future__ import annotations

import asyncio
import errno
import os
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from serial import Serial

from drivers.errnos import DENIED, IN_USE, NO_TTY, errors_behind, number_of
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.serial_line import READ_BYTES, Line
from drivers.serial_socket import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.errors import DriverError

WRITE_TIMEOUT_S: Final = 1.0

_GONE: Final = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO)


class SerialPort:
    """A serial line of 8N1, open for as long as the async context manager is.

    `url` is the path of a tty or pty, or `socket://host:port` of a serial server. A
    tty is opened exclusively. Used on the running loop; no threads, no polling.
    """

    def __init__(self, url: str, baudrate: int = 9600) -> None:
        #: What the port is called in the logs.
        self.name = url
        self._baudrate = baudrate
        self._line: Line | None = None

    async def __aenter__(self) -> Self:
        """Open the line; a DriverError says why it cannot be."""
        if self.name.startswith("/"):
            self._line = _Tty(self.name, self._baudrate)
        else:
            self._line = await connect(self.name)
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def read(self) -> bytes:
        """Wait for at least one byte and return what is there, at most READ_BYTES.

        A cancelled read loses nothing. DeviceGoneError when the device is gone.
        """
        return await self._opened().read()

    async def read_now(self) -> bytes:
        """Return what has come already, at most READ_BYTES, which may be nothing.

        DeviceGoneError when the device is gone, if that is known already.
        """
        return await self._opened().read_now()

    async def write(self, data: bytes) -> None:
        """Write all of it; TransientDeviceError if it takes over WRITE_TIMEOUT_S.

        DeviceGoneError when the device is gone.
        """
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._opened().write(data)
        except TimeoutError as err:
            raise TransientDeviceError(
                f"{self.name} took no bytes for {WRITE_TIMEOUT_S:g} s"
            ) from err

    def _opened(self) -> Line:
        if self._line is None:
            raise DeviceGoneError(f"{self.name} is not open")
        return self._line


class _Tty(Line):
    """A tty or pty; pyserial sets it up and locks it, the loop watches it."""

    def __init__(self, path: str, baudrate: int) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        try:
            self._serial = Serial(path, baudrate, timeout=0, exclusive=True)
        except (ValueError, OverflowError) as err:
            raise UnsupportedDeviceError(f"{path}: {err}") from err
        except (OSError, termios.error) as err:
            raise _opening_error(path, err) from err
        self._fd = self._serial.fileno()

    async def read(self) -> bytes:
        # A tty without data and one that is gone both read as nothing: only after the
        # loop has said that there is something does nothing mean gone. The library's
        # own read and write ask select(), which fails beyond descriptor 1023, and its
        # non-blocking write spins while the line is full.
        await self._until_ready(self._loop.add_reader, self._loop.remove_reader)
        try:
            data = os.read(self._fd, READ_BYTES)
        except OSError as err:
            raise self._gone(err) from err
        if not data:
            raise DeviceGoneError(f"{self._path} was unplugged")
        return data

    async def read_now(self) -> bytes:
        try:
            return os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as err:
            raise self._gone(err) from err

    async def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                await self._until_ready(self._loop.add_writer, self._loop.remove_writer)
            except OSError as err:
                raise self._gone(err) from err

    async def close(self) -> None:
        # The watchers go first: a closed descriptor's number is soon another file's.
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        with suppress(OSError, termios.error):
            # Else closing blocks until a device that takes nothing took everything.
            self._serial.reset_output_buffer()
        with suppress(OSError, termios.error):
            self._serial.close()

    async def _until_ready(
        self,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], bool],
    ) -> None:
        ready = asyncio.Event()
        watch(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            unwatch(self._fd)

    def _gone(self, err: OSError) -> DeviceGoneError:
        return DeviceGoneError(f"{self._path} was unplugged: {err.strerror}")


def _opening_error(path: str, err: Exception) -> DriverError:
    """Name the failure by the retry policy that fits it."""
    code = next(filter(None, map(number_of, errors_behind(err))), None)
    why = os.strerror(code) if code else str(err)
    if code in _GONE:
        return DeviceGoneError(f"there is no serial port at {path}: {why}")
    if code in DENIED:
        return AccessDeniedError(
            f"cannot open {path}: {why}; the agent's user must be in the group dialout"
        )
    if code in IN_USE:
        return TransientDeviceError(
            f"{path} is used by another program; as root, rfid-agent doctor names it"
        )
    if code in NO_TTY:
        return UnsupportedDeviceError(f"expected a serial port at {path}: {why}")
    return TransientDeviceError(f"cannot open {path}: {why}")
