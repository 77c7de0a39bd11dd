"""Real servers on loopback: HTTP as raw bytes, TLS, and a proxy."""

from __future__ import annotations

import asyncio
import base64
import select
import socket
import ssl
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Any, cast

from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.transport import Call, OcpiClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.ocpi.transport import Response

LOCALHOST = "127.0.0.1"
TOKEN = CredentialsToken("correct-horse-battery")
TLS_RECORD = b"\x16"
OCPI = b'{"status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"}'


def fetch(
    url: str,
    body: bytes | None = None,
    **options: Any,  # noqa: ANN401 - OcpiClient's
) -> Response:
    """GET, or POST a body, through a client of its own."""
    call = Call(method="GET" if body is None else "POST", url=url, body=body)

    async def run() -> Response:
        client = OcpiClient(TOKEN, **options)
        try:
            return await client.send(call, Encoding.RAW)
        finally:
            await client.close()

    return asyncio.run(run())


def http(
    body: bytes = OCPI, status: str = "200 OK", headers: tuple[str, ...] = ()
) -> bytes:
    """Write one answer."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Scripted:
    """A server whose answer to a request depends on the request's head."""

    answer: Callable[[bytes], bytes] = field(default=lambda _: http())
    tls: ssl.SSLContext | None = None
    heads: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.tls else 'http'}://{LOCALHOST}:{self.port}"

    def talk(self, connection: socket.socket) -> None:
        """Serve one connection until the client closes it."""
        if self.tls is not None:
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with connection:
            if isinstance(connection, ssl.SSLSocket):
                try:
                    connection.do_handshake()
                except OSError:
                    drain(connection)
                    return
            while head := read_head(connection):
                self.heads.append(head)
                connection.sendall(self.answer(head))


@dataclass
class ConnectProxy:
    """A proxy for TLS that may want a user name and a password."""

    user: str | None = None
    heads: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{LOCALHOST}:{self.port}"

    def talk(self, connection: socket.socket) -> None:
        """Open one tunnel, or answer what is no tunnel by itself."""
        with connection:
            head = read_head(connection)
            self.heads.append(head)
            method, target, _ = head.split(maxsplit=2)
            if self.user and base64.b64encode(self.user.encode()) not in head:
                connection.sendall(http(b"", "407 Proxy Authentication Required"))
            elif method != b"CONNECT":
                connection.sendall(http())
            else:
                host, _, port = target.decode().rpartition(":")
                with socket.create_connection((host, int(port))) as server:
                    connection.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
                    splice(connection, server)


@contextmanager
def serving(*servers: Scripted | ConnectProxy) -> Iterator[None]:
    """Run servers, each connection in its own thread, until all have ended."""
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(_running(server))
        yield


@contextmanager
def _running(server: Scripted | ConnectProxy) -> Iterator[None]:
    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            # A client that goes away in the middle is nothing to tell anybody about.
            with suppress(ConnectionError, ssl.SSLError):
                server.talk(cast("socket.socket", self.request))

    with ThreadingTCPServer((LOCALHOST, 0), Handler) as listener:
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            listener.shutdown()
            thread.join()


def read_head(connection: socket.socket) -> bytes:
    """Read up to the empty line, and the body; empty when the client has closed.

    Where TLS begins instead of a request, its first byte is all that is read.
    """
    head = b""
    while not head.endswith(b"\r\n\r\n") and head != TLS_RECORD:
        byte = connection.recv(1)
        if not byte:
            return b""
        head += byte
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        length = int(value) if name == b"content-length" else 0
        while length:
            length -= len(connection.recv(length))
    return head


def drain(connection: socket.socket) -> None:
    """Read what still comes: closing at once could destroy what was sent last."""
    while socket.socket.recv(connection, 4096):
        pass


def splice(left: socket.socket, right: socket.socket) -> None:
    """Carry bytes both ways until one side closes."""
    while True:
        readable, _, _ = select.select([left, right], [], [])
        for source in readable:
            data = source.recv(65_536)
            if not data:
                return
            (right if source is left else left).sendall(data)
