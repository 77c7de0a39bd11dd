"""Being reachable: the registrations with backends, and the server that they call."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from agent.books import SessionBook, TokenBook
from agent.connections import read_token, subscriber
from agent.errors import STORE_ERRORS
from agent.ocpi.guest import Guest
from agent.ocpi.registration import Registrar
from agent.ocpi.server import OcpiServer, ServerOptions
from agent.registrations import RegistrationPort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agent.clock import Clock
    from agent.config import Config, Upstream
    from agent.health import Health
    from agent.store.journal_thread import JournalThread
    from agent.store.whitelist import Whitelist
    from agent.upstreams import UpstreamPort

_LOGGER = logging.getLogger(__name__)

FORGET_EVERY: Final = timedelta(hours=1)


class Reception:
    """Lets backends in, if the configuration says where they find us."""

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        config: Config,
        upstreams: Sequence[UpstreamPort],
        *,
        whitelist: Whitelist,
        journal: JournalThread,
        clock: Clock,
        health: Health,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self.registrations: dict[str, RegistrationPort] = {}
        self._server: OcpiServer | None = None
        public_url = config.server.public_url
        if public_url is None:
            return
        ports = {upstream.name: upstream for upstream in upstreams}
        guests = [
            self._welcome(tables, ports[tables.config.name], public_url, health)
            for tables in config.upstreams
            if tables.config.handshake
        ]
        subscribers = [subscriber(tables) for tables in config.upstreams]
        self._server = OcpiServer(
            ServerOptions(
                public_url=public_url,
                listen=config.server.listen,
                certificate=config.server.certificate,
                key=config.server.key,
                max_body_kib=config.server.max_body_kib,
                max_requests_per_minute=config.server.max_requests_per_minute,
            ),
            guests,
            TokenBook(whitelist),
            SessionBook(journal, subscribers, ports),
            clock=clock,
        )

    def _welcome(
        self, tables: Upstream, port: UpstreamPort, public_url: str, health: Health
    ) -> Guest:
        """Prepare one backend's registration, and what it may do when it calls."""
        backend = port.connection.backend
        registrar = Registrar(backend, public_url, lambda: read_token(tables))
        registration = RegistrationPort(port, registrar, health)
        self.registrations[port.name] = registration
        return Guest(registrar, registration.on_changed)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen until the context is left; ConfigError if that cannot be."""
        if self._server is None:
            yield
            return
        async with self._server.open():
            yield

    async def run(self) -> None:
        """Serve, and forget the cards of sessions that nobody fetches any more."""
        async with asyncio.TaskGroup() as group:
            if self._server is not None:
                group.create_task(self._server.run())
            group.create_task(self._forget_cards())

    async def _forget_cards(self) -> None:
        while True:
            try:
                count = await self._journal.forget_cards(self._clock.now().wall)
            except STORE_ERRORS as err:
                _LOGGER.warning("cards that are due cannot be forgotten: %s", err)
            else:
                if count:
                    _LOGGER.info("forgot the cards of %d sessions", count)
            if self._server is None:
                return
            await asyncio.sleep(FORGET_EVERY.total_seconds())
