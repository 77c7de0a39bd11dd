"""Faults on demand, and permanent repairs, of an OCPI server's answers.

Needs the standard library only. A fault is a dict made by `EmspServer.set_fault`;
its kinds are explained there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tests.interop.store import JsonObject

    Send = Callable[[JsonObject], Awaitable[None]]

HTML: Final = b"<!doctype html><title>Sign in</title><p>Accept the terms of use."


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

    @classmethod
    def from_fault(cls, fault: JsonObject) -> Self:
        """Build the answer that a `status` or `html` fault gives instead."""
        if fault["kind"] == "html":
            return cls(200, {"content-type": "text/html"}, HTML)
        body: dict[str, Any] = {"detail": "injected fault"}
        if fault["ocpi_status"] is not None:
            stamp = {"timestamp": "2026-01-01T00:00:00Z"}
            body = {"status_code": fault["ocpi_status"], "data": [], **stamp}
        answer = cls.of(body, fault["status"])
        if fault["retry_after"] is not None:
            answer.headers["retry-after"] = str(fault["retry_after"])
        return answer

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
        parsed = parse(self.body)
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


def repair(kinds: Iterable[str], record: JsonObject, answer: Answer) -> None:
    """Apply repairs that are not faults of a test: they are spent and noted nowhere."""
    for kind in kinds:
        CHANGES[kind](answer, record)


def parse(text: bytes) -> object:
    """Return the parsed JSON, None when it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _repair_link(answer: Answer, record: JsonObject) -> bool:
    """Make the server's own Link, or its empty one, what the standard asks for."""
    link = answer.headers.pop("link", None)
    if link:
        wrong = urlsplit(link[1 : link.index(">")])
        query = [(k, v) for k, v in parse_qsl(wrong.query) if v != "None"]
        url = f"http://{wrong.netloc}{record['path']}?{urlencode(query)}"
        answer.headers["link"] = f'<{url}>; rel="next"'
    return link is not None


def _repair_location(answer: Answer, record: JsonObject) -> bool:
    """Make the URL of a new CDR the one that answers; redirects stay as they are."""
    wrong = answer.headers.get("location")
    if wrong is None or answer.status // 100 != 2:
        return False
    path, key = record["path"].rstrip("/"), wrong.rpartition("/")[2]
    answer.headers["location"] = f"http://{urlsplit(wrong).netloc}{path}/{key}"
    return True


def _repair_urls(answer: Answer, record: JsonObject) -> bool:
    """Advertise the scheme that is served."""
    host = record["headers"]["host"].encode()
    right = answer.body.replace(b"https://" + host, b"http://" + host)
    has_effect, answer.body = right != answer.body, right
    return has_effect


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
    "repair_location": _repair_location,
    "repair_urls": _repair_urls,
    "broken_link": _break_link,
    "broken_token": _break_token,
    "drop_envelope": _drop_envelope,
    "truncate": _truncate,
}
