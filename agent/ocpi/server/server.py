"""The embedded server: its port, its connections, and their end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

from agent.errors import ConfigError
from agent.ocpi.server.certificate import make_server_context
from agent.ocpi.server.listener import listen
from agent.ocpi.server.options import Limits

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Sequence

    from agent.clock import Clock
    from agent.ocpi.server.hall import Hall
    from agent.ocpi.server.options import ServerOptions
    from agent.ocpi.server.ports import Peer, SessionBook, TokenBook

_LOGGER = logging.getLogger(__name__)

_EXTRA: Final = ("starlette", "uvicorn", "h11")
_AFTER_TROUBLE_S: Final = 1.0


class OcpiServer:
    """Serves OCPI to the peers: `open` listens, and `run` serves.

    Whoever connects in between waits.
    """

    def __init__(  # noqa: PLR0913 - one place wires it
        self,
        options: ServerOptions,
        peers: Sequence[Peer],
        tokens: TokenBook,
        sessions: SessionBook,
        *,
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        self._options = options
        self._limits = limits or Limits()
        self._peers, self._tokens, self._sessions = peers, tokens, sessions
        self._clock = clock
        self._listener: socket.socket | None = None
        self._hall: Hall | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Listen until the context is left.

        Raise ConfigError with what is wrong with address, certificate or installation.
        """
        tls = await self._make_tls()
        # Importing the libraries takes seconds on a small computer.
        self._hall = await asyncio.to_thread(self._build, tls)
        self._listener = await asyncio.to_thread(
            listen,
            self._options.listen,
            has_tls=tls is not None,
            backlog=self._limits.connections,
        )
        try:
            yield self
        finally:
            self._listener.close()
            self._listener = self._hall = None

    @property
    def port(self) -> int:
        """The port that was taken."""
        listener, _ = self._opened()
        port: int = listener.getsockname()[1]
        return port

    async def run(self) -> None:
        """Serve until cancelled; requests under way then have a moment to end."""
        listener, hall = self._opened()
        _LOGGER.info(
            "OCPI is served at %s for %s",
            self._options.listen,
            self._options.public_url,
        )
        async with hall:
            while True:
                hall.let_in(await _accept(listener))
                # Many at once would be taken before the first of them has begun.
                await asyncio.sleep(0)

    def _opened(self) -> tuple[socket.socket, Hall]:
        if self._listener is None or self._hall is None:
            raise RuntimeError("the server is not open")
        return self._listener, self._hall

    async def _make_tls(self) -> ssl.SSLContext | None:
        certificate, key = self._options.certificate, self._options.key
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise ConfigError("[server]: expected certificate and key, or none of them")
        return await asyncio.to_thread(make_server_context, certificate, key)

    def _build(self, tls: ssl.SSLContext | None) -> Hall:
        try:
            # An optional extra.
            from agent.ocpi.server.app import Application, Services  # noqa: PLC0415
            from agent.ocpi.server.hall import Hall  # noqa: PLC0415
        except ModuleNotFoundError as err:
            if (err.name or "").partition(".")[0] not in _EXTRA:
                raise
            raise ConfigError(
                "[server] public_url needs starlette and uvicorn; install them with: "
                "pip install 'rfid-agent[web]'"
            ) from err
        services = Services(
            peers=self._peers,
            tokens=self._tokens,
            sessions=self._sessions,
            clock=self._clock,
        )
        app = Application(self._options, services, self._limits)
        return Hall(app, tls, self._limits)


async def _accept(listener: socket.socket) -> socket.socket:
    """Take the next connection; trouble is waited for, and told once."""
    loop = asyncio.get_running_loop()
    told = False
    while True:
        try:
            connection, _ = await loop.sock_accept(listener)
        except ConnectionError:
            continue  # It was gone before we came.
        except OSError as err:
            if not told:
                _LOGGER.warning("no new connections for the moment: %s", err.strerror)
            told = True
            await asyncio.sleep(_AFTER_TROUBLE_S)
        else:
            return connection
