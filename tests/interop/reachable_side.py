"""The agent's OCPI side where the server under test can reach it: our own server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from agent.books import TokenBook
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.guest import Guest
from agent.ocpi.registration import Registrar
from agent.ocpi.server import OcpiServer, ServerOptions
from tests.agent.ocpi.server.hosting import MemorySessions
from tests.fakes.clock import FakeClock
from tests.fakes.ports import ReservedPort
from tests.interop.agent_side import AgentSide

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from agent.ocpi.memory import Registration
    from tests.interop.process import ServerProcess

T = TypeVar("T")


class ReachableSide(AgentSide):
    """Registers, and can be called while it does something.

    `invitation` is what the operator has handed out; with `is_listening` False nobody
    can call. What is fetched from it stands in `sessions`.
    """

    def __init__(
        self,
        server: ServerProcess,
        folder: Path,
        *,
        invitation: str,
        port: int | None = None,
        **changes: Any,  # noqa: ANN401 - Upstream's fields
    ) -> None:
        super().__init__(server, folder, handshake=True, their_party=None, **changes)
        self.invitation = invitation
        self.is_listening = True
        self._reserved = ReservedPort(port or 0)
        self.port = self._reserved.number
        self.public_url = f"http://127.0.0.1:{self.port}/station/ocpi"
        self.registrar = self.make_registrar(self.public_url)
        self.sessions = MemorySessions()

    def __exit__(self, *exc_info: object) -> None:
        self._reserved.close()
        super().__exit__(*exc_info)

    def make_registrar(self, public_url: str) -> Registrar:
        """Make one that tells another URL, for the same connection."""
        return Registrar(
            self.connection.backend,
            public_url,
            lambda: CredentialsToken(self.invitation),
        )

    @property
    def registration(self) -> Registration | None:
        """How it stands."""
        return self.registrar.registration

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do one thing while others may call."""
        return super().run(self._serve(work) if self.is_listening else work)

    def while_reachable(self, do: Callable[[], T]) -> T:
        """Do what blocks, such as the calls of the other side."""
        return self.run(asyncio.to_thread(do))

    # ---- commands -------------------------------------------------------------------

    def register(self, *, again: bool = False) -> Registration:
        """Do what `rfid-agent register` does."""
        return self.run(self.registrar.register(again=again))

    def rotate(self) -> Registration:
        """Do what `rfid-agent rotate-credentials` does."""
        return self.run(self.registrar.rotate())

    def unregister(self, *, forget: bool = False) -> None:
        """Do what `rfid-agent unregister` does."""
        self.run(self.registrar.unregister(forget=forget))

    async def _serve(self, work: Coroutine[Any, Any, T]) -> T:
        server = OcpiServer(
            ServerOptions(public_url=self.public_url, listen=f"127.0.0.1:{self.port}"),
            [Guest(self.registrar)],
            TokenBook(self.whitelist),
            self.sessions,
            clock=FakeClock(),
        )
        async with server.open():
            serving = asyncio.create_task(server.run())
            try:
                return await work
            finally:
                serving.cancel()
                with suppress(asyncio.CancelledError):
                    await serving
