"""The OCPI versions we speak, one module of wire models each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from agent.ocpi import v211, v221, v230

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from msgspec import Raw

    from agent.domain.sessions import Session
    from agent.domain.tokens import Answer, Token
    from agent.domain.uid import Uid
    from agent.ocpi.authorization import Encoding
    from agent.ocpi.credentials import Credentials
    from agent.ocpi.quirks import Quirk
    from agent.ocpi.station import Source, StationIdentity


class WireModel(Protocol):
    """What a version's module provides: its own JSON to and from the domain.

    Reading is tolerant and writing strict. What cannot be read or written raises
    ValueError with a message that names the field and the rule, and never the value;
    a page or an answer that is none raises TransientUpstreamError.
    """

    @property
    def VERSION(self) -> str:  # noqa: N802 - a module constant
        """The version number as servers publish it."""

    @property
    def ENCODING(self) -> Encoding:  # noqa: N802 - a module constant
        """How this version writes the credentials token in the header."""

    @property
    def NAMES_PARTIES(self) -> bool:  # noqa: N802 - a module constant
        """Whether tokens, endpoints and requests say whose they are (not in 2.1.1)."""

    def decode_tokens(self, data: Raw, source: Source) -> tuple[list[Token], list[str]]:
        """Read a page; the strings say what is wrong with the skipped tokens."""

    def decode_authorization(
        self, data: Raw, source: Source, uid: Uid, listed: Token | None
    ) -> Answer:
        """Read the answer to the question about this card."""

    def decode_token(self, data: Raw, source: Source) -> Token:
        """Read the one whole Token that a backend has pushed."""

    def merge_token(self, token: Token, changes: Raw, source: Source) -> Token:
        """Apply the fields that a backend has pushed to what is known.

        A `group_id` among them comes as it is told, else the known one stays.
        """

    def encode_token(self, token: Token) -> bytes:
        """Write a Token as it is known here, which is without its group."""

    def encode_location(self, location_id: str, evse_uids: Sequence[str]) -> bytes:
        """Write where the card was tapped."""

    def encode_session(
        self, session: Session, station: StationIdentity, quirks: Collection[Quirk]
    ) -> bytes:
        """Write the whole session as it is now."""

    def encode_cdr(
        self, session: Session, station: StationIdentity, quirks: Collection[Quirk]
    ) -> bytes:
        """Write the CDR of a completed session with a tariff, under its own id."""

    def encode_credentials(self, credentials: Credentials) -> bytes:
        """Write who we are."""

    def decode_credentials(self, data: Raw) -> Credentials:
        """Read who they are."""


# Newest first: the order of choice.
SUPPORTED: Final[Mapping[str, WireModel]] = {
    model.VERSION: model for model in (v230, v221, v211)
}
