"""The HTTP server below the backend."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.reference.messages import Reply
from tests.reference.server import Server

if TYPE_CHECKING:
    from tests.reference.messages import Request


def test_connections_are_kept(client: httpx.Client) -> None:
    """Requests are numbered, have their bodies, and share a connection."""
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return Reply.of({"number": request.number})

    server = Server(answer)
    server.open()
    try:
        first = client.put(f"{server.origin}/a%20b/?c=d&e=", content=b"body")
        assert (first.status_code, first.json()) == (200, {"number": 1})
        assert client.get(server.origin).json() == {"number": 2}
    finally:
        server.close()
    (put, _) = seen
    assert (put.method, put.body) == ("PUT", b"body")
    assert put.segments == ["", "a b", ""]
    assert put.query == {"c": "d", "e": ""}


def test_closing_leaves_no_thread(client: httpx.Client) -> None:
    """A client that keeps its connection does not keep a thread."""
    before = threading.active_count()
    server = Server(lambda _: Reply.of(None))
    server.open()
    assert client.get(server.origin).status_code == 200
    server.close()
    assert threading.active_count() <= before
    server.close()


def test_port_stays() -> None:
    """Who listens again does so where he was."""
    server = Server(lambda _: None)
    server.open()
    origin = server.origin
    server.close()
    server.open()
    server.close()
    assert server.origin == origin


def test_own_mistakes_are_told(client: httpx.Client) -> None:
    """An exception in the backend is raised when it is closed, not lost."""

    def fail(request: Request) -> Reply:
        raise ZeroDivisionError(request.number)

    server = Server(fail)
    server.open()
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(server.origin)
    with pytest.raises(ExceptionGroup) as caught:
        server.close()
    assert caught.value.subgroup(ZeroDivisionError) is not None
