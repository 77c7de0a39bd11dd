"""The agent's own OCPI side, in the test's process, towards a server under test."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import httpx
from msgspec.structs import replace

from agent.domain.reports import Document, Report
from agent.domain.uid import Uid
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.connection import OcpiConnection
from agent.ocpi.memory import Memory
from agent.ocpi.station import Party
from agent.ocpi.sync import Synchronizer
from agent.ocpi.upstream import Upstream
from agent.store.secret_file import SecretFile
from tests.agent.ocpi.examples import BILLED, SESSION, STATION
from tests.fakes.lists import open_list
from tests.interop.shapes import COUNTRY_CODE, PARTY_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from pathlib import Path

    from agent.domain.reports import Delivery
    from agent.domain.sessions import Session
    from agent.domain.tokens import Reply, Token
    from agent.ocpi.sync import Progress, SyncResult
    from agent.store.whitelist import Whitelist
    from tests.interop.process import ServerProcess

T = TypeVar("T")

NAME: Final = "emsp"
MEMORY_FILE: Final = "connection.json"
EVSE: Final = "SE*ABC*E1"
ENOUGH: Final = timedelta(seconds=10)
#: A session with a price, whose Location tells all that is known; it is open.
PRICED: Final = replace(SESSION, tariff=BILLED.tariff)


class AgentSide:
    """One start of the agent's connection to a server, with a whitelist in a folder.

    A context manager. `party` is the eMSP's, which OCPI 2.1.1 does not tell; `changes`
    are other fields of Upstream.
    """

    def __init__(
        self,
        server: ServerProcess,
        folder: Path,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        max_shrink_percent: int = 50,
        **changes: Any,  # noqa: ANN401 - Upstream's fields
    ) -> None:
        self.upstream = _describe(server, changes)
        self.connection = OcpiConnection(
            self.upstream,
            Memory(self.upstream.versions_url, SecretFile(folder / MEMORY_FILE)),
            transport=transport,
        )
        self._folder = folder
        self._max_shrink_percent = max_shrink_percent
        #: How long it would have waited before asking for a page again.
        self.pauses: list[float] = []
        # The pages of a list are asked for again after pauses, which tests have not.
        self.connection._tokens._pager._requests._sleep = self._pause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "whitelist" in vars(self):
            self.whitelist.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do one thing, and hang up."""

        async def do() -> T:
            try:
                return await work
            finally:
                await self.connection.close()

        return asyncio.run(do())

    # ---- what the station does ------------------------------------------------------

    def sync(
        self,
        *,
        full: bool = True,
        on_progress: Callable[[Progress], None] = lambda _: None,
        accept_shrink: bool = False,
    ) -> SyncResult:
        """Synchronise the whitelist."""
        synchronizer = Synchronizer(
            NAME,
            self.connection,
            self.whitelist,
            max_shrink_percent=self._max_shrink_percent,
        )
        return self.run(
            synchronizer.run(
                full=full, accept_shrink=accept_shrink, on_progress=on_progress
            )
        )

    def ask(
        self, card: str, token: Token | None = None, timeout: timedelta = ENOUGH
    ) -> Reply:
        """Ask about a card, listed as `token` or not at all."""
        question = self.connection.authorize(Uid(card), token, [EVSE], timeout)
        return self.run(question)

    def tell(self, session: Session = PRICED) -> Delivery:
        """Tell of a session."""
        return self._deliver(session, Document.SESSION)

    def bill(self, session: Session = BILLED) -> Delivery:
        """Send the CDR of a session."""
        return self._deliver(session, Document.CDR)

    # ---- what it knows --------------------------------------------------------------

    @cached_property
    def whitelist(self) -> Whitelist:
        """The whitelist in the folder; opened when it is first needed."""
        return open_list(self._folder, (NAME,))

    def find(self, card: str) -> Token | None:
        """Look a card up in the whitelist in force."""
        found = self.whitelist.find(Uid(card))
        return found[0] if found else None

    def listed(self, *cards: str) -> list[str]:
        """Say which of these cards are in force."""
        return [card for card in cards if self.whitelist.find(Uid(card))]

    @property
    def cursor(self) -> datetime | None:
        """Where the next incremental synchronisation begins."""
        return self.whitelist.sync_state(NAME).cursor

    def _deliver(self, session: Session, document: Document) -> Delivery:
        report = Report(
            id=1, correlation_id="corr-1", session=session, document=document
        )
        return self.run(self.connection.deliver(report))

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Meddler(httpx.AsyncBaseTransport):
    """A real transport that loses what the test names from each query."""

    def __init__(self, *lost: str) -> None:
        self._lost = lost
        self._real: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on without these parameters."""
        for name in self._lost:
            request.url = request.url.copy_remove_param(name)
        if self._real is None:
            self._real = httpx.AsyncHTTPTransport()
        return await self._real.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        real, self._real = self._real, None
        if real is not None:
            await real.aclose()


def card(number: int) -> str:
    """Name a card, in the way that readers do."""
    return f"04AB{number:010X}"


def _describe(server: ServerProcess, changes: dict[str, Any]) -> Upstream:
    token = changes.pop("token", server.token)
    settings: dict[str, Any] = {
        "name": NAME,
        "versions_url": server.versions_url,
        "token": CredentialsToken(token),
        "station": STATION,
        "their_party": Party(COUNTRY_CODE, PARTY_ID),
    }
    return Upstream(**settings | changes)
