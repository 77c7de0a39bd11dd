"""What the server asks of the rest of the agent."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from agent.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agent.domain.sessions import Session
    from agent.domain.tokens import Token, TokenType
    from agent.ocpi.credentials import Credentials
    from agent.ocpi.quirks import Quirk
    from agent.ocpi.station import Source, StationIdentity


class Access(Enum):
    """How far a credentials token leads."""

    #: Versions and their details, while a handshake is under way.
    SETUP = "setup"
    #: Everything.
    FULL = "full"


class CredentialsRefusedError(AgentError):
    """We do not take these credentials; the backend is told why, as OCPI puts it."""

    def __init__(self, ocpi_status: int, message: str) -> None:
        super().__init__(message)
        self.ocpi_status = ocpi_status


class Peer(Protocol):
    """One backend that may call us."""

    @property
    def name(self) -> str:
        """The upstream's name."""

    @property
    def versions(self) -> Sequence[str]:
        """The OCPI versions that are served to it."""

    @property
    def station(self) -> StationIdentity:
        """Who we are to it."""

    @property
    def quirks(self) -> Collection[Quirk]:
        """What it wants otherwise than OCPI says."""

    def recognize(self, token: str) -> Access | None:
        """Say what this credentials token opens; compares in constant time."""

    def source(self) -> Source:
        """Whose words its pushes are."""

    def credentials(self) -> Credentials:
        """What we gave it."""

    async def replace(self, credentials: Credentials, version: str) -> Credentials:
        """Take its new credentials and give it ours.

        Raise CredentialsRefusedError, and then nothing has changed.
        """

    async def end(self) -> None:
        """Let it go: its token is worth nothing from now on.

        Raise StoreFailedError if that cannot be remembered over a restart.
        """


class TokenBook(Protocol):
    """The whitelist; may block on the disk, and is called from other threads."""

    def find(
        self,
        upstream: str,
        country_code: str,
        party_id: str,
        uid: str,
        type: TokenType,  # noqa: A002 - OCPI's own word
    ) -> Token | None:
        """Look up one token, whatever the case of the names."""

    def learn(self, token: Token) -> None:
        """Take what an upstream says of a token; durable and in force on return."""


class SessionBook(Protocol):
    """The sessions that a backend may fetch, with final dates, in any order."""

    async def sessions(self, upstream: str) -> list[Session]:
        """Every session it is told of."""

    async def cdrs(self, upstream: str) -> list[Session]:
        """Those of them that it has a CDR of."""
