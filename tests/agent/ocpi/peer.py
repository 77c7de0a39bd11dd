"""An OCPI 2.2.1 backend in memory that a test can make misbehave, route by route."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx

from agent.domain.places import Place
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.connection import OcpiConnection
from agent.ocpi.station import StationIdentity
from agent.ocpi.transport import Call, Response
from agent.ocpi.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reply = httpx.Response | Callable[[httpx.Request], httpx.Response]

HOME = "https://emsp.example"
VERSIONS = "/ocpi/versions"
DETAILS = "/ocpi/2.2.1"
TOKENS = "/ocpi/emsp/2.2.1/tokens"
SESSIONS = "/ocpi/emsp/2.2.1/sessions"
SECRET = "correct-horse-battery"
BASE64_HEADER = "Token " + base64.b64encode(SECRET.encode()).decode()
RAW_HEADER = f"Token {SECRET}"
STATION = StationIdentity(
    country_code="SE",
    party_id="ABC",
    location_id="LOC-1",
    places={
        "SE*ABC*E1": Place(location_id="LOC-1", currency="SEK", meter_id="M-77"),
    },
)


def envelope(
    data: object = None,
    code: int = 1000,
    *,
    http: int = 200,
    words: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Answer as the book says; `data` None leaves it out."""
    frame: dict[str, Any] = {"status_code": code, "timestamp": "2026-01-01T00:00:00Z"}
    if data is not None:
        frame["data"] = data
    if words is not None:
        frame["status_message"] = words
    return httpx.Response(http, json=frame, headers=headers)


def refuse_unless(header: str, answer: Reply) -> Reply:
    """Answer 401 to every other Authorization header."""

    def check(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] != header:
            return httpx.Response(401)
        return answer if isinstance(answer, httpx.Response) else answer(request)

    return check


def endpoint(identifier: str, role: str, path: str) -> dict[str, str]:
    """Publish one endpoint."""
    return {"identifier": identifier, "role": role, "url": HOME + path}


@dataclass
class Peer(httpx.AsyncBaseTransport):
    """Answers by (method, path), 404 elsewhere, and keeps every request."""

    routes: dict[tuple[str, str], Reply] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Publish the usual endpoints."""
        versions = [
            {"version": "2.1.1", "url": f"{HOME}/ocpi/2.1.1"},
            {"version": "2.2.1", "url": HOME + DETAILS},
        ]
        endpoints = [
            endpoint("credentials", "SENDER", "/ocpi/2.2.1/credentials"),
            endpoint("sessions", "RECEIVER", SESSIONS),
            endpoint("tokens", "SENDER", TOKENS),
        ]
        self.routes["GET", VERSIONS] = envelope(versions)
        self.publish(endpoints)

    def publish(self, endpoints: object) -> None:
        """Serve these endpoints as the version details."""
        self.routes["GET", DETAILS] = envelope(
            {"version": "2.2.1", "endpoints": endpoints}
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        reply = self.routes.get((request.method, request.url.path))
        if reply is None:
            return httpx.Response(404, json={"detail": "Object not found."})
        answer = reply if isinstance(reply, httpx.Response) else reply(request)
        # An answer can be read once, and a route may be asked again.
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=answer.content
        )

    def asked(self, path: str) -> list[httpx.Request]:
        """Return the requests for this path, oldest first."""
        return [request for request in self.requests if request.url.path == path]


class Silence(httpx.AsyncBaseTransport):
    """Takes requests and never answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait until cancelled."""
        del request
        await asyncio.get_running_loop().create_future()
        raise AssertionError("a future nobody has cannot be set")


def connect(
    peer: httpx.AsyncBaseTransport,
    **changes: Any,  # noqa: ANN401 - Upstream's fields
) -> OcpiConnection:
    """Connect to a peer; `changes` replace parts of the configuration."""
    ids = count(1)
    settings: dict[str, Any] = {
        "name": "emsp",
        "versions_url": HOME + VERSIONS,
        "token": CredentialsToken(SECRET),
        "station": STATION,
    }
    return OcpiConnection(
        Upstream(**settings | changes),
        transport=peer,
        new_id=lambda: f"id-{next(ids)}",
    )


def respond(
    body: object = b"",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    call: Call | None = None,
) -> Response:
    """Make the Response that a request would give; a body that is no bytes is JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.Response(status, headers=headers, content=content)
    call = call or Call(method="GET", url=HOME + TOKENS)
    return Response(
        call=call,
        url=call.url,
        encoding=Encoding.BASE64,
        status=status,
        headers=answer.headers,
        links=answer.links,
        body=content,
        secrets=CredentialsToken(SECRET).spellings(),
    )
