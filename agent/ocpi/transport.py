"""One HTTP exchange with a backend: headers, deadline, redirects, bounded body."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from agent.errors import CredentialsError, TransientUpstreamError
from agent.ocpi.bodies import ACCEPT_ENCODING, read_body
from agent.ocpi.failures import FAILURES, PROXY_REFUSES, WRONG_USER, explain_failure
from agent.ocpi.network import DIRECT, Network, open_transport
from agent.ocpi.redaction import redact
from agent.ocpi.redirects import REDIRECTS, check_arrival, find_target, may_be_a_login
from agent.ocpi.tls import find_certificate_trouble, make_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.ocpi.authorization import CredentialsToken, Encoding
    from agent.ocpi.station import Party

DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
_MAX_REDIRECTS: Final = 3
_FIXED_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": ACCEPT_ENCODING,
    "User-Agent": "rfid-agent",
}

# They log URLs and headers, and the URL of an authorize request is a card number.
for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)


def new_uuid() -> str:
    """Make a message id the way OCPI advises."""
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Routing:
    """The `OCPI-from-*` and `OCPI-to-*` headers of functional modules.

    `receiver` is None for an open routing request: a hub finds out who is meant.
    """

    sender: Party
    receiver: Party | None = None

    def headers(self) -> dict[str, str]:
        """Write them."""
        headers = {
            "OCPI-from-country-code": self.sender.country_code,
            "OCPI-from-party-id": self.sender.party_id,
        }
        if self.receiver is not None:
            headers["OCPI-to-country-code"] = self.receiver.country_code
            headers["OCPI-to-party-id"] = self.receiver.party_id
        return headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `url` may hold a card number, so messages use `name`.

    `shown` stands for the path in messages where the path itself must not be seen;
    `doubt` is a person's first question if what answers is no OCPI server;
    `private` are the values to remove from whatever the server says about it. A `token`
    is used instead of the client's own.
    """

    method: str
    url: str = field(repr=False)
    shown: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    routing: Routing | None = None
    correlation_id: str | None = None
    private: tuple[str, ...] = field(default=(), repr=False)
    timeout: timedelta = DEFAULT_TIMEOUT
    token: CredentialsToken | None = field(default=None, repr=False)
    doubt: str = ""

    @property
    def name(self) -> str:
        """The request as messages call it."""
        return f"{self.method} {self.shown or urlsplit(self.url).path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back, understood no further than HTTP.

    `url` is where it came from after redirects; `encoding` is how our token was
    written; `links` are the parsed `Link` headers by relation.
    """

    call: Call
    url: str = field(repr=False)
    encoding: Encoding
    status: int
    headers: httpx.Headers = field(repr=False)
    links: Mapping[str | None, Mapping[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def quote(self, words: str) -> str:
        """Repeat the server's words without card numbers and tokens."""
        return redact(words, (*self.call.private, *self.secrets))


class OcpiClient:
    """Sends requests under one credentials token; raises nothing but agent errors.

    The connections are made with the first request and belong to that event loop;
    `transport` replaces them. Cookies are not kept. Raise ConfigError for files in
    `network` that cannot be used.
    """

    def __init__(  # noqa: PLR0913 - what the outside world is made of
        self,
        token: CredentialsToken | None,
        *,
        network: Network = DIRECT,
        transport: httpx.AsyncBaseTransport | None = None,
        new_id: Callable[[], str] = new_uuid,
        max_body_bytes: int = MAX_BODY_BYTES,
        clock_is_synchronized: Callable[[], bool] = lambda: True,
    ) -> None:
        self._token = token
        self._network = network
        self._tls = make_context(network.tls)
        self._given_transport = transport
        self._new_id = new_id
        self._max_body_bytes = max_body_bytes
        self._clock_is_synchronized = clock_is_synchronized
        self._transport: httpx.AsyncBaseTransport | None = None

    def use(self, token: CredentialsToken | None) -> None:
        """Send this token from the next request on; None ends all requests."""
        self._token = token

    async def close(self) -> None:
        """Close the connections; a later request would open new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def send(self, call: Call, encoding: Encoding) -> Response:
        """Exchange one request, redirects included, within `call.timeout`.

        All its hops carry one request id. Raise TransientUpstreamError unless a whole
        HTTP answer came, CredentialsError when there is no token to send; what the
        answer means is the caller's business.
        """
        token = call.token or self._token
        if token is None:
            raise CredentialsError(
                f"{call.name}: no credentials token: not registered with the backend"
            )
        seconds = call.timeout.total_seconds()
        via = self._network.via
        try:
            # One deadline for everything: a server that drips a byte now and then
            # never exceeds a timeout per read.
            async with asyncio.timeout(seconds):
                return await self._follow(call, token, encoding)
        except TimeoutError as err:
            raise TransientUpstreamError(
                f"{call.name}: no complete answer within {seconds:g} s{via}"
            ) from err
        except FAILURES as err:
            words = explain_failure(
                err,
                self._network,
                private=(*call.private, *token.spellings()),
                clock_is_synchronized=self._clock_is_synchronized,
            )
            raise TransientUpstreamError(f"{call.name}: {words}{via}") from err

    async def _follow(
        self, call: Call, token: CredentialsToken, encoding: Encoding
    ) -> Response:
        url = httpx.URL(call.url)
        if call.query:
            url = url.copy_merge_params(call.query)
        headers = self._headers(call, token.header(encoding))
        is_doubtful = False
        for _ in range(_MAX_REDIRECTS + 1):
            request = httpx.Request(
                call.method, url, headers=headers, content=call.body
            )
            answer, body = await self._exchange(request)
            response = Response(
                call=call,
                url=str(url),
                encoding=encoding,
                status=answer.status_code,
                headers=answer.headers,
                links=answer.links,
                body=body,
                secrets=token.spellings(),
            )
            if response.status not in REDIRECTS:
                self._check_door(response)
                if is_doubtful:
                    check_arrival(response)
                return response
            url = find_target(response)
            is_doubtful |= may_be_a_login(response, url)
        raise TransientUpstreamError(
            f"{call.name}: redirected more than {_MAX_REDIRECTS} times"
        )

    def _headers(self, call: Call, authorization: str) -> dict[str, str]:
        headers = {
            **_FIXED_HEADERS,
            "Authorization": authorization,
            "X-Request-ID": self._new_id(),
            "X-Correlation-ID": call.correlation_id or self._new_id(),
        }
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.routing is not None:
            headers |= call.routing.headers()
        return headers

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        if self._transport is None:
            self._transport = self._given_transport or open_transport(
                self._network, self._tls
            )
        answer = await self._transport.handle_async_request(request)
        try:
            return answer, await read_body(answer, self._max_body_bytes)
        finally:
            await answer.aclose()

    def _check_door(self, response: Response) -> None:
        """Raise TransientUpstreamError if the backend itself has not been reached."""
        name, via = response.call.name, self._network.via
        if self._network.proxy is not None and response.status == PROXY_REFUSES:
            raise TransientUpstreamError(f"{name}: {WRONG_USER}{via}")
        if trouble := find_certificate_trouble(response.status, response.body):
            raise TransientUpstreamError(f"{name}: {trouble}{via}")
