"""What can go wrong between a station and its backend, armed one by one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from tests.reference.messages import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reference.values import JsonObject

#: Where a redirect within the origin leads; it is served like the original.
MOVED: Final = "/moved"
HTML: Final = b"<!doctype html><title>Sign in</title><p>Accept the terms of use."
#: A paused request goes on by itself after this, so that no test hangs for ever.
LONGEST_PAUSE_S: Final = 30


class HangUp:
    """No answer at all: the connection is closed."""


HANG_UP: Final = HangUp()


class Kind(Protocol):
    """One kind of fault; what it does not say goes on as if nothing were wrong."""

    def before(self, request: Request) -> Reply | HangUp | None:
        """Answer instead of processing; None lets the request be processed."""

    def after(self, request: Request, reply: Reply) -> Reply | HangUp:
        """Change the answer of a request that was processed."""


class _Nothing:
    """The base of kinds: nothing happens."""

    def before(self, _request: Request) -> Reply | HangUp | None:
        return None

    def after(self, _request: Request, reply: Reply) -> Reply | HangUp:
        return reply


@dataclass(frozen=True, slots=True)
class Instead(_Nothing):
    """Another answer; with `is_processed` the request has taken effect."""

    make: Callable[[Request], Reply | HangUp]
    is_processed: bool = False

    def before(self, request: Request) -> Reply | HangUp | None:
        """Answer instead of processing."""
        return None if self.is_processed else self.make(request)

    def after(self, request: Request, reply: Reply) -> Reply | HangUp:
        """Throw the real answer away."""
        return self.make(request) if self.is_processed else reply


@dataclass(frozen=True, slots=True)
class Spoil(_Nothing):
    """The real answer, changed."""

    change: Callable[[Reply], None]

    def after(self, _request: Request, reply: Reply) -> Reply:
        """Change it in place."""
        self.change(reply)
        return reply


class Pause(_Nothing):
    """The request waits for go_on(); `reached` is set as soon as one waits."""

    def __init__(self, *, is_processed: bool = False) -> None:
        self.reached = threading.Event()
        self._may_go_on = threading.Event()
        self._is_processed = is_processed

    def go_on(self) -> None:
        """Let everybody through, now and later."""
        self._may_go_on.set()

    def before(self, _request: Request) -> None:
        """Wait before anything happens."""
        if not self._is_processed:
            self._wait()

    def after(self, _request: Request, reply: Reply) -> Reply:
        """Wait with a finished answer in hand."""
        if self._is_processed:
            self._wait()
        return reply

    def _wait(self) -> None:
        self.reached.set()
        self._may_go_on.wait(LONGEST_PAUSE_S)


def hang_up() -> Kind:
    """Close the connection; the request has no effect."""
    return Instead(lambda _: HANG_UP)


def cut_after() -> Kind:
    """Close the connection after the request took effect."""
    return Instead(lambda _: HANG_UP, is_processed=True)


def cut_midway() -> Kind:
    """Send half of the body after the request took effect, then close."""

    def cut(reply: Reply) -> None:
        reply.cut_at = len(reply.body) // 2

    return Spoil(cut)


def status(
    http_status: int,
    *,
    retry_after: int | str | None = None,
    is_processed: bool = False,
) -> Kind:
    """Answer with an HTTP status and no envelope; 401 is an expired token."""

    def make(_: Request) -> Reply:
        reply = Reply.of({"detail": "injected fault"}, http_status)
        if retry_after is not None:
            reply.headers["Retry-After"] = str(retry_after)
        return reply

    return Instead(make, is_processed)


def ocpi(code: int, http_status: int = 200, *, is_processed: bool = False) -> Kind:
    """Answer with an OCPI status code and no data."""
    envelope = {"status_code": code, "status_message": "injected fault"}

    def make(_: Request) -> Reply:
        return Reply.of(envelope | {"timestamp": "2026-01-01T00:00:00Z"}, http_status)

    return Instead(make, is_processed)


def html(http_status: int = 200) -> Kind:
    """Answer as a captive portal does."""
    return Instead(lambda _: Reply(http_status, {"Content-Type": "text/html"}, HTML))


def redirect(http_status: int, location: str | None = None) -> Kind:
    """Lead elsewhere: within the origin unless `location` names another place."""

    def make(request: Request) -> Reply:
        return Reply(http_status, {"Location": location or MOVED + request.target})

    return Instead(make)


def truncated() -> Kind:
    """Send complete HTTP with half of the JSON."""

    def cut(reply: Reply) -> None:
        reply.body = reply.body[: len(reply.body) // 2]

    return Spoil(cut)


def bare() -> Kind:
    """Send the data without an envelope."""
    return Spoil(lambda reply: reply.replace_json(reply.json().get("data")))


def envelope(**changes: object) -> Kind:
    """Change fields of the envelope; what is set to None is left out."""

    def change(reply: Reply) -> None:
        changed = reply.json() | changes
        kept = {name: value for name, value in changed.items() if value is not None}
        reply.replace_json(kept)

    return Spoil(change)


def list_of_one() -> Kind:
    """Send a list where an object is due."""

    def wrap(reply: Reply) -> None:
        whole = reply.json()
        reply.replace_json(whole | {"data": [whole["data"]] if "data" in whole else []})

    return Spoil(wrap)


def data(change: Callable[[JsonObject], object]) -> Kind:
    """Change the envelope by a function that edits it in place."""

    def apply(reply: Reply) -> None:
        whole = reply.json()
        change(whole)
        reply.replace_json(whole)

    return Spoil(apply)


def header(name: str, value: str | None) -> Kind:
    """Set a header of the real answer; None removes it."""

    def change(reply: Reply) -> None:
        reply.headers.pop(name, None)
        if value is not None:
            reply.headers[name] = value

    return Spoil(change)


@dataclass(slots=True, eq=False)
class Armed:
    """A fault that waits for its requests; `times` None is until disarm()."""

    method: str
    path: str
    kind: Kind
    times: int | None
    hits: list[Request] = field(default_factory=list)

    def disarm(self) -> None:
        """Let every further request through."""
        self.times = 0

    def takes(self, request: Request) -> bool:
        """Whether this request is one of its; it is counted then."""
        is_mine = self.method in ("", request.method) and self.path in request.target
        if not is_mine or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        self.hits.append(request)
        return True


class Faults:
    """All faults that were armed, in their order."""

    def __init__(self) -> None:
        self._armed: list[Armed] = []
        self._lock = threading.Lock()

    def arm(self, armed: Armed) -> Armed:
        """Add one; the oldest that fits a request is applied to it."""
        with self._lock:
            self._armed.append(armed)
        return armed

    def take(self, request: Request) -> Kind | None:
        """Find what happens to a request."""
        with self._lock:
            return next((one.kind for one in self._armed if one.takes(request)), None)

    def clear(self) -> None:
        """Disarm everything, and let paused requests go on."""
        with self._lock:
            for armed in self._armed:
                armed.disarm()
                if isinstance(armed.kind, Pause):
                    armed.kind.go_on()
            self._armed.clear()
