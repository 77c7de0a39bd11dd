"""HTTP and HTTPS on a loopback port, one thread per connection."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from tests.reference.messages import Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

HOST: Final = "127.0.0.1"


class Exchange(Protocol):
    """Answers one request; None hangs up without a word."""

    def __call__(self, request: Request) -> Reply | None:
        """Process one request in the thread of its connection."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What makes the server an HTTPS one; `client_ca` demands a certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Load everything."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Server:
    """Listens between open() and close(), which may alternate; keeps its port."""

    def __init__(self, exchange: Exchange, tls: Tls | None = None) -> None:
        self._exchange = exchange
        self._tls = tls.context() if tls else None
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None
        self._numbers = count(1)
        self._port = 0

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self._port}"

    def open(self) -> None:
        """Listen; from now on connections succeed."""
        if self._listener is not None:
            return
        self._listener = _Listener(self._port, self._exchange, self._numbers, self._tls)
        self._port = self._listener.server_address[1]
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            kwargs={"poll_interval": 0.01},
            name="reference",
        )
        self._thread.start()

    def close(self) -> None:
        """Hang up on everybody; from now on connections are refused.

        Raises what went wrong in the backend's own code, which no station is to blame
        for.
        """
        if self._listener is None or self._thread is None:
            return
        self._listener.shutdown()
        self._thread.join()
        self._listener.hang_up()
        self._listener.server_close()
        errors = self._listener.errors
        self._listener = self._thread = None
        if errors:
            raise ExceptionGroup("the backend itself failed", errors)


class _Listener(ThreadingHTTPServer):
    """Knows its connections, so that none of them keeps the server from ending."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        exchange: Exchange,
        numbers: count[int],
        tls: ssl.SSLContext | None,
    ) -> None:
        self.exchange = exchange
        self.numbers = numbers
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self.errors: list[Exception] = []
        super().__init__((HOST, port), _Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            # The handshake happens at the first read, in the connection's own thread.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as inherited
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._connections):
            with suppress(OSError):
                # Of a TLS socket too: shutdown() of it would only forget the session.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as inherited
        """Keep what is our own mistake; that a station hangs up is none."""
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self.errors.append(error)


class _Connection(BaseHTTPRequestHandler):
    """Requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def exchange(self) -> None:
        """Read a request, have it answered, send that."""
        listener = cast("_Listener", self.server)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            number=next(listener.numbers),
            method=self.command,
            target=self.path,
            pairs=tuple(self.headers.items()),
            body=self.rfile.read(length),
        )
        reply = listener.exchange(request)
        if reply is None:
            self.close_connection = True
            return
        request.reply = reply
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        fields = {
            "Content-Length": str(len(reply.body)),
            **reply.headers,
        }
        head = [f"HTTP/1.1 {reply.status} -"]
        head += [f"{name}: {value}" for name, value in fields.items()]
        content = reply.body[: reply.cut_at]
        # One write: the client must not wait for a delayed acknowledgement.
        self.wfile.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + content)
        if reply.cut_at is not None:
            self.close_connection = True

    def log_message(self, *_args: object) -> None:
        """Stay silent: the URLs hold card numbers."""


for _method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
    setattr(_Connection, f"do_{_method}", _Connection.exchange)
