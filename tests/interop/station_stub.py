"""The least a CPO must serve for a handshake, and a place for tokens to arrive.

Stands in for the agent, so that the harness is tested without it.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl, urlsplit

from tests.interop.process import HOST
from tests.interop.shapes import is_211

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.interop.store import JsonObject

MODULES: Final = (
    ("tokens", "RECEIVER"),
    ("sessions", "SENDER"),
    ("cdrs", "SENDER"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that came in; header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: object


class StationStub:
    """Serves on a loopback port of its own; a context manager."""

    #: Un-encoded: what it gives away in its Credentials.
    token: Final = "stub-credentials-token"

    def __init__(self, versions: Sequence[str] = ("2.1.1", "2.2.1")) -> None:
        self.versions = tuple(versions)
        #: Answer every request with this HTTP status, and with nothing else.
        self.status: int | None = None
        self.calls: list[Call] = []
        #: What the GETs of each list answer.
        self.lists: dict[str, list[JsonObject]] = {"sessions": [], "cdrs": []}
        self.tokens: dict[str, JsonObject] = {}
        handler = partial(_Handler, self)
        self._server = ThreadingHTTPServer((HOST, 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def versions_url(self) -> str:
        """Where its versions are."""
        return f"{self._base}/versions"

    def credentials(self, version: str) -> JsonObject:
        """Return its Credentials of this version."""
        party = {
            "business_details": {"name": "Stub CPO"},
            "country_code": "SE",
            "party_id": "ABC",
        }
        common = {"token": self.token, "url": self.versions_url}
        if is_211(version):
            return common | party
        return common | {"roles": [{"role": "CPO", **party}]}

    def answer(self, call: Call) -> tuple[int, object]:
        """Return the HTTP status and the `data` for one request."""
        self.calls.append(call)
        if self.status is not None:
            return self.status, None
        raw = f"Token {self.token}"
        encoded = f"Token {base64.b64encode(self.token.encode()).decode()}"
        if call.headers.get("authorization") not in {raw, encoded}:
            return 401, None
        parts = call.path.strip("/").split("/")
        if parts[1:] == ["versions"]:
            urls = [(one, f"{self._base}/{one}") for one in self.versions]
            return 200, [{"version": one, "url": url} for one, url in urls]
        if len(parts) == 2:
            return 200, self.details(parts[1])
        if parts[2] in self.lists:
            return 200, self.lists[parts[2]]
        return self._token(call, parts[-1])

    @property
    def _base(self) -> str:
        return f"http://{HOST}:{self._server.server_port}/ocpi"

    def details(self, version: str) -> JsonObject:
        """Return the `data` of its version details."""
        urls = [
            (name, role, f"{self._base}/{version}/{name}") for name, role in MODULES
        ]
        endpoints = [{"identifier": name, "url": url} for name, _, url in urls]
        if not is_211(version):
            for endpoint, (_, role, _) in zip(endpoints, urls, strict=True):
                endpoint["role"] = role
        return {"version": version, "endpoints": endpoints}

    def _token(self, call: Call, uid: str) -> tuple[int, object]:
        match call.method, call.body:
            case "PUT", dict(token):
                self.tokens[uid] = token
            case "PATCH", dict(changes) if uid in self.tokens:
                self.tokens[uid] |= changes
            case "GET", _ if uid in self.tokens:
                return 200, self.tokens[uid]
            case _:
                return 404, None
        return 200, None


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, stub: StationStub, *arguments: object) -> None:
        self._stub = stub
        super().__init__(*arguments)  # type: ignore[arg-type]  # as it was called

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        call = Call(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=json.loads(self.rfile.read(length)) if length else None,
        )
        status, data = self._stub.answer(call)
        code = 1000 if status == 200 else 2000
        envelope = {"status_code": code, "timestamp": "2026-01-01T00:00:00Z"}
        text = json.dumps(envelope | ({} if data is None else {"data": data})).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_PATCH = _serve  # noqa: N815 - http.server wants these names

    def log_message(self, *_: object) -> None:
        """Stay silent."""
