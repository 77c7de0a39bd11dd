"""An OCPI 2.2.1 backend in a thread of the test: it lists cards and takes sessions.

It records every PUT in the order of arrival, and refuses what a strict backend would.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

JsonObject = dict[str, Any]
#: Status, headers of its own and body.
Answer = tuple[int, dict[str, str], bytes]

HOST: Final = "127.0.0.1"
TOKEN: Final = "torture-credentials-token"
PARTY: Final = ("NL", "TNM")
_BASE: Final = "/ocpi/2.2.1"
_AUTHORIZE: Final = re.compile(r"/tokens/[^/]+/authorize")
_SESSION: Final = re.compile(r"/sessions/[^/]+/[^/]+/([^/]+)")
_REQUIRED: Final = {
    "auth_method",
    "cdr_token",
    "connector_id",
    "country_code",
    "currency",
    "evse_uid",
    "id",
    "kwh",
    "last_updated",
    "location_id",
    "party_id",
    "start_date_time",
    "status",
}


@dataclass(frozen=True, slots=True)
class Put:
    """One accepted PUT of a session."""

    session_id: str
    correlation_id: str
    body: JsonObject

    @property
    def status(self) -> str:
        """The SessionStatus that was told."""
        return str(self.body["status"])

    @property
    def energy_wh(self) -> int:
        """The energy that was told."""
        return round(float(self.body["kwh"]) * 1000)


def token(uid: str, whitelist: str = "ALWAYS", **changes: object) -> JsonObject:
    """Build an OCPI 2.2.1 Token."""
    country_code, party_id = PARTY
    return {
        "country_code": country_code,
        "party_id": party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"NL-TNM-C{int(uid, 16) % 10**8:08d}",
        "issuer": "Test Mobility",
        "valid": True,
        "whitelist": whitelist,
        "last_updated": "2026-01-02T03:04:05Z",
    } | changes


class Backend:
    """Serves from entering to leaving the context; any thread may look at it.

    While `is_away` it hangs up on whoever asks. `tokens` may be replaced at any time.
    """

    credentials_token: Final = TOKEN

    def __init__(self, *tokens: JsonObject) -> None:
        self.tokens = list(tokens)
        self.puts: list[Put] = []
        self.is_away = False
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._serving: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, HOST, 0)
        self._server = self._await(starting)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def versions_url(self) -> str:
        """The URL an operator would be given."""
        return f"http://{HOST}:{self._port}/ocpi/versions"

    def forget(self) -> None:
        """Begin anew: no session has been told, and somebody is there."""
        self.puts = []
        self.is_away = False

    def sessions(self) -> dict[str, list[Put]]:
        """What was told of each session, in order; the sessions in theirs."""
        told: dict[str, list[Put]] = {}
        for put in list(self.puts):
            told.setdefault(put.session_id, []).append(put)
        return told

    # ---- inside ---------------------------------------------------------------------

    def _await(self, routine: Any) -> Any:  # noqa: ANN401 - whatever it returns
        return asyncio.run_coroutine_threadsafe(routine, self._loop).result()

    async def _stop(self) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The daemon was killed, or the test is over.
        finally:
            self._serving.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request, *lines = head.rstrip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if self.is_away:
            return False
        method, target, _ = request.split(" ")
        answer: Answer = 401, {}, b""
        if headers.get("authorization") == _AUTHORIZATION:
            answer = self._answer(method, target, headers, body)
        status, more, content = answer
        fields = (
            f"HTTP/1.1 {status} -",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            *(f"{name}: {value}" for name, value in more.items()),
        )
        writer.write("\r\n".join(fields).encode() + b"\r\n\r\n" + content)
        await writer.drain()
        return True

    def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Process one request."""
        url = urlsplit(target)
        match method, url.path.removeprefix(_BASE).rstrip("/"):
            case "GET", "/ocpi/versions":
                versions = [{"version": "2.2.1", "url": self._url("")}]
                return 200, {}, _envelope(versions)
            case "GET", "":
                return 200, {}, _envelope(self._details())
            case "GET", "/tokens":
                return self._page(dict(parse_qsl(url.query)))
            case "PUT", path if named := _SESSION.fullmatch(path):
                return self._take(unquote(named[1]), headers, json.loads(body))
            case "POST", path if _AUTHORIZE.fullmatch(path):
                return 200, {}, _envelope({"allowed": "ALLOWED"})
        return 404, {}, b""

    def _details(self) -> JsonObject:
        endpoints = (("tokens", "SENDER"), ("sessions", "RECEIVER"))
        return {
            "version": "2.2.1",
            "endpoints": [
                {"identifier": name, "role": role, "url": self._url(f"/{name}")}
                for name, role in endpoints
            ],
        }

    def _page(self, query: Mapping[str, str]) -> Answer:
        since = query.get("date_from", "")
        changed = [one for one in self.tokens if one["last_updated"] >= since]
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 1000))
        headers = {"X-Total-Count": str(len(changed)), "X-Limit": str(limit)}
        if offset + limit < len(changed):
            following = self._url(f"/tokens?offset={offset + limit}&limit={limit}")
            headers["Link"] = f'<{following}>; rel="next"'
        return 200, headers, _envelope(changed[offset : offset + limit])

    def _take(
        self, session_id: str, headers: Mapping[str, str], body: JsonObject
    ) -> Answer:
        """Accept a session as a strict backend does."""
        if missing := _REQUIRED - body.keys():
            return 400, {}, json.dumps({"missing": sorted(missing)}).encode()
        if body["id"] != session_id:
            return 400, {}, b'{"wrong": "id"}'
        self.puts.append(Put(session_id, headers["x-correlation-id"], body))
        return 200, {}, _envelope(None)

    def _url(self, path: str) -> str:
        return f"http://{HOST}:{self._port}{_BASE}{path}"


_AUTHORIZATION: Final = "Token " + base64.b64encode(TOKEN.encode()).decode()


def _envelope(data: object) -> bytes:
    answer = {"status_code": 1000, "timestamp": "2026-01-01T00:00:00Z", "data": data}
    return json.dumps(answer).encode()
