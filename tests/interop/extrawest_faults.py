"""ASGI wrapper that records OCPI requests, injects faults and is told so over HTTP.

Needs the standard library and uvicorn only. `/_control/` is for `extrawest.py` and is
not OCPI. A fault is a dict made by `ExtrawestServer.set_fault`; its kinds are there.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

JsonObject = dict[str, Any]
CONTROL: Final = "/_control/"
SUCCESS_CODES: Final = range(1000, 2000)
HTML: Final = b"<!doctype html><title>Sign in</title><p>Accept the terms of use."


class History(Protocol):
    """Where accepted sessions and CDRs go, and where tokens are replaced."""

    sessions: dict[str, list[JsonObject]]
    cdrs: list[JsonObject]

    def keep(self, kind: str, body: JsonObject) -> None:
        """Append one accepted `session` or `cdr`."""

    def seed(self, seed: JsonObject) -> None:
        """Replace tokens and authorize outcomes."""


@dataclass(slots=True)
class Answer:
    """One complete response that has not been sent yet."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, data: object, status: int = 200) -> Self:
        """Build a JSON answer."""
        headers = {"content-type": "application/json"}
        return cls(status, headers, json.dumps(data).encode())

    async def collect(self, message: JsonObject) -> None:
        """Take one message of an ASGI application, as its `send`."""
        if message["type"] == "http.response.start":
            pairs = [(k.decode(), v.decode()) for k, v in message["headers"]]
            self.status, self.headers = message["status"], dict(pairs)
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        """Send everything, with the length the body has now."""
        headers = self.headers | {"content-length": str(len(self.body))}
        encoded = [(k.encode(), v.encode()) for k, v in headers.items()]
        start = {"type": "http.response.start", "status": self.status}
        await send(start | {"headers": encoded})
        await send({"type": "http.response.body", "body": self.body})

    def json(self) -> JsonObject:
        """Return the body as a JSON object, empty when it is none."""
        parsed = _parse(self.body)
        return parsed if isinstance(parsed, dict) else {}


class Faults:
    """Faults in the order they were set; each is spent only where it had an effect."""

    def __init__(self) -> None:
        #: A fault whose `times` is None stays until it is removed.
        self.active: list[JsonObject] = []

    def take(self, record: JsonObject, *kinds: str) -> JsonObject | None:
        """Spend and return the oldest fault of these kinds that fits the request."""
        fault = self._find(record, *kinds)
        if fault is not None:
            self._spend(record, fault)
        return fault

    def spoil(self, record: JsonObject, answer: Answer) -> None:
        """Apply to a processed answer the oldest fitting fault of every kind."""
        for kind, change in CHANGES.items():
            fault = self._find(record, kind)
            if fault is not None and change(answer, record):
                self._spend(record, fault)

    def _find(self, record: JsonObject, *kinds: str) -> JsonObject | None:
        fitting = (
            fault
            for fault in self.active
            if fault["kind"] in kinds
            and fault["path"] in record["path"]
            and fault["method"] in ("", record["method"])
        )
        return next(fitting, None)

    def _spend(self, record: JsonObject, fault: JsonObject) -> None:
        record["faults"].append(fault["kind"])
        if fault["times"] is not None:
            fault["times"] -= 1
            if fault["times"] == 0:
                self.active.remove(fault)


def _repair_link(answer: Answer, record: JsonObject) -> bool:
    """Make the server's own Link, or its empty one, what the standard asks for."""
    link = answer.headers.pop("link", None)
    if link:
        wrong = urlsplit(link[1 : link.index(">")])
        query = [(k, v) for k, v in parse_qsl(wrong.query) if v != "None"]
        url = f"http://{wrong.netloc}{record['path']}?{urlencode(query)}"
        answer.headers["link"] = f'<{url}>; rel="next"'
    return link is not None


def _break_link(answer: Answer, _record: JsonObject) -> bool:
    if not answer.headers.get("link"):
        return False
    answer.headers["link"] = "<<not a url>>; rel=next; None"
    return True


def _break_token(answer: Answer, _record: JsonObject) -> bool:
    envelope = answer.json()
    tokens = envelope.get("data")
    if not isinstance(tokens, list) or not tokens or "whitelist" not in tokens[0]:
        return False
    del tokens[0]["whitelist"]
    answer.body = json.dumps(envelope).encode()
    return True


def _drop_envelope(answer: Answer, _record: JsonObject) -> bool:
    envelope = answer.json()
    if "data" in envelope:
        answer.body = json.dumps(envelope["data"]).encode()
    return "data" in envelope


