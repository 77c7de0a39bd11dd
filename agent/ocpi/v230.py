"""OCPI 2.3.0 on the wire: what differs from 2.2.1, which is little to a station."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.domain.tokens import TokenType
from agent.ocpi.credentials import Role
from agent.ocpi.reports_22 import Dialect, build_cdr, build_session
from agent.ocpi.roles import write_roles, write_token
from agent.ocpi.v221 import (
    ENCODING,
    NAMES_PARTIES,
    OurCredentials,
    build_token,
    decode_authorization,
    decode_credentials,
    decode_token,
    decode_tokens,
    encode_location,
    merge_token,
)
from agent.ocpi.writing import Written, encode, identifier, number, url

if TYPE_CHECKING:
    from collections.abc import Collection
    from decimal import Decimal

    from agent.domain.sessions import Session
    from agent.domain.tariffs import Amount
    from agent.domain.tokens import Token
    from agent.ocpi.credentials import Credentials
    from agent.ocpi.quirks import Quirk
    from agent.ocpi.station import Party, StationIdentity

__all__ = [
    "ENCODING",
    "NAMES_PARTIES",
    "VERSION",
    "decode_authorization",
    "decode_credentials",
    "decode_token",
    "decode_tokens",
    "encode_cdr",
    "encode_credentials",
    "encode_location",
    "encode_session",
    "encode_token",
    "merge_token",
]

VERSION: Final = "2.3.0"

_TOKEN_TYPES: Final = frozenset(TokenType)
_ROLES: Final = frozenset(Role) - {Role.HUB}


class TaxAmount(Written, frozen=True, kw_only=True):
    """One tax."""

    name: str
    account_number: None = None
    percentage: Decimal
    amount: Decimal


class Price(Written, frozen=True, kw_only=True):
    """An amount of money, and the taxes to be added."""

    before_taxes: Decimal
    taxes: tuple[TaxAmount, ...] = ()


class OurHubCredentials(OurCredentials, frozen=True, kw_only=True):
    """Our credentials, where we were a hub."""

    hub_party_id: str | None = None


def encode_token(token: Token) -> bytes:
    """Write what is known of a Token, which its group's id is not (see there)."""
    return encode(build_token(token, _TOKEN_TYPES))


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


def encode_credentials(credentials: Credentials) -> bytes:
    """Write who we are."""
    return encode(
        OurHubCredentials(
            token=write_token(credentials.token),
            url=url("url", credentials.url),
            roles=write_roles(credentials.roles, _ROLES),
            hub_party_id=_write_hub(credentials.hub) if credentials.hub else None,
        )
    )


def _write_hub(hub: Party) -> str:
    country = identifier("hub_party_id", hub.country_code, 2)
    return country + identifier("hub_party_id", hub.party_id, 3)


def _price(amount: Amount, vat_percent: Decimal) -> Price:
    vat = TaxAmount(
        name="VAT", percentage=number(vat_percent), amount=number(amount.vat)
    )
    return Price(
        before_taxes=number(amount.excl_vat), taxes=(vat,) if vat_percent else ()
    )


_DIALECT: Final = Dialect(price=_price, token_types=_TOKEN_TYPES)
