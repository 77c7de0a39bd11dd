"""OCPI 2.1.1 on the wire: mod_tokens, mod_sessions, mod_cdrs and credentials.

Another data model than all that came later: nothing says whose it is, and a Location
is told whole.
"""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - msgspec reads the annotations
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct, field

from agent.domain import tokens
from agent.domain.tokens import TokenType, WhitelistType
from agent.ocpi import answers
from agent.ocpi.authorization import Encoding
from agent.ocpi.credentials import Credentials, PartyRole, Role
from agent.ocpi.reading import (
    NULL,
    TYPES,
    WHITELISTS,
    CiString36,
    String64,
    TokenReader,
    flat,
    to_utc,
)
from agent.ocpi.reports_211 import build_cdr, build_session
from agent.ocpi.roles import (
    BusinessDetails,
    read_role,
    read_token,
    write_business,
    write_token,
)
from agent.ocpi.writing import (
    Written,
    encode,
    identifier,
    language,
    text,
    token_type,
    url,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent.domain.sessions import Session
    from agent.domain.tokens import Answer
    from agent.domain.uid import Uid
    from agent.ocpi.quirks import Quirk
    from agent.ocpi.station import Source, StationIdentity

VERSION: Final = "2.1.1"
ENCODING: Final = Encoding.RAW
NAMES_PARTIES: Final = False

_TOKEN_TYPES: Final = (TokenType.RFID, TokenType.OTHER)

# ---- tokens ------------------------------------------------------------------


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A Token as sent; `type` and `whitelist` may hold values of later versions."""

    uid: CiString36
    type: str
    auth_id: CiString36
    visual_number: String64 | None = None
    issuer: String64
    valid: bool
    whitelist: str
    language: Annotated[str, Meta(max_length=2)] | None = None
    last_updated: datetime


def _to_domain(wire: list[Token], source: Source) -> list[tokens.Token]:
    """Translate, as TokenReader wants it; written for speed, there may be millions."""
    if source.party is None:
        raise ValueError("country_code and party_id: OCPI 2.1.1 does not tell them")
    upstream, party = source.upstream, source.party
    country_code, party_id = party.country_code, party.party_id
    good: list[tokens.Token] = []
    for token in wire:
        if (kind := TYPES.get(token.type)) is None:
            continue
        ids = f"{token.uid}{token.auth_id}"
        if not (ids.isascii() and ids.isprintable()):
            raise ValueError("expected printable ASCII in uid and auth_id")
        moment = token.last_updated
        if moment.tzinfo is not UTC:
            moment = to_utc(moment)
        good.append(
            tokens.Token(
                upstream=upstream,
                country_code=country_code,
                party_id=party_id,
                uid=token.uid,
                type=kind,
                contract_id=token.auth_id,
                issuer=token.issuer,
                valid=token.valid,
                # Fail closed: a permission we do not know is none.
                whitelist=WHITELISTS.get(token.whitelist, WhitelistType.NEVER),
                last_updated=moment,
                visual_number=token.visual_number,
                language=token.language,
            )
        )
    return good


_READER: Final = TokenReader(Token, _to_domain)


def decode_tokens(data: Raw, source: Source) -> tuple[list[tokens.Token], list[str]]:
    """Read a page; one problem per token that had to be skipped.

    Tokens of a type that no version knows are skipped silently: no card is one.
    """
    return _READER.read_page(data, source)


def decode_token(data: Raw, source: Source) -> tokens.Token:
    """Read the Token of a PUT; raise ValueError."""
    return _READER.read_one(data, source)


def merge_token(token: tokens.Token, changes: Raw, source: Source) -> tokens.Token:
    """Apply a PATCH; raise ValueError."""
    return _READER.merge(token, changes, source)


def encode_token(token: tokens.Token) -> bytes:
    """Write what is known of a Token."""
    owner = f"{token.country_code}*{token.party_id}"
    return encode(
        Token(
            uid=identifier("uid", token.uid),
            type=token_type(token.type, _TOKEN_TYPES),
            auth_id=identifier("auth_id", token.contract_id),
            visual_number=text(token.visual_number, 64, is_ascii=True),
            issuer=text(token.issuer, 64, is_ascii=True) or owner,
            valid=token.valid,
            whitelist=token.whitelist,
            language=language(token.language),
            last_updated=token.last_updated.astimezone(UTC).replace(microsecond=0),
        )
    )


# ---- authorize ---------------------------------------------------------------


class LocationReferences(Written, frozen=True, kw_only=True):
    """A place, and the EVSEs there that are meant; none means all."""

    location_id: str
    evse_uids: Sequence[str] = ()
    connector_ids: tuple[()] = ()


class AuthorizationInfo(answers.AuthorizationInfo, frozen=True, kw_only=True):
    """The answer, which in the dialect of some hubs has a reference."""

    authorization_reference: Raw = field(name="authorization_id", default=NULL)


_ANSWERS: Final = answers.AuthorizationReader(AuthorizationInfo)


def encode_location(location_id: str, evse_uids: Sequence[str]) -> bytes:
    """Write the LocationReferences of an authorize request."""
    return encode(
        LocationReferences(
            location_id=identifier("location_id", location_id, 39),
            evse_uids=tuple(identifier("evse_uids", uid, 39) for uid in evse_uids),
        )
    )


def decode_authorization(
    data: Raw, source: Source, uid: Uid, listed: tokens.Token | None
) -> Answer:
    """Read the answer; raise TransientUpstreamError for what is none."""
    return _ANSWERS.read(data, source, uid, listed)


# ---- sessions and CDRs -------------------------------------------------------


def encode_session(
    session: Session, station: StationIdentity, quirks: Collection[Quirk]
) -> bytes:
    """Write the whole Session as it is now, for a PUT that replaces what was there.

    Raise ValueError without a whole Location.
    """
    return encode(build_session(session, station, quirks), quirks)


def encode_cdr(
    session: Session, station: StationIdentity, quirks: Collection[Quirk]
) -> bytes:
    """Write the CDR; raise ValueError if the session cannot have one."""
    return encode(build_cdr(session, station, quirks), quirks)


# ---- credentials -------------------------------------------------------------


class OurCredentials(Written, frozen=True, kw_only=True):
    """Our credentials; there is one party, and no word for its role."""

    token: str
    url: str
    business_details: BusinessDetails
    party_id: str
    country_code: str


class TheirCredentials(Struct, frozen=True):
    """Theirs; their party is read apart, so that it cannot cost us the token."""

    token: str
    url: Annotated[str, Meta(min_length=1)]


_CREDENTIALS: Final = msgspec.json.Decoder(TheirCredentials)


def encode_credentials(credentials: Credentials) -> bytes:
    """Write who we are, as the CPO."""
    role = _choose(credentials.roles)
    return encode(
        OurCredentials(
            token=write_token(credentials.token),
            url=url("url", credentials.url),
            business_details=write_business(role, is_ascii=True),
            party_id=identifier("party_id", role.party.party_id, 3),
            country_code=identifier("country_code", role.party.country_code, 2),
        )
    )


def _choose(roles: Sequence[PartyRole]) -> PartyRole:
    if not roles:
        raise ValueError("roles: expected at least one")
    return next((role for role in roles if role.role is Role.CPO), roles[0])


def decode_credentials(data: Raw) -> Credentials:
    """Read who they are, an eMSP since they talk to a CPO; raise ValueError."""
    with flat():
        they = _CREDENTIALS.decode(data)
    role = read_role(data, unless_told=Role.EMSP)
    return Credentials(
        token=read_token(they.token), url=they.url, roles=(role,) if role else ()
    )
