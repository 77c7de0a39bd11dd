"""All connections of the server: how many there may be, and what ends them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self, cast

import uvicorn
from uvicorn.server import ServerState

from agent.ocpi.server.connection import Connection

if TYPE_CHECKING:
    import socket
    import ssl
    from types import TracebackType

    from agent.ocpi.server.app import Application
    from agent.ocpi.server.options import Limits

_ROUNDS_TO_CLOSE: Final = 10


class Hall:
    """Who is here: those who greet (TLS), those who ask, and those who say nothing.

    uvicorn's own Server is not used: it takes the signals, and wakes up ten times a
    second.
    """

    def __init__(
        self, app: Application, tls: ssl.SSLContext | None, limits: Limits
    ) -> None:
        self._tls = tls
        self._limits = limits
        self._state = ServerState()
        self._greeting: dict[asyncio.Task[None], socket.socket] = {}
        # No access log: the URLs hold card numbers.
        self._config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            # What clients do wrong is no news; the application tells what we do wrong.
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            h11_max_incomplete_event_size=limits.head_bytes,
            # Ours comes first, and counts from the end of the answer as well.
            timeout_keep_alive=int(limits.head) + 1,
        )
        self._config.load()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close everything; requests under way have a moment to be answered."""
        for greeting in self._greeting:
            greeting.cancel()
        for connection in self._connections():
            connection.finish()
        if tasks := set(self._state.tasks):
            await asyncio.wait(tasks, timeout=self._limits.grace)
        for connection in self._connections():
            connection.hang_up()
        # Nobody is there any more to hear how they end.
        for task in self._state.tasks:
            task.cancel()
        if waiting := {*self._state.tasks, *self._greeting}:
            await asyncio.wait(waiting)
        for _ in range(_ROUNDS_TO_CLOSE):
            # Transports close in one of the next turns of the loop.
            await asyncio.sleep(0)

    def let_in(self, socket: socket.socket) -> None:
        """Serve a connection, in place of the one that has been silent for longest.

        If all of them have something to say, it is turned away.
        """
        if self._count() >= self._limits.connections and not self._make_room():
            socket.close()
            return
        task = asyncio.create_task(self._greet(socket))
        self._greeting[task] = socket
        task.add_done_callback(self._on_greeted)

    async def _greet(self, socket: socket.socket) -> None:
        has_tls = self._tls is not None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_connection,
                socket,
                ssl=self._tls,
                ssl_handshake_timeout=self._limits.head if has_tls else None,
                ssl_shutdown_timeout=self._limits.unread if has_tls else None,
            )
        except OSError:
            # No handshake, no connection: there are port scanners everywhere.
            socket.close()

    def _on_greeted(self, task: asyncio.Task[None]) -> None:
        socket = self._greeting.pop(task)
        if task.cancelled():
            socket.close()

    def _make_connection(self) -> Connection:
        return Connection(
            limits=self._limits,
            config=self._config,
            server_state=self._state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )

    def _count(self) -> int:
        return len(self._greeting) + len(self._state.connections)

    def _make_room(self) -> bool:
        """Hang up on whoever has taken longest to say something."""
        for greeting in self._greeting:
            if not greeting.cancelling():
                greeting.cancel()
                return True
        idle = [one for one in self._connections() if one.is_idle]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.idle_since)
        self._state.connections.discard(oldest)
        oldest.hang_up()
        return True

    def _connections(self) -> list[Connection]:
        # uvicorn notes its own protocols here, which are all ours.
        return cast("list[Connection]", list(self._state.connections))
