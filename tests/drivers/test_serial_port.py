"""Serial lines: every byte once, and every way in which they fail by its right name."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from serial import Serial, SerialException

from drivers import serial_port, serial_socket
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.serial_line import READ_BYTES
from drivers.serial_port import SerialPort
from tests.drivers.pipes import open_files, run
from tests.drivers.serial_bench import Pty

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

EVERY_BYTE = bytes(range(256))


async def read_all(port: SerialPort, count: int) -> bytes:
    """Read until so many bytes have come."""
    data = b""
    while len(data) < count:
        data += await port.read()
    return data


async def write_on(port: SerialPort) -> None:
    """Write until that fails; what is written first may be lost in silence."""
    while True:
        await port.write(b"x")
        await asyncio.sleep(0)


async def serve(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    use: Callable[[str], Awaitable[None]],
) -> None:
    """Run a serial server that has one line, and use it."""

    async def serve_one(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await talk(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        await use(f"socket://{host}:{port}")


def test_bytes_pass_unchanged_both_ways() -> None:
    """No byte means anything to the terminal in between, and none is echoed."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                pty.send(EVERY_BYTE)
                assert await read_all(port, 256) == EVERY_BYTE
                asyncio.get_running_loop().remove_reader(pty.master)
                await port.write(EVERY_BYTE)
                assert os.read(pty.master, 1000) == EVERY_BYTE
                pty.send(b"next")
                assert await port.read() == b"next"

    run(main())


def test_a_link_by_id_is_as_good_as_the_path(tmp_path: Path) -> None:
    """Udev's links work, and the line keeps the name that it was configured with."""

    async def main() -> None:
        with Pty() as pty:
            link = tmp_path / "usb-FTDI_RDM6300-if00-port0"
            link.symlink_to(pty.path)
            async with SerialPort(str(link)) as port:
                assert port.name == str(link)
                pty.send(b"hello")
                assert await port.read() == b"hello"

    run(main())


def test_a_read_takes_what_is_there() -> None:
    """One call returns at most READ_BYTES and waits for no more than one byte."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                pty.send(b"x" * (READ_BYTES - 1))
                assert 0 < len(await port.read()) <= READ_BYTES

    run(main())


def test_a_cancelled_read_loses_nothing() -> None:
    """Bytes that come while the reading task is cancelled are read by the next."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                for size in range(1, 20):
                    reading = asyncio.create_task(port.read())
                    await asyncio.sleep(0)
                    pty.send(b"c" * size)
                    for _ in range(size % 4):  # Before, during and after it is woken
                        await asyncio.sleep(0)
                    reading.cancel()
                    (result,) = await asyncio.gather(reading, return_exceptions=True)
                    data = result if isinstance(result, bytes) else b""
                    data += await read_all(port, size - len(data))
                    assert data == b"c" * size

    run(main())


def test_a_waiting_read_does_not_keep_the_loop_busy() -> None:
    """The watcher is gone as soon as a read is over."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                assert isinstance(port._line, serial_port._Tty)
                fd = port._line._fd
                pty.send(b"twice")
                await port.read()
                assert not loop.remove_reader(fd)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0):
                        await port.read()
                assert not loop.remove_reader(fd)

    run(main())


def test_a_large_write_waits_for_the_device() -> None:
    """What does not fit at once follows when there is room."""
    data = EVERY_BYTE * 1000

    async def main() -> None:
        with Pty() as pty:
            asyncio.get_running_loop().remove_reader(pty.master)
            async with SerialPort(pty.path) as port:
                writing = asyncio.create_task(port.write(data))
                came = b""
                os.set_blocking(pty.master, False)
                while len(came) < len(data):
                    await asyncio.sleep(0)
                    try:
                        came += os.read(pty.master, 65_536)
                    except BlockingIOError:
                        continue
                await writing
                assert came == data

    run(main())


def test_a_write_that_nobody_takes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that takes no bytes is a failure after the time that it has."""
    monkeypatch.setattr(serial_port, "WRITE_TIMEOUT_S", 0.05)

    async def main() -> None:
        before = open_files()
        with Pty() as pty:
            asyncio.get_running_loop().remove_reader(pty.master)
            async with SerialPort(pty.path) as port:
                with pytest.raises(TransientDeviceError, match=r"took no bytes for"):
                    await port.write(b"x" * 1_000_000)
        assert open_files() == before

    run(main())


