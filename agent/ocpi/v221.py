"""OCPI 2.2.1 on the wire: mod_tokens, mod_sessions, mod_cdrs and credentials.

Read tolerantly, write strictly. Field order, names and lengths are the object
tables' own; unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - msgspec reads the annotations
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from agent.domain import tokens
from agent.domain.tokens import TokenType, WhitelistType
from agent.ocpi.answers import AuthorizationInfo, AuthorizationReader
from agent.ocpi.authorization import Encoding
from agent.ocpi.credentials import Credentials, Role
from agent.ocpi.envelope import split_items
from agent.ocpi.reading import (
    NULL,
    TYPES,
    WHITELISTS,
    CiString2,
    CiString3,
    CiString36,
    String64,
    TokenReader,
    find_missing,
    flat,
    to_utc,
)
from agent.ocpi.reports_22 import Dialect, build_cdr, build_session
from agent.ocpi.roles import (
    CredentialsRole,
    read_hub,
    read_role,
    read_token,
    write_roles,
    write_token,
)
from agent.ocpi.writing import (
    Written,
    encode,
    identifier,
    language,
    number,
    text,
    token_type,
    url,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from decimal import Decimal

    from agent.domain.sessions import Session
    from agent.domain.tariffs import Amount
    from agent.domain.tokens import Answer
    from agent.domain.uid import Uid
    from agent.ocpi.quirks import Quirk
    from agent.ocpi.station import Source, StationIdentity

VERSION: Final = "2.2.1"
ENCODING: Final = Encoding.BASE64
NAMES_PARTIES: Final = True

_TOKEN_TYPES: Final = frozenset(TokenType) - {TokenType.EMAID}

# ---- tokens ------------------------------------------------------------------


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A Token as sent; `type` and `whitelist` may hold values of later versions."""

    country_code: CiString2
    party_id: CiString3
    uid: CiString36
    type: str
    contract_id: CiString36
    visual_number: String64 | None = None
    issuer: String64
    group_id: Annotated[str, Meta(max_length=36)] | None = None
    valid: bool
    whitelist: str
    language: Annotated[str, Meta(max_length=2)] | None = None
    last_updated: datetime


def _to_domain(wire: list[Token], source: Source) -> list[tokens.Token]:
    """Translate, as TokenReader wants it; written for speed, there may be millions."""
    upstream = source.upstream
    good: list[tokens.Token] = []
    for token in wire:
        if (kind := TYPES.get(token.type)) is None:
            continue
        ci_strings = (
            f"{token.country_code}{token.party_id}{token.uid}{token.contract_id}"
        )
        if not (ci_strings.isascii() and ci_strings.isprintable()):
            raise ValueError("expected printable ASCII in every CiString")
        group_id = token.group_id or None
        if group_id and not (group_id.isascii() and group_id.isprintable()):
            group_id = None
        moment = token.last_updated
        if moment.tzinfo is not UTC:
            moment = to_utc(moment)
        good.append(
            tokens.Token(
                upstream=upstream,
                country_code=token.country_code,
                party_id=token.party_id,
                uid=token.uid,
                type=kind,
                contract_id=token.contract_id,
                issuer=token.issuer,
                valid=token.valid,
                # Fail closed: a permission we do not know is none.
                whitelist=WHITELISTS.get(token.whitelist, WhitelistType.NEVER),
                last_updated=moment,
                visual_number=token.visual_number,
                group_id=group_id,
                language=token.language,
            )
        )
    return good


READER: Final = TokenReader(Token, _to_domain)


def decode_tokens(data: Raw, source: Source) -> tuple[list[tokens.Token], list[str]]:
    """Read a page; one problem per token that had to be skipped.

    Tokens of a type that no version knows are skipped silently: no card is one.
    """
    return READER.read_page(data, source)


def decode_token(data: Raw, source: Source) -> tokens.Token:
    """Read the Token of a PUT; raise ValueError."""
    return READER.read_one(data, source)


def merge_token(token: tokens.Token, changes: Raw, source: Source) -> tokens.Token:
    """Apply a PATCH, which must say when it happened; raise ValueError."""
    if find_missing(changes, "last_updated"):
        raise ValueError("last_updated: required in a PATCH")
    return READER.merge(token, changes, source)


