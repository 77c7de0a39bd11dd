"""One configured backend: where it serves what, and whether it can be reached."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from agent.errors import (
    AgentError,
    ConfigError,
    RefusedUpstreamError,
)
from agent.ocpi.authorization import CredentialsToken  # noqa: TC001 - msgspec reads it
from agent.ocpi.discovery import discover
from agent.ocpi.envelope import open_envelope
from agent.ocpi.pages import PAGE_SIZE
from agent.ocpi.probing import ProbingClient
from agent.ocpi.station import Party, StationIdentity  # noqa: TC001 - msgspec reads them
from agent.ocpi.transport import Call, OcpiClient, new_uuid
from agent.ocpi.urls import resolve_url
from agent.ocpi.wire import SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from msgspec import Raw

    from agent.ocpi.discovery import Endpoints
    from agent.ocpi.transport import Response

_LOGGER = logging.getLogger(__name__)

AUTO: Final = "auto"


class Upstream(Struct, frozen=True, kw_only=True):
    """The configuration of one backend.

    `version` is a number, or "auto" for the newest that both sides speak;
    `their_party` is the eMSP's, or the hub's, if it wants to be addressed;
    `page_size` is how many tokens we ask for at a time.
    """

    name: str
    versions_url: str
    token: CredentialsToken
    station: StationIdentity
    version: str = AUTO
    their_party: Party | None = None
    page_size: int = PAGE_SIZE


class Backend:
    """Finds a backend's endpoints when first needed, and sends requests to them.

    Tells the log when it stops working and when it works again, once each, and
    `on_change` after every request. Raise ConfigError for a URL or a version that
    cannot work.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        new_id: Callable[[], str] = new_uuid,
        on_change: Callable[[AgentError | None], None] = lambda _: None,
    ) -> None:
        self._upstream = upstream
        self._wanted = _wanted_versions(upstream)
        if resolve_url(upstream.versions_url, "") is None:
            raise ConfigError(
                f"{upstream.name}: versions_url: expected an http or https URL, "
                f"got {upstream.versions_url!r}"
            )
        self._client = OcpiClient(upstream.token, transport=transport, new_id=new_id)
        self._probing = ProbingClient(self._client)
        self._endpoints: Endpoints | None = None
        self._discovering = asyncio.Lock()
        self._trouble: type[AgentError] | None = None
        self._on_change = on_change

    async def close(self) -> None:
        """Close the network connections."""
        await self._client.close()

    async def endpoints(self) -> Endpoints:
        """Return where the backend serves what; ask once, and again after failures.

        Raise the agent's upstream errors.
        """
        if self._endpoints is None:
            async with self._discovering:
                if self._endpoints is None:
                    self._endpoints = await self._discover()
        return self._endpoints

    async def _discover(self) -> Endpoints:
        upstream = self._upstream
        try:
            found = await discover(self._probing, upstream.versions_url, self._wanted)
        except AgentError as err:
            self._log_change(err)
            raise
        _LOGGER.info("%s: speaks OCPI %s", upstream.name, found.version)
        return found

    def forget_endpoints(self) -> None:
        """Discover again before the next request."""
        self._endpoints = None

    async def send(self, endpoints: Endpoints, call: Call) -> Response:
        """Send a module's request; raise TransientUpstreamError if no answer comes."""
        scope = f"{endpoints.version} modules"
        return await self._probing.ask(call, scope, endpoints.encoding)

    async def fetch(self, endpoints: Endpoints, call: Call) -> Raw | None:
        """Send a module's request and return the answer's `data`.

        Raise the agent's upstream errors.
        """
        try:
            data = open_envelope(await self.send(endpoints, call))
        except AgentError as err:
            self.note(err)
            raise
        self.note(None)
        return data

    def note(self, err: AgentError | None) -> None:
        """Learn how a request to a module ended; None is success."""
        # Whoever refuses one request is there and knows us.
        self._log_change(None if isinstance(err, RefusedUpstreamError) else err)

    def _log_change(self, trouble: AgentError | None) -> None:
        self._on_change(trouble)
        kind = type(trouble) if trouble else None
        before, self._trouble = self._trouble, kind
        if kind is before:
            return
        if trouble is None:
            _LOGGER.info("%s: answers again", self._upstream.name)
        else:
            _LOGGER.warning("%s: %s", self._upstream.name, trouble)


def _wanted_versions(upstream: Upstream) -> tuple[str, ...]:
    if upstream.version == AUTO:
        return tuple(SUPPORTED)
    if upstream.version in SUPPORTED:
        return (upstream.version,)
    raise ConfigError(
        f"{upstream.name}: version: expected {AUTO} or {' or '.join(SUPPORTED)}, "
        f"got {upstream.version!r}"
    )
