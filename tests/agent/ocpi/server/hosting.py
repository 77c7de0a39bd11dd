"""The server on loopback, with everything behind its ports in memory."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from msgspec.structs import replace

from agent.domain.uid import Uid
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.credentials import Credentials, PartyRole, Role
from agent.ocpi.server import (
    Access,
    CredentialsRefusedError,
    Limits,
    OcpiServer,
    ServerOptions,
)
from agent.ocpi.station import Party, Source
from tests.agent.ocpi.examples import STATION
from tests.fakes.clock import FakeClock
from tests.reference.checking import check

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Mapping,
        Sequence,
    )

    from agent.domain.sessions import Session
    from agent.domain.tokens import Token, TokenType
    from agent.ocpi.quirks import Quirk
    from agent.ocpi.station import StationIdentity

VERSIONS = ("2.3.0", "2.2.1", "2.1.1")
# Loading the certificates of the world takes longer than most tests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SECRET = "their-token-for-us-0123456789"
SETUP_SECRET = "not-yet-registered-0123456789"
PUBLIC = "https://station.example/charge/ocpi"
BASE = "/charge/ocpi"
ROUTING = {
    "OCPI-from-country-code": "NL",
    "OCPI-from-party-id": "TNM",
    "OCPI-to-country-code": "SE",
    "OCPI-to-party-id": "ABC",
}


def credentials_of(token: str) -> Credentials:
    """Write the station's credentials."""
    role = PartyRole(role=Role.CPO, party=STATION.party, name="Laddbolaget")
    return Credentials(
        token=CredentialsToken(token), url=f"{PUBLIC}/versions", roles=(role,)
    )


@dataclass
class FakePeer:
    """A backend that is registered."""

    name: str = "emsp"
    versions: Sequence[str] = VERSIONS
    station: StationIdentity = STATION
    quirks: Collection[Quirk] = ()
    secret: str = SECRET
    setup_secret: str = SETUP_SECRET
    party: Party | None = field(default_factory=lambda: Party("NL", "TNM"))
    refusal: CredentialsRefusedError | Exception | None = None
    replaced: list[tuple[Credentials, str]] = field(default_factory=list)
    ended: int = 0
    shown: list[str] = field(default_factory=list)

    def recognize(self, token: str) -> Access | None:
        """Know two tokens."""
        self.shown.append(token)
        known = {self.secret: Access.FULL, self.setup_secret: Access.SETUP}
        return known.get(token)

    def source(self) -> Source:
        """Say whose words its pushes are."""
        return Source(self.name, self.party)

    def credentials(self) -> Credentials:
        """Show what it was given."""
        return credentials_of(self.secret)

    async def replace(self, credentials: Credentials, version: str) -> Credentials:
        """Take new credentials, or not."""
        if self.refusal is not None:
            raise self.refusal
        self.replaced.append((credentials, version))
        self.secret = "another-token-9876543210"
        return self.credentials()

    async def end(self) -> None:
        """Forget the token."""
        self.ended += 1
        self.secret = "no longer anything"


@dataclass
class MemoryBook:
    """A whitelist without a disk; it can fail, and it can be slow."""

    tokens: dict[tuple[str, ...], Token] = field(default_factory=dict)
    learned: list[Token] = field(default_factory=list)
    failure: Exception | None = None
    before: Callable[[], object] = lambda: None

    def find(
        self,
        upstream: str,
        country_code: str,
        party_id: str,
        uid: str,
        type: TokenType,  # noqa: A002 - OCPI's own word
    ) -> Token | None:
        """Look one up."""
        self.before()
        if self.failure is not None:
            raise self.failure
        return self.tokens.get(_key(upstream, country_code, party_id, uid, type))

    def learn(self, token: Token) -> None:
        """Take one in; its group is known as a hash only, as in the real one."""
        self.before()
        if self.failure is not None:
            raise self.failure
        self.learned.append(token)
        group = token.group_id
        if group and not group.startswith("§"):
            group = f"§{hash(group.casefold()) & (2**64 - 1):016x}"
        names = (token.country_code, token.party_id, token.uid, token.type)
        self.tokens[_key(token.upstream, *names)] = replace(token, group_id=group)


def _key(*names: str) -> tuple[str, ...]:
    *party, uid, kind = names
    return *(name.casefold() for name in party), Uid.parse(uid).value, kind


@dataclass
class MemorySessions:
    """Sessions and CDRs of one backend."""

    told: list[Session] = field(default_factory=list)
    billed: list[Session] = field(default_factory=list)

    async def sessions(self, upstream: str) -> list[Session]:
        """Give what is told of its cards."""
        return [session for session in self.told if session.upstream == upstream]

    async def cdrs(self, upstream: str) -> list[Session]:
        """Give what is billed to its cards."""
        return [session for session in self.billed if session.upstream == upstream]


@dataclass
class Answer:
    """An answer in which everything that is always right has been checked."""

    http: int
    code: int
    data: Any
    message: str | None
    headers: httpx.Headers


def read_answer(response: httpx.Response) -> Answer:
    """Open the envelope, which must be there and right."""
    assert response.headers["content-type"] == "application/json"
    assert "server" not in response.headers
    envelope = json.loads(response.content)
    assert check("2.2.1", "Envelope", envelope) == []
    return Answer(
        response.status_code,
        envelope["status_code"],
        envelope.get("data"),
        envelope.get("status_message"),
        response.headers,
    )


@dataclass
class Host:
    """A running server and all that it is connected with."""

    peers: list[FakePeer] = field(default_factory=lambda: [FakePeer()])
    book: MemoryBook = field(default_factory=MemoryBook)
    sessions: MemorySessions = field(default_factory=MemorySessions)
    clock: FakeClock = field(default_factory=FakeClock)
    options: ServerOptions = field(
        default_factory=lambda: ServerOptions(public_url=PUBLIC, listen="127.0.0.1:0")
    )
    limits: Limits = field(default_factory=Limits)
    port: int = 0
    running: asyncio.Task[None] | None = None

    @property
    def peer(self) -> FakePeer:
        """The first backend."""
        return self.peers[0]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Host]:
        """Listen and serve until the context is left."""
        server = OcpiServer(
            self.options,
            self.peers,
            self.book,
            self.sessions,
            clock=self.clock,
            limits=self.limits,
        )
        async with server.open():
            self.port = server.port
            self.running = asyncio.create_task(server.run())
            try:
                yield self
            finally:
                self.running.cancel()
                await asyncio.wait({self.running})
                assert self.running.cancelled()

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        secret: str | None = SECRET,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one request behind the public URL; `body` is JSON unless it is bytes."""
        sent = dict(headers or {})
        if secret is not None:
            encoded = base64.b64encode(secret.encode()).decode()
            sent.setdefault("Authorization", f"Token {encoded}")
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with httpx.AsyncClient(
            verify=NO_TLS, trust_env=False, timeout=20
        ) as client:
            response = await client.request(
                method,
                f"http://127.0.0.1:{self.port}{BASE}{path}",
                content=None if body is None else content,
                headers=sent,
            )
        return read_answer(response)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a bare connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)


def hosted(test: Callable[[Host], Awaitable[None]], **parts: Any) -> Host:  # noqa: ANN401 - fields of Host
    """Run a test against a server that has these parts."""
    host = Host(**parts)

    async def main() -> None:
        async with host.serving():
            await test(host)

    asyncio.run(main())
    return host
