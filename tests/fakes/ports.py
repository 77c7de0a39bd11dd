"""A port that stays ours while nobody listens on it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

HOST: Final = "127.0.0.1"


class ReservedPort:
    """Keeps a TCP port for servers that come and go; a context manager.

    Whoever connects meanwhile is refused, and whoever asks the kernel for any port is
    given another one. A server that binds it has to set SO_REUSEADDR, as
    `socket.create_server` does.
    """

    def __init__(self, number: int = 0) -> None:
        self._holder = socket.socket()
        # Two sockets may have one port as long as only one of them listens.
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._holder.bind((HOST, number))
        except OSError:
            self._holder.close()
            raise
        self.number: int = self._holder.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give it back."""
        self._holder.close()
