"""The sample backend's server: cut off means refused, and it comes back."""

from __future__ import annotations

import socket
from http.client import HTTPConnection

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agent.demo.server import HOST, Server


async def _greet(_: object) -> PlainTextResponse:
    return PlainTextResponse("hello")


def read(connection: HTTPConnection) -> bytes:
    """Fetch the greeting over a connection that is kept open."""
    connection.request("GET", "/")
    return connection.getresponse().read()


def test_cut_and_restore() -> None:
    """A cut ends kept connections, refuses new ones, and keeps the port."""
    with Server(Starlette(routes=[Route("/", _greet)])) as server:
        port = server.port
        kept = HTTPConnection(HOST, port, timeout=10)
        assert read(kept) == b"hello"
        server.cut()
        server.cut()
        with pytest.raises(OSError, match=r"Remote end closed|reset|Broken pipe"):
            read(kept)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, port), timeout=10)
        server.restore()
        server.restore()
        again = HTTPConnection(HOST, port, timeout=10)
        assert read(again) == b"hello"
        kept.close()
        again.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=10)
