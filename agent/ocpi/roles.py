"""Companies and their roles, as the credentials of every version tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from agent.errors import ConfigError
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.credentials import PartyRole, Role
from agent.ocpi.envelope import UNREADABLE
from agent.ocpi.reading import NULL
from agent.ocpi.station import Party
from agent.ocpi.writing import Written, identifier, required_text, text, url

if TYPE_CHECKING:
    from collections.abc import Collection

_MAX_TOKEN: Final = 64
_MAX_NAME: Final = 100

# They are sent back in headers, so there must be nothing else in them.
_CountryCode = Annotated[str, Meta(pattern=r"^[!-~]{1,2}\Z")]
_PartyId = Annotated[str, Meta(pattern=r"^[!-~]{1,3}\Z")]
_HubParty = Annotated[str, Meta(pattern=r"^[!-~]{3,5}\Z")]


class BusinessDetails(Written, frozen=True, kw_only=True):
    """A company."""

    name: str
    website: str | None = None
    logo: None = None


class CredentialsRole(Written, frozen=True, kw_only=True):
    """A party in one role (OCPI 2.2.1 credentials)."""

    role: str
    business_details: BusinessDetails
    party_id: str
    country_code: str


class _Role(Struct, frozen=True):
    country_code: _CountryCode
    party_id: _PartyId
    role: Raw = NULL
    business_details: Raw = NULL


class _BusinessDetails(Struct, frozen=True):
    name: Raw = NULL
    website: Raw = NULL


_ROLE: Final = msgspec.json.Decoder(_Role)
_BUSINESS: Final = msgspec.json.Decoder(_BusinessDetails)
_TEXT: Final = msgspec.json.Decoder(str)
_HUB: Final = msgspec.json.Decoder(_HubParty)
_ROLES: Final = {role.value: role for role in Role}


# ---- reading -----------------------------------------------------------------


def read_token(value: str) -> CredentialsToken:
    """Take the token that is ours from now on; raise ValueError if it cannot be one."""
    try:
        token = CredentialsToken(value)
    except ConfigError as err:
        raise ValueError(str(err)) from None
    write_token(token)
    return token


def read_role(data: Raw, *, unless_told: Role = Role.OTHER) -> PartyRole | None:
    """Read a party; None if it cannot be known which. Its company may be nameless."""
    try:
        told = _ROLE.decode(data)
    except UNREADABLE:
        return None
    role = _read_text(told.role)
    name, website = _read_business(told.business_details)
    return PartyRole(
        role=unless_told if role is None else _ROLES.get(role.upper(), Role.OTHER),
        party=Party(told.country_code, told.party_id),
        name=text(name, _MAX_NAME) or "",
        website=website,
    )


def read_hub(data: Raw) -> Party | None:
    """Read country and party written as one word."""
    try:
        written = _HUB.decode(data)
    except UNREADABLE:
        return None
    return Party(written[:2], written[2:])


def _read_business(data: Raw) -> tuple[str | None, str | None]:
    try:
        told = _BUSINESS.decode(data)
    except UNREADABLE:
        return None, None
    return _read_text(told.name), _read_text(told.website)


def _read_text(data: Raw) -> str | None:
    try:
        return _TEXT.decode(data)
    except UNREADABLE:
        return None


# ---- writing -----------------------------------------------------------------


def write_token(token: CredentialsToken) -> str:
    """Write the token as it is; raise ValueError if OCPI has no room for it."""
    return identifier("token", token.value, _MAX_TOKEN)


def write_roles(
    roles: Collection[PartyRole], known: Collection[Role]
) -> tuple[CredentialsRole, ...]:
    """Write parties; raise ValueError if there is none."""
    if not roles:
        raise ValueError("roles: expected at least one")
    return tuple(
        CredentialsRole(
            role=role.role if role.role in known else Role.OTHER,
            business_details=write_business(role),
            party_id=identifier("party_id", role.party.party_id, 3),
            country_code=identifier("country_code", role.party.country_code, 2),
        )
        for role in roles
    )


def write_business(role: PartyRole, *, is_ascii: bool = False) -> BusinessDetails:
    """Write a company; one without a name has its party's."""
    name = text(role.name, _MAX_NAME, is_ascii=is_ascii) or str(role.party)
    return BusinessDetails(
        name=required_text("name", name, _MAX_NAME, is_ascii=is_ascii),
        website=url("website", role.website) if role.website else None,
    )
