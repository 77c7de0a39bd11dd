"""The local socket: what the command line asks of a running daemon.

One JSON object per line. A request is `{"command": …}`; the answer is any number of
`{"progress": …}` lines and then one `{"result": …}` or `{"error": …}`. Only root and
the daemon's own user may connect.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from agent.errors import AgentError

if TYPE_CHECKING:
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)

SOCKET = "control.sock"
MAX_LINE_BYTES = 64 * 1024
_PEER_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED of socket(7)


class CommandError(AgentError):
    """The request makes no sense here; the message goes to whoever asked."""


class Progress(msgspec.Struct, frozen=True):
    """A step on the way to a result."""

    facts: dict[str, Any]


#: A command yields Progress and, last, its result.
Command = Callable[[dict[str, Any]], AsyncIterator[Any]]


class ControlServer:
    """Answers requests with the commands it is given."""

    def __init__(self, path: Path, commands: dict[str, Command]) -> None:
        self._path = path
        self._commands = commands
        self._serving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen until the context is left."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(
                self._serve, self._path, limit=MAX_LINE_BYTES
            )
        except OSError as err:
            raise CommandError(f"cannot listen on {self._path}: {err}") from err
        finally:
            os.umask(before)
        try:
            yield
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            if self._serving:
                await asyncio.wait(self._serving)
            self._path.unlink(missing_ok=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._serving.add(task)
        try:
            if _is_allowed(writer.get_extra_info("socket")):
                await self._answer(reader, writer)
        except (ConnectionError, asyncio.LimitOverrunError, ValueError):
            pass  # The other side has gone, or never spoke our language.
        except asyncio.CancelledError:
            pass  # We are going; asyncio would log a cancelled connection as an error.
        finally:
            self._serving.discard(task)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = msgspec.json.decode(await reader.readline(), type=dict[str, Any])
        command = self._commands.get(str(request.get("command")))
        # Ends a command whose asker has gone, such as a `watch`.
        gone = asyncio.ensure_future(reader.read(1))
        task = asyncio.ensure_future(self._perform(command, request, writer))
        try:
            await asyncio.wait({gone, task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            task.cancel()
            await asyncio.wait({gone, task})

    async def _perform(
        self,
        command: Command | None,
        request: dict[str, Any],
        writer: asyncio.StreamWriter,
    ) -> None:
        async def send(**line: object) -> None:
            writer.write(msgspec.json.encode(line) + b"\n")
            await writer.drain()

        if command is None:
            await send(error=f"unknown command {request.get('command')!r}")
            return
        result: Any = None
        try:
            async for item in command(request):
                if isinstance(item, Progress):
                    await send(progress=item.facts)
                else:
                    result = item
        except AgentError as err:
            await send(error=str(err))
        except Exception:
            _LOGGER.exception("%s failed in a way it should not", request["command"])
            await send(error="internal error; the log knows more")
        else:
            await send(result=result)


def _is_allowed(connection: socket.socket) -> bool:
    """Only root and our own user, as the kernel knows them."""
    raw = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size
    )
    _, uid, _ = _PEER_CREDENTIALS.unpack(raw)
    return uid in (0, os.geteuid())