def _truncate(answer: Answer, _record: JsonObject) -> bool:
    answer.body = answer.body[: len(answer.body) // 2]
    return True


# In this order: a Link is repaired before it is broken, text is cut after JSON edits.
CHANGES: Final[dict[str, Callable[[Answer, JsonObject], bool]]] = {
    "repair_link": _repair_link,
    "broken_link": _break_link,
    "broken_token": _break_token,
    "drop_envelope": _drop_envelope,
    "truncate": _truncate,
}


def _answer_from(fault: JsonObject) -> Answer:
    if fault["kind"] == "html":
        return Answer(200, {"content-type": "text/html"}, HTML)
    body: JsonObject = {"detail": "injected fault"}
    if fault["ocpi_status"] is not None:
        stamp = {"timestamp": "2026-01-01T00:00:00Z"}
        body = {"status_code": fault["ocpi_status"], "data": [], **stamp}
    answer = Answer.of(body, fault["status"])
    if fault["retry_after"] is not None:
        answer.headers["retry-after"] = str(fault["retry_after"])
    return answer


class Recorder:
    """The ASGI app: record each OCPI request, apply the faults, serve the control."""

    def __init__(
        self, server: Callable[..., Awaitable[None]], history: History
    ) -> None:
        self._server = server
        self._history = history
        self._faults = Faults()
        self._requests: list[JsonObject] = []

    async def __call__(self, scope: JsonObject, receive: Receive, send: Send) -> None:
        """Answer one request, or hang up, as the faults say."""
        if scope["type"] != "http":
            await self._server(scope, receive, send)
            return
        body = await _read_body(receive)
        is_control = scope["path"].startswith(CONTROL)
        answer = await (self._control if is_control else self._exchange)(scope, body)
        if answer is not None:
            await answer.send(send)
            return
        # uvicorn's `send` is a method of the object that owns the connection; its
        # release is locked. ASGI itself cannot hang up without a response.
        send.__self__.transport.abort()  # type: ignore[attr-defined]
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _exchange(self, scope: JsonObject, body: bytes) -> Answer | None:
        """Process one OCPI request; None means hang up."""
        record = _record(scope, body)
        self._requests.append(record)
        if delay := self._faults.take(record, "delay"):
            # A client that gives up meanwhile does not stop the processing.
            await asyncio.sleep(delay["seconds"])
        instead = self._faults.take(record, "status", "html", "cut_before")
        if instead and instead["kind"] == "cut_before":
            return None
        if instead:
            answer = _answer_from(instead)
        else:
            answer = await self._process(scope, body)
            self._keep(record, answer)
            if self._faults.take(record, "cut_after"):
                return None
            self._faults.spoil(record, answer)
        record["status"] = answer.status
        return answer

    async def _process(self, scope: JsonObject, body: bytes) -> Answer:
        """Let the server answer in full, without sending."""
        answer = Answer()
        inbox = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> JsonObject:
            # After the body comes only a disconnect, and that would cancel the answer.
            return inbox.pop() if inbox else await asyncio.Future()

        await self._server(scope, receive, answer.collect)
        return answer

    def _keep(self, record: JsonObject, answer: Answer) -> None:
        """Put an accepted session or CDR into the history exactly as it was sent."""
        if answer.json().get("status_code") not in SUCCESS_CODES:
            return
        if record["method"] == "PUT" and "/sessions/" in record["path"]:
            self._history.keep("session", record["body"])
        elif record["method"] == "POST" and "/cdrs" in record["path"]:
            self._history.keep("cdr", record["body"])

    async def _control(self, scope: JsonObject, body: bytes) -> Answer | None:
        path = scope["path"].removeprefix(CONTROL)
        kept: dict[str, Any] = {
            "requests": self._requests,
            "sessions": self._history.sessions,
            "cdrs": self._history.cdrs,
        }
        match scope["method"], path:
            case "GET", name if name in kept:
                return Answer.of(kept[name])
            case "POST", "faults":
                self._faults.active.append(json.loads(body))
            case "DELETE", "faults":
                self._faults.active.clear()
            case "DELETE", name if name in kept:
                kept[name].clear()
            case "POST", "tokens":
                self._history.seed(json.loads(body))
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


def _parse(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _record(scope: JsonObject, body: bytes) -> JsonObject:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if "authorization" in headers:
        headers["authorization"] = "***"
    return {
        "method": scope["method"],
        "path": scope["path"],
        "query": dict(parse_qsl(scope["query_string"].decode())),
        "headers": headers,
        "body": _parse(body),
        "status": None,
        "faults": [],
    }
