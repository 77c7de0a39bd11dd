"""One backend at work: where it serves what, and whether it can be reached."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from agent.errors import AgentError, CredentialsError, RefusedUpstreamError
from agent.ocpi.discovery import discover
from agent.ocpi.envelope import open_envelope
from agent.ocpi.hearing import was_heard
from agent.ocpi.memory import Memory
from agent.ocpi.probing import ProbingClient
from agent.ocpi.station import Source
from agent.ocpi.transport import Call, OcpiClient, Routing, new_uuid
from agent.ocpi.wire import SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from msgspec import Raw

    from agent.ocpi.authorization import CredentialsToken
    from agent.ocpi.discovery import Endpoints
    from agent.ocpi.station import Party
    from agent.ocpi.transport import Response
    from agent.ocpi.upstream import Upstream
    from agent.ocpi.wire import WireModel

_LOGGER = logging.getLogger(__name__)
_MOVED_STATUSES: Final = (404, 405, 410)


class Backend:
    """Finds a backend's endpoints when first needed, and sends requests to them.

    Tells the log when it stops working and when it works again, once each, and
    `on_change` after every request. `memory` is what is known from earlier runs.
    """

    def __init__(  # noqa: PLR0913 - the configuration, and the outside world
        self,
        upstream: Upstream,
        memory: Memory | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        new_id: Callable[[], str] = new_uuid,
        clock_is_synchronized: Callable[[], bool] = lambda: True,
        on_change: Callable[[AgentError | None], None] = lambda _: None,
    ) -> None:
        self.upstream = upstream
        self.memory = memory or Memory(upstream.versions_url)
        self._transport = transport
        self._new_id = new_id
        self._clock_is_synchronized = clock_is_synchronized
        self._client = self.open_client(self._token())
        self._probing = ProbingClient(
            self._client, self.memory.encodings, self.memory.note_encodings
        )
        self._endpoints: Endpoints | None = None
        self._forgotten = 0
        self._discovering = asyncio.Lock()
        self._trouble: type[AgentError] | None = None
        self._on_change = on_change

    async def close(self) -> None:
        """Close the network connections."""
        await self._client.close()

    def open_client(self, token: CredentialsToken | None) -> OcpiClient:
        """Make a way to it under another token; the caller closes it."""
        return OcpiClient(
            token,
            network=self.upstream.network,
            transport=self._transport,
            new_id=self._new_id,
            clock_is_synchronized=self._clock_is_synchronized,
        )

    # ---- who is there ----------------------------------------------------------------

    @property
    def version(self) -> str | None:
        """The version that is spoken, None while nobody has been asked."""
        if self._endpoints is not None:
            return self._endpoints.version
        return self.memory.registered_version

    @property
    def their_party(self) -> Party | None:
        """Whom the backend is, by configuration or by its own word."""
        told = self.memory.their_party if self.upstream.handshake else None
        return self.upstream.their_party or told

    @property
    def their_emsp(self) -> Party | None:
        """Who answers for every card, None behind a hub, or where nobody has told."""
        party = self.their_party if self.upstream.handshake else None
        return party if party and self.memory.is_emsp(party) else None

    async def endpoints(self) -> Endpoints:
        """Return where the backend serves what; ask once, and again after failures.

        Raise the agent's upstream errors.
        """
        if self._endpoints is None:
            async with self._discovering:
                if self._endpoints is None:
                    return await self._discover()
        return self._endpoints

    async def _discover(self) -> Endpoints:
        upstream, forgotten = self.upstream, self._forgotten
        registered = self.memory.registered_version if upstream.handshake else None
        try:
            if self._token() is None:
                raise CredentialsError(
                    f"{self.memory.problem or 'not registered'}; run: "
                    f"rfid-agent register {upstream.name}"
                )
            found = await discover(
                self._probing, upstream.versions_url, upstream.wanted(registered)
            )
        except AgentError as err:
            self._log_change(err)
            raise
        _LOGGER.info("%s: speaks OCPI %s", upstream.name, found.version)
        if forgotten == self._forgotten:
            self._endpoints = found
        return found

    async def origin(self) -> str:
        """Tell one list from another that takes its place: where, and by what right.

        Raise the agent's upstream errors.
        """
        endpoints = await self.endpoints()
        registration = self.memory.registration if self.upstream.handshake else None
        serial = registration.serial if registration else ""
        # Where the connection alone says whose the cards are, others take their place.
        owner = "" if self.wire(endpoints).NAMES_PARTIES else self.their_party or ""
        parts = (self.upstream.versions_url, endpoints.version, serial, owner)
        return " ".join(str(part) for part in parts if part)

    def forget_endpoints(self) -> None:
        """Discover again before the next request, whatever is being found just now."""
        self._endpoints = None
        self._forgotten += 1

    def renew(self) -> None:
        """Use the token that is remembered now, and find everything out again."""
        self._client.use(self._token())
        self._probing.forget()
        self.forget_endpoints()

    def _token(self) -> CredentialsToken | None:
        """Ours for all requests but those of registering."""
        if self.upstream.handshake:
            return self.memory.their_token_for_us
        return self.upstream.token

    # ---- requests --------------------------------------------------------------------

    def wire(self, endpoints: Endpoints) -> WireModel:
        """The JSON of the version that is spoken."""
        return SUPPORTED[endpoints.version]

    def source(self) -> Source:
        """Whose words its answers are."""
        return Source(self.upstream.name, self.their_party)

    def routing(self, endpoints: Endpoints, receiver: Party | None) -> Routing | None:
        """Address a functional module's request, where the version has addresses."""
        if not self.wire(endpoints).NAMES_PARTIES:
            return None
        return Routing(self.upstream.station.party, receiver)

    async def send(self, endpoints: Endpoints, call: Call) -> Response:
        """Send a module's request; raise TransientUpstreamError if no answer comes."""
        scope = f"{endpoints.version} modules"
        return await self._probing.ask(call, scope, endpoints.encoding)

    async def fetch(self, endpoints: Endpoints, call: Call) -> Raw | None:
        """Send a module's request and return the answer's `data`.

        Raise the agent's upstream errors.
        """
        _, data = await self.exchange(endpoints, call)
        return data

    async def exchange(
        self, endpoints: Endpoints, call: Call
    ) -> tuple[Response, Raw | None]:
        """Do the same and return the whole answer as well."""
        try:
            response = await self.send(endpoints, call)
            data = open_envelope(response)
        except AgentError as err:
            self.note(err)
            raise
        self.note(None)
        return response, data

    def note(self, err: AgentError | None) -> None:
        """Learn how a request to a module ended; None is success."""
        # Whoever refuses one request is there and knows us.
        self._log_change(None if isinstance(err, RefusedUpstreamError) else err)

    def forget_if_moved(self, err: AgentError) -> None:
        """Look for the endpoints again if one is gone: the backend was rebuilt."""
        gone = isinstance(err, RefusedUpstreamError) and (
            err.http_status in _MOVED_STATUSES
        )
        # A host that is silent may be an old one; the versions know the new one.
        if gone or not was_heard(err):
            self.forget_endpoints()

    def _log_change(self, trouble: AgentError | None) -> None:
        self._on_change(trouble)
        kind = type(trouble) if trouble else None
        before, self._trouble = self._trouble, kind
        if kind is before:
            return
        if trouble is None:
            _LOGGER.info("%s: answers again", self.upstream.name)
        else:
            _LOGGER.warning("%s: %s", self.upstream.name, trouble)
