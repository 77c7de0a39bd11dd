"""The smallest station that can be registered, for the tests of the reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from tests.reference.examples import example
from tests.reference.headers import FROM, MESSAGE_IDS, TO
from tests.reference.keys import write_authorization
from tests.reference.messages import Reply
from tests.reference.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.reference.messages import Request
    from tests.reference.values import JsonObject

STAMP: Final = "2026-03-04T19:00:00Z"


@dataclass(eq=False)
class SmallStation:
    """Serves one version; `change` spoils replies of some path."""

    version: str
    token: str = "our-token-for-them"
    next_token: str = "our-next-token-for-them"
    versions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    tokens: dict[str, JsonObject] = field(default_factory=dict)
    changes: dict[str, Callable[[Reply], None]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    #: Called in the middle of a PUT or POST of credentials, with their body.
    on_credentials: Callable[[JsonObject], None] = lambda _: None

    def __enter__(self) -> Self:
        self._server = Server(self._answer)
        self._server.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()

    @property
    def versions_url(self) -> str:
        """Where a backend begins to look."""
        return f"{self._server.origin}/versions"

    def credentials(self, token: str = "", **changes: object) -> JsonObject:
        """Write the credentials object that is sent to a backend."""
        own = {"token": token or self.token, "url": self.versions_url}
        return example(self.version, "Credentials", **(own | changes))

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self._reply(request)
        pairs = zip((*FROM, *TO), (*TO, *FROM), strict=True)
        names = [(one, one) for one in MESSAGE_IDS] + list(pairs)
        for name, other in names:
            value = request.headers.get(other.lower())
            if value is not None:
                reply.headers[name] = value
        for path, change in self.changes.items():
            if path in request.path:
                change(reply)
        return reply

    def _reply(self, request: Request) -> Reply:
        wanted = write_authorization(self.token, self.version)
        if request.headers.get("authorization") != wanted:
            return Reply(401)
        match request.path.strip("/").split("/"):
            case ["versions"]:
                offered = self.versions or (self.version,)
                url = f"{self._server.origin}/details"
                return _success([{"version": one, "url": url} for one in offered])
            case ["details"]:
                return _success(self._details())
            case ["credentials"]:
                return self._credentials(request)
            case ["tokens", _, _, uid]:
                return self._token(request, uid)
            case _:
                return self._page(request)

    def _credentials(self, request: Request) -> Reply:
        match request.method:
            case "GET":
                return _success(self.credentials("the-token-that-they-gave"))
            case "DELETE":
                return _success(None)
        self.on_credentials(request.json())
        self.token = self.next_token
        return _success(self.credentials())

    def _token(self, request: Request, uid: str) -> Reply:
        match request.method:
            case "GET":
                return _success(self.tokens[uid])
            case "PUT":
                self.tokens[uid] = request.json()
            case _:
                self.tokens[uid] |= request.json()
        return _success(None)

    def _page(self, request: Request) -> Reply:
        """List two objects, one on each page."""
        name = {"/sessions": "Session", "/cdrs": "CDR"}[request.path]
        offset = int(request.query.get("offset", 0))
        item = example(self.version, name, id=f"X-{offset}")
        reply = _success([item])
        reply.headers |= {"X-Total-Count": "2", "X-Limit": "1"}
        if offset == 0:
            url = f"{self._server.origin}{request.path}?offset=1"
            reply.headers["Link"] = f'<{url}>; rel="next"'
        return reply

    def _details(self) -> JsonObject:
        endpoints = []
        roles = {"credentials": "SENDER", "tokens": "RECEIVER"}
        for name in ("credentials", "tokens", "sessions", "cdrs"):
            endpoint = {"identifier": name, "url": f"{self._server.origin}/{name}"}
            if self.version != "2.1.1":
                endpoint["role"] = roles.get(name, "SENDER")
            endpoints.append(endpoint)
        kept = [one for one in endpoints if one["identifier"] not in self.left_out]
        return {"version": self.version, "endpoints": kept}


def _success(data: object) -> Reply:
    envelope = {"status_code": 1000, "timestamp": STAMP}
    return Reply.of(envelope | ({} if data is None else {"data": data}))
