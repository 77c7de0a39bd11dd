"""Serial servers in the network: as good as a tty, and their failures by name."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

import pytest

from drivers import serial_port, serial_socket
from drivers.errors import DeviceGoneError, TransientDeviceError
from drivers.serial_port import SerialPort
from tests.drivers.pipes import open_files, run
from tests.drivers.serial_bench import EVERY_BYTE, read_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


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
