"""One HTTP exchange with a backend: headers, deadline, redirects, bounded body."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from agent.errors import TransientUpstreamError
from agent.ocpi.redaction import redact
from agent.ocpi.urls import is_same_origin, resolve_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agent.ocpi.authorization import CredentialsToken, Encoding
    from agent.ocpi.station import Party

DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
_MAX_REDIRECTS: Final = 3
_KEPT_METHOD_REDIRECTS: Final = (307, 308)

# httpx logs every URL at INFO, and the URL of an authorize request is a card number.
logging.getLogger("httpx").setLevel(logging.WARNING)


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
    `private` are the values to remove from whatever the server says about it.
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

    The HTTP client is made with the first request and belongs to that event loop.
    """

    def __init__(
        self,
        token: CredentialsToken,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        new_id: Callable[[], str] = new_uuid,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._token = token
        self._transport = transport
        self._new_id = new_id
        self._max_body_bytes = max_body_bytes
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections; a later request would open new ones."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def send(self, call: Call, encoding: Encoding) -> Response:
        """Exchange one request, redirects included, within `call.timeout`.

        Raise TransientUpstreamError unless a whole HTTP answer came; what the answer
        means is the caller's business.
        """
        seconds = call.timeout.total_seconds()
        try:
            # One deadline for everything: a server that drips a byte now and then
            # never exceeds a timeout per read.
            async with asyncio.timeout(seconds):
                return await self._follow(call, encoding)
        except TimeoutError as err:
            raise TransientUpstreamError(
                f"{call.name}: no complete answer within {seconds:g} s"
            ) from err
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, OSError) as err:
            words = redact(_explain(err), (*call.private, *self._token.spellings()))
            raise TransientUpstreamError(f"{call.name}: {words}") from err

    async def _follow(self, call: Call, encoding: Encoding) -> Response:
        url = httpx.URL(call.url)
        if call.query:
            url = url.copy_merge_params(call.query)
        headers = self._headers(call, encoding)
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._exchange(call, url, headers, encoding)
            if response.status not in _KEPT_METHOD_REDIRECTS:
                return response
            url = _redirect_target(response)
        raise TransientUpstreamError(
            f"{call.name}: redirected more than {_MAX_REDIRECTS} times"
        )

    def _headers(self, call: Call, encoding: Encoding) -> dict[str, str]:
        headers = {
            "Authorization": self._token.header(encoding),
            "X-Request-ID": self._new_id(),
            "X-Correlation-ID": call.correlation_id or self._new_id(),
        }
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.routing is not None:
            headers |= call.routing.headers()
        return headers

    async def _exchange(
        self, call: Call, url: httpx.URL, headers: dict[str, str], encoding: Encoding
    ) -> Response:
        chunks: list[bytes] = []
        room = self._max_body_bytes
        async with self._open().stream(
            call.method, url, headers=headers, content=call.body
        ) as answer:
            async for chunk in answer.aiter_bytes():
                room -= len(chunk)
                if room < 0:
                    raise TransientUpstreamError(
                        f"{call.name}: expected at most {self._max_body_bytes} bytes, "
                        "got more; ask the backend to send smaller pages"
                    )
                chunks.append(chunk)
        return Response(
            call=call,
            url=str(url),
            encoding=encoding,
            status=answer.status_code,
            headers=answer.headers,
            links=answer.links,
            body=b"".join(chunks),
            secrets=self._token.spellings(),
        )

    def _open(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(
                verify=_system_trust(),
                transport=self._transport,
                timeout=None,  # noqa: S113 - `send` sets one deadline for everything
                headers={"Accept": "application/json", "User-Agent": "rfid-agent"},
            )
        return self._http


@cache
def _system_trust() -> ssl.SSLContext:
    """Load the system's certificates once; there is no bundle of our own."""
    return ssl.create_default_context()


def _redirect_target(response: Response) -> httpx.URL:
    """Read where a redirect leads; never give the token to another server."""
    target = resolve_url(response.url, response.headers.get("location", ""))
    if target is None:
        raise TransientUpstreamError(
            f"{response.call.name}: redirected to an unreadable Location"
        )
    if not is_same_origin(target, httpx.URL(response.url)):
        raise TransientUpstreamError(
            f"{response.call.name}: redirected to {target.scheme}://{target.host}, "
            "another server, which must not see our token; configure its URL if it "
            "is the right one"
        )
    return target


def _explain(err: Exception) -> str:
    """Say what went wrong below HTTP, and what a reader can do about it."""
    causes = list(_causes(err))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _explain_certificate(cause.verify_message)
    words = next((str(cause) for cause in causes if str(cause)), "")
    return f"{type(err).__name__} {words}".strip()


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    """Go down to the beginning: libraries wrap what they catch."""
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__


def _explain_certificate(complaint: str) -> str:
    if "not yet valid" in complaint:
        advice = "check the clock of this machine"
    elif "expired" in complaint:
        advice = "the backend must renew it, unless the clock of this machine is wrong"
    else:
        advice = "check the host name, and the certificate authorities installed here"
    return f"the server's certificate was not accepted ({complaint}); {advice}"
