"""A pcscd that lets nobody in, as one does whom polkit has told so."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

#: Where the library of pcscd looks for the socket, if it is set before it is loaded.
SOCKET_VARIABLE: Final = "PCSCLITE_CSOCK_NAME"
#: What a client says before it waits: a header, and then something in one piece.
HEADER_BYTES: Final = 8


class RefusingPcscd:
    """Hangs up on every client without having read all it says; a context manager.

    That is all that a client learns of a refusal.
    """

    def __init__(self, path: Path) -> None:
        self.environment = {SOCKET_VARIABLE: str(path)}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._refuse, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _refuse(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                with client:
                    # One that is hung up on before it has said all takes that for the
                    # end of pcscd.
                    client.recv(HEADER_BYTES, socket.MSG_WAITALL)
                    client.recv(1, socket.MSG_PEEK)