def encode_token(token: tokens.Token) -> bytes:
    """Write what is known of a Token, which its group's id is not (see there)."""
    return encode(build_token(token, _TOKEN_TYPES))


def build_token(token: tokens.Token, known: Collection[TokenType]) -> Token:
    """Describe a Token in a version that has only these types."""
    owner = f"{token.country_code}*{token.party_id}"
    return Token(
        country_code=identifier("country_code", token.country_code, 2),
        party_id=identifier("party_id", token.party_id, 3),
        uid=identifier("uid", token.uid),
        type=token_type(token.type, known),
        contract_id=identifier("contract_id", token.contract_id),
        visual_number=text(token.visual_number, 64),
        issuer=text(token.issuer, 64) or owner,
        valid=token.valid,
        whitelist=token.whitelist,
        language=language(token.language),
        last_updated=token.last_updated.astimezone(UTC).replace(microsecond=0),
    )


# ---- authorize ---------------------------------------------------------------


class LocationReferences(Written, frozen=True, kw_only=True):
    """A place, and the EVSEs there that are meant; none means all."""

    location_id: str
    evse_uids: Sequence[str] = ()


_ANSWERS: Final = AuthorizationReader(AuthorizationInfo, READER)


def encode_location(location_id: str, evse_uids: Sequence[str]) -> bytes:
    """Write the LocationReferences of an authorize request."""
    return encode(
        LocationReferences(
            location_id=identifier("location_id", location_id),
            evse_uids=tuple(identifier("evse_uids", uid) for uid in evse_uids),
        )
    )


def decode_authorization(
    data: Raw, source: Source, uid: Uid, listed: tokens.Token | None
) -> Answer:
    """Read the answer; raise TransientUpstreamError for what is none."""
    return _ANSWERS.read(data, source, uid, listed)


# ---- sessions and CDRs -------------------------------------------------------


class Price(Written, frozen=True, kw_only=True):
    """An amount of money, without VAT and with it."""

    excl_vat: Decimal
    incl_vat: Decimal


def _price(amount: Amount, _vat_percent: Decimal) -> Price:
    return Price(excl_vat=number(amount.excl_vat), incl_vat=number(amount.incl_vat))


_DIALECT: Final = Dialect(price=_price, token_types=_TOKEN_TYPES)


def encode_session(
    session: Session, station: StationIdentity, quirks: Collection[Quirk]
) -> bytes:
    """Write the whole Session as it is now, for a PUT that replaces what was there."""
    return encode(build_session(session, station, _DIALECT), quirks)


def encode_cdr(
    session: Session, station: StationIdentity, quirks: Collection[Quirk]
) -> bytes:
    """Write the CDR; raise ValueError if the session cannot have one."""
    return encode(build_cdr(session, station, _DIALECT), quirks)


# ---- credentials -------------------------------------------------------------


class OurCredentials(Written, frozen=True, kw_only=True):
    """Our credentials."""

    token: str
    url: str
    roles: tuple[CredentialsRole, ...]


class TheirCredentials(Struct, frozen=True):
    """Theirs; a wrong role must not cost us the token."""

    token: str
    url: Annotated[str, Meta(min_length=1)]
    roles: Raw = NULL
    hub_party_id: Raw = NULL


_CREDENTIALS: Final = msgspec.json.Decoder(TheirCredentials)


def encode_credentials(credentials: Credentials) -> bytes:
    """Write who we are."""
    return encode(
        OurCredentials(
            token=write_token(credentials.token),
            url=url("url", credentials.url),
            roles=write_roles(credentials.roles, tuple(Role)),
        )
    )


def decode_credentials(data: Raw) -> Credentials:
    """Read who they are, roles as far as possible; raise ValueError.

    A hub is one by its role, or as in 2.3.0 by a field of its own.
    """
    with flat():
        they = _CREDENTIALS.decode(data)
    found = (read_role(item) for item in split_items(they.roles) or ())
    roles = tuple(role for role in found if role is not None)
    hubs = (role.party for role in roles if role.role is Role.HUB)
    return Credentials(
        token=read_token(they.token),
        url=they.url,
        roles=roles,
        hub=read_hub(they.hub_party_id) or next(hubs, None),
    )
