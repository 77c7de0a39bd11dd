"""The control socket comes to its end, whoever is just being served."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agent.control import SOCKET, ControlServer, Progress
from tests.fakes.wicked import give_in, hang, resist

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WATCH = b'{"command": "watch"}\n'


async def watch(_: dict[str, Any]) -> AsyncIterator[Any]:
    """Go on for ever."""
    yield Progress({"event": "watching"})
    await hang()


async def be_deaf(_: dict[str, Any]) -> AsyncIterator[Any]:
    """Go on for ever, and do not let that be ended."""
    yield Progress({"event": "watching"})
    await resist()


async def read_to_end(client: socket.socket) -> None:
    """Read until the other side hangs up."""
    loop = asyncio.get_running_loop()
    client.setblocking(False)
    try:
        while await loop.sock_recv(client, 4096):
            pass
    except ConnectionError:
        return


# After two, asyncio of Python 3.11 itself loses the connection that it accepts.
@pytest.mark.parametrize("turns", [0, 1, 4, 5])
def test_whoever_comes_at_the_last_moment_is_hung_up_on(
    tmp_path: Path, turns: int
) -> None:
    """Served by parts that are gone, it would hear nothing for ever."""

    async def main() -> None:
        server = ControlServer(tmp_path / SOCKET, {"watch": watch})
        with closing(socket.socket(socket.AF_UNIX)) as client:
            async with server.running():
                client.connect(str(tmp_path / SOCKET))
                client.send(WATCH)
                for _ in range(turns):
                    await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await read_to_end(client)

    asyncio.run(main())


def test_a_command_that_cannot_be_called_off_is_not_waited_for(tmp_path: Path) -> None:
    """There is a charger to be switched off after this."""

    async def main() -> None:
        server = ControlServer(tmp_path / SOCKET, {"watch": be_deaf})
        async with asyncio.timeout(20), server.running():
            reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET)
            writer.write(WATCH)
            await reader.readline()
        assert not (tmp_path / SOCKET).exists()
        await give_in()
        writer.close()
        await writer.wait_closed()

    asyncio.run(main())
