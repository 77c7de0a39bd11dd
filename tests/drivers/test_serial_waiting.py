"""What has come on a line already, without waiting for more."""

from __future__ import annotations

import asyncio

import pytest

from drivers.errors import DeviceGoneError
from drivers.serial_port import SerialPort
from tests.drivers.pipes import run
from tests.drivers.serial_bench import Pty


async def wait_for(port: SerialPort, count: int) -> bytes:
    """Look again and again until so many bytes were there."""
    data = b""
    while len(data) < count:
        data += await port.read_now()
        await asyncio.sleep(0)
    return data


async def look_and_read(port: SerialPort) -> None:
    """Take what is there, then wait for more."""
    await port.read_now()
    await port.read()


def test_a_tty_gives_what_it_has() -> None:
    """Nothing, when there is nothing; a later read waits as ever."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                assert await port.read_now() == b""
                pty.send(b"stale")
                assert await wait_for(port, 5) == b"stale"
                assert await port.read_now() == b""
                pty.send(b"next")
                assert await port.read() == b"next"

    run(main())


def test_a_tty_that_is_gone() -> None:
    """Whatever it says at once, a read says that it is gone."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                pty.unplug()
                with pytest.raises(DeviceGoneError):
                    await look_and_read(port)

    run(main())


def test_a_socket_gives_what_it_has() -> None:
    """As a tty does; a peer that has hung up is gone."""

    async def main() -> None:
        hang_up, said = asyncio.Event(), asyncio.Event()

        async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await said.wait()
            writer.write(b"stale")
            await hang_up.wait()
            writer.transport.abort()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            host, number = server.sockets[0].getsockname()
            async with SerialPort(f"socket://{host}:{number}") as port:
                assert await port.read_now() == b""
                said.set()
                assert await wait_for(port, 5) == b"stale"
                assert await port.read_now() == b""
                hang_up.set()
                with pytest.raises(DeviceGoneError):
                    await wait_for(port, 1)

    run(main())
