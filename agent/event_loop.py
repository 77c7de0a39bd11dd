"""The event loop of the daemon: asyncio's own, with names looked up out of the way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from typing import Any, Final

LOOK_UPS_AT_MOST: Final = 16
#: How long a thread that stores a page of tokens may keep the interpreter to itself
#: while a card is to be looked up; Python's own choice is ten times as long.
TURN_S: Final = 0.0005

_Found = list[Any] | Exception


class StationLoop(asyncio.SelectorEventLoop):
    """Looks up each name in a thread of its own, for which nobody ever waits.

    The C library may take half a minute over a name. asyncio would do that in the
    threads that the databases use, and would wait for it before the loop can end.
    """

    _looking_up = 0

    def __init__(self) -> None:
        super().__init__()
        sys.setswitchinterval(TURN_S)

    async def getaddrinfo(  # noqa: PLR0913 - the base class's own
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the base class's own
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Look a name up; raise what `socket.getaddrinfo` raises."""
        if self._looking_up >= LOOK_UPS_AT_MOST:
            raise socket.gaierror(
                socket.EAI_AGAIN, f"{LOOK_UPS_AT_MOST} look-ups of names hang already"
            )
        answer: asyncio.Future[_Found] = self.create_future()
        question = host, port, family, type, proto, flags
        # The process does not wait for a daemon thread when it ends.
        thread = threading.Thread(
            target=self._look_up, args=(answer, question), name="look-up", daemon=True
        )
        thread.start()
        self._looking_up += 1
        found = await answer
        if isinstance(found, Exception):
            raise found
        return found

    def _look_up(
        self, answer: asyncio.Future[_Found], question: tuple[Any, ...]
    ) -> None:
        found: _Found
        try:
            found = socket.getaddrinfo(*question)
        except Exception as err:  # noqa: BLE001 - raised where it is awaited
            found = err
        # A loop that has ended by now wants no answer.
        with contextlib.suppress(RuntimeError):
            self.call_soon_threadsafe(self._settle, answer, found)

    def _settle(self, answer: asyncio.Future[_Found], found: _Found) -> None:
        self._looking_up -= 1
        if not answer.done():
            answer.set_result(found)
