"""Credentials as both sides exchange them (OCPI 2.2.1 credentials)."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from agent.ocpi.authorization import CredentialsToken  # noqa: TC001 - msgspec reads it
from agent.ocpi.station import Party  # noqa: TC001 - msgspec reads it


class Role(StrEnum):
    """What a party is; other roles than these are of no interest to a station."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"
    OTHER = "OTHER"


class PartyRole(Struct, frozen=True, kw_only=True):
    """One party behind a connection, in one of its roles; `name` is the company's."""

    role: Role
    party: Party
    name: str
    website: str | None = None


class Credentials(Struct, frozen=True, kw_only=True):
    """What one side tells the other: its token for us (not encoded), where, and who.

    `hub` is the hub's own party where the connection is one (OCPI 2.3.0).
    """

    token: CredentialsToken
    url: str
    roles: tuple[PartyRole, ...]
    hub: Party | None = None
