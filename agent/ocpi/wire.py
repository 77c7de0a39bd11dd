"""The OCPI versions we speak, one module of wire models each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from agent.ocpi import v221

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from msgspec import Raw

    from agent.domain.sessions import Session
    from agent.domain.tokens import Answer, Token
    from agent.domain.uid import Uid
    from agent.ocpi.authorization import Encoding
    from agent.ocpi.station import StationIdentity


class WireModel(Protocol):
    """What a version's module provides: its own JSON to and from the domain."""

    @property
    def VERSION(self) -> str:  # noqa: N802 - a module constant
        """The version number as servers publish it."""

    @property
    def ENCODING(self) -> Encoding:  # noqa: N802 - a module constant
        """How this version writes the credentials token in the header."""

    def decode_tokens(self, data: Raw, upstream: str) -> tuple[list[Token], list[str]]:
        """Read a page; the strings say what is wrong with the skipped tokens."""

    def decode_authorization(
        self, data: Raw, upstream: str, uid: Uid, listed: Token | None
    ) -> Answer:
        """Read the answer to the question about this card."""

    def encode_location(self, location_id: str, evse_uids: Sequence[str]) -> bytes:
        """Write where the card was tapped."""

    def encode_session(self, session: Session, station: StationIdentity) -> bytes:
        """Write the whole session as it is now."""


# Newest first: the order of choice.
SUPPORTED: Final[Mapping[str, WireModel]] = {v221.VERSION: v221}