def test_unplugging_ends_a_waiting_read() -> None:
    """A read that waits hears that the device is gone, and so does every later one."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                reading = asyncio.create_task(port.read())
                await asyncio.sleep(0)
                pty.unplug()
                with pytest.raises(DeviceGoneError, match=pty.path):
                    await reading
                with pytest.raises(DeviceGoneError):
                    await port.read()
                with pytest.raises(DeviceGoneError):
                    await port.write(b"x")

    run(main())


def test_opening_a_hundred_times_leaves_nothing_behind() -> None:
    """Neither files nor threads are left, whether it is closed or torn off."""

    async def main() -> None:
        files, threads = open_files(), threading.active_count()
        for round_ in range(100):
            with Pty() as pty:
                async with SerialPort(pty.path) as port:
                    pty.send(b"x")
                    assert await port.read() == b"x"
                    if round_ % 2:
                        pty.unplug()
                        with pytest.raises(DeviceGoneError):
                            await port.read()
        assert open_files() == files
        assert threading.active_count() <= threads

    run(main())


def test_a_port_is_used_by_one() -> None:
    """A second user is told so, and can have it once the first is done."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path):
                with pytest.raises(TransientDeviceError, match="by another program"):
                    async with SerialPort(pty.path):
                        pass
            async with SerialPort(pty.path):
                pass

    run(main())


def test_closing_does_not_wait_for_a_device_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was not sent yet is dropped first: closing a real line waits for it."""
    calls = []
    for name in ("reset_output_buffer", "close"):
        original = getattr(Serial, name)

        def call(port: object, name: str = name, original: object = original) -> None:
            calls.append(name)
            assert callable(original)
            original(port)

        monkeypatch.setattr(Serial, name, call)

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                await port.write(b"unsent")
                calls.clear()

    run(main())
    assert calls[:2] == ["reset_output_buffer", "close"]


def test_an_error_of_the_user_is_not_swallowed() -> None:
    """What goes wrong while the port is open comes out, and the port is closed."""

    async def main() -> None:
        before = open_files()
        with Pty() as pty, pytest.raises(ZeroDivisionError):
            async with SerialPort(pty.path):
                raise ZeroDivisionError
        assert open_files() == before

    run(main())


def test_a_closed_port_is_gone() -> None:
    """Nothing is read from it, or written to what has its number now."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                pass
            with pytest.raises(DeviceGoneError, match="not open"):
                await port.read()
            with pytest.raises(DeviceGoneError, match="not open"):
                await port.write(b"x")

    run(main())


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("/dev/serial/by-id/usb-gone", DeviceGoneError, "by-id/usb-gone"),
        ("/dev", UnsupportedDeviceError, "expected a serial port at /dev"),
        ("/dev/null", UnsupportedDeviceError, "expected a serial port at /dev/null"),
        ("/dev/null/x", UnsupportedDeviceError, "expected a serial port"),
        ("socket://127.0.0.1", UnsupportedDeviceError, "socket://host:port"),
        ("socket://:1", UnsupportedDeviceError, "socket://host:port"),
        ("socket://127.0.0.1:x", UnsupportedDeviceError, "socket://host:port"),
        ("rfc2217://127.0.0.1:1", UnsupportedDeviceError, "socket://host:port"),
        ("socket:/127.0.0.1:1", UnsupportedDeviceError, "socket://host:port"),
        ("ttyUSB0", UnsupportedDeviceError, "the path of a serial port"),
        ("socket://server..lan:1", UnsupportedDeviceError, "socket://host:port"),
        ("socket://" + "x" * 64 + ":1", UnsupportedDeviceError, "socket://host:port"),
        ("socket://a\0b:1", UnsupportedDeviceError, "socket://host:port"),
    ],
)
def test_opening_says_what_is_wrong(
    url: str, error: type[DriverError], says: str
) -> None:
    """The class says whether trying again helps; the message names the port."""

    async def main() -> None:
        before = open_files()
        with pytest.raises(error, match=says):
            async with SerialPort(url):
                pass
        assert open_files() == before

    run(main())


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "Name or service not known",
        ),
        (OSError(errno.ECONNREFUSED, "Connect call failed"), "Connection refused"),
        (TimeoutError(), "no answer"),
    ],
)
def test_why_a_serial_server_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, error: OSError, why: str
) -> None:
    """In words of the system, without its numbers."""

    async def fail(*_args: object) -> None:
        raise error

    async def main() -> None:
        with pytest.raises(TransientDeviceError) as caught:
            await serial_socket.connect("socket://server:1")
        assert str(caught.value).startswith(
            f"cannot connect to socket://server:1: {why};"
        )

    monkeypatch.setattr("asyncio.open_connection", fail)
    run(main())


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (errno.EACCES, AccessDeniedError, r"/dev/x.* group dialout"),
        (errno.EPERM, AccessDeniedError, r"group dialout"),
        (
            errno.EBUSY,
            TransientDeviceError,
            r"/dev/x is used .*; as root, .* doctor names it",
        ),
        (errno.EAGAIN, TransientDeviceError, r"used by another program"),
        (errno.ENXIO, DeviceGoneError, r"no serial port at /dev/x"),
        (errno.EMFILE, TransientDeviceError, r"cannot open /dev/x: Too many"),
    ],
)
def test_errors_of_the_system(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[DriverError], says: str
) -> None:
    """Every error number has the class that its retry needs."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise SerialException(number, f"could not open port: {os.strerror(number)}")

    async def main() -> None:
        monkeypatch.setattr(serial_port, "Serial", fail)
        with pytest.raises(error, match=says):
            async with SerialPort("/dev/x"):
                pass

    run(main())


@pytest.mark.parametrize("baudrate", [-9600, 2**31, 2**64])
def test_a_speed_that_there_is_not(baudrate: int) -> None:
    """A baudrate that no line has turns the driver off."""

    async def main() -> None:
        with Pty() as pty:
            before = open_files()
            with pytest.raises(UnsupportedDeviceError, match=pty.path):
                async with SerialPort(pty.path, baudrate):
                    pass
            assert open_files() == before

    run(main())


def test_a_serial_server_is_as_good_as_a_tty() -> None:
    """Bytes pass both ways, and the end of the connection is the end of the device."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(256))
        await reader.readexactly(1)

    async def use(url: str) -> None:
        for _ in range(10):
            async with SerialPort(url) as port:
                assert port.name == url
                await port.write(EVERY_BYTE)
                assert await read_all(port, 256) == EVERY_BYTE
                await port.write(b"x")
                with pytest.raises(DeviceGoneError, match="socket://"):
                    await port.read()

    before = open_files()
    run(serve(talk, use))
    assert open_files() == before


