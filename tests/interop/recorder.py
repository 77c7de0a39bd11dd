"""ASGI wrapper that records OCPI requests, injects faults and is told so over HTTP.

Needs the standard library and uvicorn only. `/_control/` is for `server.py` and is
not OCPI.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from tests.interop.faults import Answer, Faults, parse, repair

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.interop.store import JsonObject, Store

    Receive = Callable[[], Awaitable[JsonObject]]
    Send = Callable[[JsonObject], Awaitable[None]]

_LOGGER = logging.getLogger(__name__)
CONTROL: Final = "/_control/"
SUCCESS_CODES: Final = range(1000, 2000)
INTERNAL_SERVER_ERROR: Final = 500
VERSION: Final = re.compile(r"/(\d(?:\.\d){1,2})/")


class Recorder:
    """The ASGI app: record each OCPI request, apply the faults, serve the control."""

    def __init__(self, server: Callable[..., Awaitable[None]], store: Store) -> None:
        self._server = server
        self._store = store
        self._repairs = os.environ["INTEROP_REPAIRS"].split()
        self._faults = Faults()
        self._requests: list[JsonObject] = []
        #: Counts how often everything was forgotten.
        self._day = 0

    async def __call__(self, scope: JsonObject, receive: Receive, send: Send) -> None:
        """Answer one request, or hang up, as the faults say."""
        if scope["type"] != "http":
            await self._server(scope, receive, send)
            return
        day = self._day
        body = await _read_body(receive)
        if scope["path"].startswith(CONTROL):
            answer = await self._control(scope, body)
        else:
            answer = await self._exchange(scope, body, day)
        if answer is not None:
            await answer.send(send)
            return
        # uvicorn's `send` is a method of the object that owns the connection; its
        # release is locked. ASGI itself cannot hang up without a response.
        send.__self__.transport.abort()  # type: ignore[attr-defined]
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _exchange(
        self, scope: JsonObject, body: bytes, day: int
    ) -> Answer | None:
        """Process one OCPI request of a day; None means hang up."""
        record = _record(scope, body)
        # What a former test has left on its way is none of the next one's.
        if day == self._day:
            self._requests.append(record)
        # Those of its time: a late request must not spend what was set after it.
        faults = self._faults if day == self._day else Faults()
        if delay := faults.take(record, "delay"):
            # A client that gives up meanwhile does not stop the processing.
            await asyncio.sleep(delay["seconds"])
        instead = faults.take(record, "status", "html", "cut_before")
        if instead and instead["kind"] == "cut_before":
            return None
        if instead:
            answer = Answer.from_fault(instead)
        else:
            answer = await self._process(scope, body)
            if day == self._day:
                self._keep(record, answer)
            if faults.take(record, "cut_after"):
                return None
            repair(self._repairs, record, answer)
            faults.spoil(record, answer)
        record["status"] = answer.status
        return answer

    async def _process(self, scope: JsonObject, body: bytes) -> Answer:
        """Let the server answer in full, without sending."""
        answer = Answer()
        inbox = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> JsonObject:
            # After the body comes only a disconnect, and that would cancel the answer.
            return inbox.pop() if inbox else await asyncio.Future()

        try:
            await self._server(scope, receive, answer.collect)
        except Exception:
            # The framework passes on what it has already answered with a 500.
            if answer.status != INTERNAL_SERVER_ERROR:
                raise
            _LOGGER.exception("%s %s", scope["method"], scope["path"])
        return answer

    def _keep(self, record: JsonObject, answer: Answer) -> None:
        """Put an accepted session or CDR into the store exactly as it was sent."""
        if answer.json().get("status_code") not in SUCCESS_CODES:
            return
        version = VERSION.search(record["path"])
        if version is None:
            return
        if record["method"] == "PUT" and "/sessions/" in record["path"]:
            self._store.keep("session", version[1], record["body"])
        elif record["method"] == "POST" and "/cdrs" in record["path"]:
            self._store.keep("cdr", version[1], record["body"])

    async def _control(self, scope: JsonObject, body: bytes) -> Answer | None:
        path = scope["path"].removeprefix(CONTROL)
        match scope["method"], path:
            case "GET", "requests":
                return Answer.of(self._requests)
            case "GET", "history":
                return Answer.of(self._store.history())
            case "DELETE", "requests":
                self._requests.clear()
            case "DELETE", "history":
                self._store.forget()
                self._day += 1
            case "POST", "faults":
                self._faults.active.append(json.loads(body))
            case "DELETE", "faults":
                self._faults = Faults()
            case "POST", "tokens":
                self._store.seed(json.loads(body))
            case "POST", "invitations":
                return Answer.of(self._store.invite(json.loads(body)))
            case _:
                return Answer.of({"detail": f"no control {path}"}, status=404)
        return Answer.of(None)


async def _read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _record(scope: JsonObject, body: bytes) -> JsonObject:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if "authorization" in headers:
        headers["authorization"] = "***"
    return {
        "method": scope["method"],
        "path": scope["path"],
        "query": dict(parse_qsl(scope["query_string"].decode())),
        "headers": headers,
        "body": parse(body),
        "status": None,
        "faults": [],
    }
