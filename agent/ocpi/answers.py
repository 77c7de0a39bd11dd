"""What an eMSP answers about a card, read tolerantly, whatever the version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from agent.domain.tokens import Answer, Token, TokenType, Verdict
from agent.domain.uid import Uid
from agent.errors import TransientUpstreamError
from agent.ocpi.envelope import UNREADABLE
from agent.ocpi.reading import NULL

if TYPE_CHECKING:
    from agent.ocpi.reading import TokenReader
    from agent.ocpi.station import Source

# It goes back with every Session and CDR, so it must be fit for that.
_Reference = Annotated[str, Meta(min_length=1, max_length=36, pattern=r"^[ -~]*\Z")]


class AuthorizationInfo(Struct, frozen=True, kw_only=True):
    """The answer to an authorize request (OCPI 2.2.1 mod_tokens).

    Only `allowed` and `location` decide; the rest stays undecoded so that a mistake
    there cannot turn an answer into none.
    """

    allowed: str
    location: Raw = NULL
    authorization_reference: Raw = NULL
    token: Raw = NULL
    info: Raw = NULL


class _LocationReferences(Struct, frozen=True):
    evse_uids: list[str] | None = None


class _DisplayText(Struct, frozen=True):
    text: str


_LOCATION: Final = msgspec.json.Decoder(_LocationReferences | None)
_REFERENCE: Final = msgspec.json.Decoder(_Reference)
_DISPLAY_TEXT: Final = msgspec.json.Decoder(_DisplayText)
_VERDICTS: Final = {
    verdict.value: verdict for verdict in Verdict if verdict is not Verdict.UNKNOWN
}


class AuthorizationReader:
    """Reads the answers of one version; `tokens` is None where they bring no Token."""

    def __init__(
        self,
        model: type[AuthorizationInfo] = AuthorizationInfo,
        tokens: TokenReader[Any] | None = None,
    ) -> None:
        self._info = msgspec.json.Decoder(model)
        self._tokens = tokens

    def read(self, data: Raw, source: Source, uid: Uid, listed: Token | None) -> Answer:
        """Read the answer about card `uid`, which the whitelist has as `listed`.

        An unknown `allowed` counts as NOT_ALLOWED. The returned token is dropped unless
        it is the one we asked about: some servers answer for another type or party.
        Raise TransientUpstreamError for what is no answer at all.
        """
        try:
            info = self._info.decode(data)
            verdict = _VERDICTS.get(info.allowed, Verdict.NOT_ALLOWED)
            evse_uids = _read_limits(info.location, verdict)
        except UNREADABLE as err:
            raise TransientUpstreamError(
                f"{source.upstream}: expected AuthorizationInfo: {err}"
            ) from err
        return Answer(
            upstream=source.upstream,
            verdict=verdict,
            token=self._read_token(info.token, source, uid, listed),
            evse_uids=evse_uids,
            authorization_reference=_read_reference(info.authorization_reference),
            info=_read_text(info.info),
        )

    def _read_token(
        self, data: Raw, source: Source, uid: Uid, listed: Token | None
    ) -> Token | None:
        if self._tokens is None:
            return None
        try:
            token = self._tokens.read_one(data, source)
        except ValueError:
            return None
        return token if _fits(token, uid, listed) else None


def _read_limits(location: Raw, verdict: Verdict) -> frozenset[str]:
    """Read at which EVSEs only the card may charge."""
    try:
        place = _LOCATION.decode(location)
    except UNREADABLE:
        # A limit that nobody can read is not the same as none.
        if verdict is Verdict.ALLOWED:
            raise
        return frozenset()
    evse_uids = place.evse_uids if place else None
    return frozenset(evse_uid.casefold() for evse_uid in evse_uids or ())


def _fits(token: Token, uid: Uid, listed: Token | None) -> bool:
    if listed is None:
        return token.type is TokenType.RFID and Uid.parse(token.uid) == uid
    return token.type is listed.type and _identity(token) == _identity(listed)


def _identity(token: Token) -> tuple[str, str, Uid]:
    party = token.country_code.casefold(), token.party_id.casefold()
    return *party, Uid.parse(token.uid)


def _read_reference(data: Raw) -> str | None:
    try:
        return _REFERENCE.decode(data)
    except UNREADABLE:
        return None


def _read_text(data: Raw) -> str | None:
    try:
        return _DISPLAY_TEXT.decode(data).text or None
    except UNREADABLE:
        return None
