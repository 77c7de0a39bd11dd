"""The sample backend on a loopback port, to be cut off and brought back."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Final, Self

import uvicorn

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.applications import Starlette

HOST: Final = "127.0.0.1"


class Server:
    """Serves an application on a thread; a context manager.

    Between cut() and restore() nobody listens: connections are refused, as when a
    cable is pulled at the backend. The port stays the same.
    """

    def __init__(self, app: Starlette) -> None:
        # Quiet and without an access log: the URLs hold card numbers.
        self._config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._uvicorn: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.restore()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cut()

    @property
    def versions_url(self) -> str:
        """The URL an operator would be given."""
        return f"http://{HOST}:{self.port}/ocpi/versions"

    @property
    def is_cut(self) -> bool:
        """Whether connections are refused."""
        return self._uvicorn is None

    def restore(self) -> None:
        """Listen; from now on connections succeed."""
        if self._uvicorn is not None:
            return
        listener = socket.create_server((HOST, self.port))
        # Accepted sockets inherit this. Without it an answer, sent as head and body,
        # waits for the client's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listener.getsockname()[1]
        # On a thread of its own uvicorn leaves the signals alone.
        self._uvicorn = uvicorn.Server(self._config)
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([listener],), name="backend", daemon=True
        )
        self._thread.start()

    def cut(self) -> None:
        """Close everything; from now on connections are refused."""
        if self._uvicorn is None or self._thread is None:
            return
        self._uvicorn.should_exit = True
        self._thread.join()
        self._uvicorn = self._thread = None