def test_a_serial_server_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a write nor the end of it all waits for ever."""
    monkeypatch.setattr(serial_port, "WRITE_TIMEOUT_S", 0.05)

    async def main() -> None:
        done = asyncio.Event()

        async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined] # of sockets
            await done.wait()

        async def use(url: str) -> None:
            async with SerialPort(url) as port:
                with pytest.raises(TransientDeviceError, match="took no bytes"):
                    await port.write(b"x" * 50_000_000)
            done.set()

        await serve(talk, use)

    run(main())


def test_a_cancelled_read_of_a_socket_loses_nothing() -> None:
    """What came while nobody read is read next."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)

    async def use(url: str) -> None:
        async with SerialPort(url) as port:
            reading = asyncio.create_task(port.read())
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await port.write(b"kept")
            assert await read_all(port, 4) == b"kept"

    run(serve(talk, use))


def test_nobody_at_the_address() -> None:
    """A serial server that is off may come back."""

    async def main() -> None:
        with pytest.raises(
            TransientDeviceError, match=r"socket://\S+: Connection refused; is"
        ):
            async with SerialPort("socket://127.0.0.1:1"):
                pass

    run(main())


def test_a_dead_serial_server_is_noticed_in_the_end() -> None:
    """TCP asks a silent server whether it lives: nothing else would ever tell.

    Nor does a write end before the bytes are out of our hands.
    """

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async def use(url: str) -> None:
        async with SerialPort(url) as port:
            assert isinstance(port._line, serial_socket._SocketLine)
            writer = port._line._writer
            assert writer.transport.get_write_buffer_limits() == (0, 0)
            connection = writer.get_extra_info("socket")
            for level, name, value in serial_socket.KEEP_ALIVE:
                assert connection.getsockopt(level, name) == value

    run(serve(talk, use))


def test_the_other_end_of_a_socket_may_break_off() -> None:
    """A reset is the device gone, for reading and for writing."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def use(url: str) -> None:
        async with SerialPort(url) as port:
            with pytest.raises(DeviceGoneError):
                await port.read()
            with pytest.raises(DeviceGoneError, match="lost the connection"):
                await write_on(port)

    run(serve(talk, use))
