"""A backend that registers stations, and a disk, both of which can fail at any step."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
from msgspec.structs import replace

from agent.errors import StoreFailedError
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.backend import Backend
from agent.ocpi.guest import Guest
from agent.ocpi.memory import Memory
from agent.ocpi.registration import Registrar
from agent.ocpi.server.ports import Access
from agent.ocpi.station import Location, Party
from agent.ocpi.upstream import Upstream
from tests.agent.ocpi.peer import HOME, STATION, VERSIONS, envelope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.ocpi.memory import State

    Proceed = Callable[[], httpx.Response]
    Mishap = Callable[[httpx.Request, Proceed], Awaitable[httpx.Response]]

PUBLIC_URL = "https://station.example/ocpi"
INVITATION = "token-for-registering-1"
WHOLE_STATION = replace(
    STATION,
    name="Ladesäulen AG",
    location=Location(
        address="Storgatan 1",
        city="Umeå",
        country="SWE",
        postal_code="903 26",
        latitude="63.825",
        longitude="20.263",
    ),
)


class Killed(BaseException):
    """The power is gone."""


class Fate:
    """Counts what can be the last thing to happen, and lets it be that."""

    def __init__(self, last: int | None = None) -> None:
        self._last = last
        self._steps = count()

    def step(self) -> None:
        """Go on, or not."""
        if next(self._steps) == self._last:
            raise Killed


class Disk:
    """The file of one connection; survives a Killed, and fills up when told."""

    def __init__(self, content: bytes | None = None) -> None:
        self.content = content
        self.writes = 0
        self.is_full = False
        self.fate = Fate()

    def read(self) -> bytes | None:
        """Return what it holds."""
        return self.content

    def write(self, data: bytes) -> None:
        """Replace it."""
        if self.is_full:
            raise StoreFailedError("connection.json: No space left on device")
        self.fate.step()
        self.content = data
        self.writes += 1
        self.fate.step()

    def read_json(self) -> Any:  # noqa: ANN401 - JSON
        """Look into it."""
        return json.loads(self.content or b"null")


@dataclass
class Partner(httpx.AsyncBaseTransport):
    """An eMSP that knows invitations, then one station; strict about encodings.

    `mishaps` go in between, by method and the end of the path; `on_visit` is what it
    asks the station before it answers, with the token that it was given.
    """

    versions: tuple[str, ...] = ("2.1.1", "2.2.1", "2.3.0")
    modules: tuple[str, ...] = ("credentials", "tokens", "sessions", "cdrs")
    invitations: set[str] = field(default_factory=lambda: {INVITATION})
    #: What the station shows us, and what we show the station.
    token_for_station: str | None = None
    token_for_us: str | None = None
    version: str | None = None
    told: list[Any] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    mishaps: dict[tuple[str, str], Mishap] = field(default_factory=dict)
    on_visit: Callable[[str], None] = lambda _: None
    changes: dict[str, Any] = field(default_factory=dict)
    fate: Fate = field(default_factory=Fate)
    serial: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.fate.step()
        self.requests.append(request)

        def proceed() -> httpx.Response:
            answer = self._answer(request)
            self.fate.step()
            return answer

        for (method, end), mishap in self.mishaps.items():
            if request.method == method and request.url.path.endswith(end):
                return await mishap(request, proceed)
        return proceed()

    def invite(self) -> str:
        """Forget the station, and hand out a new invitation."""
        self.token_for_station = self.token_for_us = self.version = None
        self.serial += 1
        self.invitations = {f"token-for-registering-again-{self.serial}"}
        return next(iter(self.invitations))

    def asked(self, method: str, end: str = "") -> list[httpx.Request]:
        """Return the requests of a method for a path that ends so."""
        return [
            one
            for one in self.requests
            if one.method == method and one.url.path.endswith(end)
        ]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == VERSIONS:
            return self._if_known(request, ("raw", "base64"), self._list_versions)
        version = path.removeprefix("/ocpi/").partition("/")[0]
        if version not in self.versions:
            return httpx.Response(404)
        encodings = ("raw",) if version == "2.1.1" else ("base64",)
        if path.count("/") == 2:
            return self._if_known(request, encodings, lambda _: self._details(version))
        if path.endswith("/credentials"):
            return self._if_known(
                request,
                encodings,
                lambda token: self._exchange(request, version, token),
            )
        return self._if_known(request, encodings, lambda _: envelope([]), modules=True)

    def _if_known(
        self,
        request: httpx.Request,
        encodings: tuple[str, ...],
        answer: Callable[[str], httpx.Response],
        *,
        modules: bool = False,
    ) -> httpx.Response:
        token = _read(request.headers["authorization"], encodings)
        is_invited = token in self.invitations and not modules
        if token is None or not (is_invited or token == self.token_for_station):
            return envelope(None, 2000, http=401)
        return answer(token)

    def _list_versions(self, _: str) -> httpx.Response:
        return envelope(
            [{"version": one, "url": f"{HOME}/ocpi/{one}"} for one in self.versions]
        )

    def _details(self, version: str) -> httpx.Response:
        roles = {"tokens": "SENDER", "sessions": "RECEIVER", "cdrs": "RECEIVER"}
        endpoints = []
        for module in self.modules:
            offer = {"identifier": module, "url": f"{HOME}/ocpi/{version}/{module}"}
            if version != "2.1.1":
                offer["role"] = roles.get(module, "SENDER")
            endpoints.append(offer)
        return envelope({"version": version, "endpoints": endpoints})

    def _exchange(
        self, request: httpx.Request, version: str, token: str
    ) -> httpx.Response:
        is_registered = token == self.token_for_station
        if (request.method == "POST") is is_registered:
            return envelope(None, 2000, http=405)
        if request.method == "DELETE":
            self.token_for_station = self.token_for_us = None
            return envelope()
        body = json.loads(request.content)
        self.on_visit(body["token"])
        self.told.append(body)
        self.invitations.discard(token)
        self.serial += 1
        self.token_for_station = f"token-for-station-{self.serial}"
        self.token_for_us = body["token"]
        self.version = version
        return envelope(self.credentials(version) | self.changes)

    def credentials(self, version: str) -> dict[str, Any]:
        """Write who we are."""
        common = {"token": self.token_for_station, "url": HOME + VERSIONS}
        party = {
            "business_details": {"name": "Example Mobility"},
            "country_code": "NL",
            "party_id": "TNM",
        }
        if version == "2.1.1":
            return common | party
        return common | {"roles": [party | {"role": "EMSP"}]}


def _read(header: str, encodings: tuple[str, ...]) -> str | None:
    value = header.removeprefix("Token ")
    if "base64" in encodings:
        try:
            return base64.b64decode(value, validate=True).decode()
        except ValueError:
            pass
    return value if "raw" in encodings else None


class Site:
    """One station's part, from one start of the agent to the next."""

    def __init__(self, partner: Partner, disk: Disk, **changes: Any) -> None:  # noqa: ANN401 - Upstream's fields
        self.partner, self.disk = partner, disk
        self._changes = changes
        self._tokens = count(1)
        self.invitation = INVITATION
        #: What a person has read.
        self.words: list[str] = []
        self.start()

    def start(self) -> None:
        """Start the agent, with what is on the disk."""
        settings: dict[str, Any] = {
            "name": "emsp",
            "versions_url": HOME + VERSIONS,
            "token": CredentialsToken(self.invitation),
            "station": WHOLE_STATION,
            "handshake": True,
        }
        upstream = Upstream(**settings | self._changes)
        self.memory = Memory(upstream.versions_url, self.disk)
        self.backend = Backend(upstream, self.memory, transport=self.partner)
        self.registrar = Registrar(
            self.backend,
            PUBLIC_URL,
            lambda: CredentialsToken(self.invitation),
            new_token=lambda: CredentialsToken(f"token-of-ours-{next(self._tokens)}"),
        )
        self.changes = 0
        self.guest = Guest(self.registrar, self._on_changed)

    def _on_changed(self) -> None:
        self.changes += 1

    def state(self) -> State | None:
        """How far it has come."""
        registration = self.registrar.registration
        return registration.state if registration else None

    @property
    def shown(self) -> str | None:
        """What we show them."""
        token = self.memory.their_token_for_us
        return token.value if token else None

    def lets_them_in(self) -> bool:
        """Whether the token that they show now opens everything."""
        token = self.partner.token_for_us
        return token is not None and self.guest.recognize(token) is Access.FULL

    async def works(self) -> bool:
        """Whether both sides accept what the other one shows."""
        self.backend.forget_endpoints()
        await self.backend.endpoints()
        return self.shown == self.partner.token_for_station and self.lets_them_in()


THEIR_PARTY = Party("NL", "TNM")


def cut_before() -> Mishap:
    """Lose the request."""

    async def mishap(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request, proceed
        raise httpx.ConnectError("connection refused")

    return mishap


def cut_after() -> Mishap:
    """Lose the answer."""

    async def mishap(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request
        proceed()
        raise httpx.ReadError("connection reset by peer")

    return mishap


def instead(answer: httpx.Response, *, processed: bool = False) -> Mishap:
    """Answer otherwise."""

    async def mishap(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request
        if processed:
            proceed()
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=answer.content
        )

    return mishap
