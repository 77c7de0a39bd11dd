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
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from agent.errors import AgentError, CredentialsError, TransientUpstreamError

if TYPE_CHECKING:
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)

SOCKET = "control.sock"
MAX_LINE_BYTES = 64 * 1024
ENDS_WITHIN_S = 0.5  # For a command that is cancelled
ENDLESS = ("watch", "next-card", "identify")
#: These wait for nobody: no card, no charger and no backend.
PROMPT = ("status", "readers", "explain", "withdraw", "retry", "drop")
_PEER_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED of socket(7)


_NOT_OURS = (
    ValueError,  # Also what a line that is too long raises
    msgspec.DecodeError,
    RecursionError,
)


class CommandError(AgentError):
    """The request makes no sense here; the message goes to whoever asked."""


class Request(msgspec.Struct, frozen=True):
    """Everything a command may be told, and of what type it is."""

    command: str
    uid: str = ""
    reader: str | None = None
    upstream: str | None = None
    full: bool = False
    again: bool = False
    forget: bool = False
    accept_shrink: bool = False
    evse_uid: str | None = None
    session_id: str | None = None
    id: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None


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
        self._is_closing = False

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
            self._is_closing = True
            for task in self._serving:
                task.cancel()
            if self._serving:
                await asyncio.wait(self._serving, timeout=ENDS_WITHIN_S)
            self._path.unlink(missing_ok=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is None or self._is_closing:
            # What it would ask is gone, or belongs to the next run.
            writer.close()
            return
        self._serving.add(task)
        try:
            if _is_allowed(writer.get_extra_info("socket")):
                await self._answer(reader, writer)
        except (ConnectionError, *_NOT_OURS):
            pass  # The other side has gone, or never spoke our language.
        except asyncio.CancelledError:
            pass  # We are going; asyncio would log a cancelled connection as an error.
        finally:
            self._serving.discard(task)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = await reader.readline()
        request = msgspec.json.decode(line, type=dict[str, Any])
        task = asyncio.ensure_future(self._perform(request, writer))
        waited_for = {task}
        if request.get("command") in ENDLESS:
            # Nobody would notice that the asker of these has gone.
            waited_for.add(asyncio.ensure_future(_wait_for_end(reader)))
        try:
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in waited_for:
                waiting.cancel()
            await asyncio.wait(waited_for)
        if not task.cancelled():
            task.result()

    async def _perform(
        self, request: dict[str, Any], writer: asyncio.StreamWriter
    ) -> None:
        async def send(**line: object) -> None:
            writer.write(msgspec.json.encode(line) + b"\n")
            await writer.drain()

        try:
            name = msgspec.convert(request, Request).command
        except msgspec.ValidationError as err:
            await send(error=f"bad request: {err}")
            return
        command = self._commands.get(name)
        if command is None:
            await send(error=f"unknown command {name!r}")
            return
        result: Any = None
        try:
            async for item in command(request):
                if isinstance(item, Progress):
                    await send(progress=item.facts)
                else:
                    result = item
        except (TransientUpstreamError, CredentialsError) as err:
            await send(error=str(err), unreachable=True)
        except AgentError as err:
            await send(error=str(err))
        except Exception:
            _LOGGER.exception("%s failed in a way it should not", name)
            await send(error="internal error; the log knows more")
        else:
            await send(result=result)


async def _wait_for_end(reader: asyncio.StreamReader) -> None:
    """Return when the asker has hung up; whatever it says meanwhile is ignored."""
    while await reader.read(MAX_LINE_BYTES):
        pass


def _is_allowed(connection: socket.socket) -> bool:
    """Only root and our own user, as the kernel knows them."""
    raw = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size
    )
    _, uid, _ = _PEER_CREDENTIALS.unpack(raw)
    return uid in (0, os.geteuid())
