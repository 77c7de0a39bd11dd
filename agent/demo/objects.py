"""The OCPI 2.2.1 objects that the sample backend gives and takes.

Written against the specification and not against the agent, and stricter than a
backend should be: `Z` in every time, no null for what is absent, no unknown field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

CiString2 = Annotated[str, Meta(pattern=r"^[!-~]{2}\Z")]
CiString3 = Annotated[str, Meta(pattern=r"^[!-~]{3}\Z")]
CiString36 = Annotated[str, Meta(pattern=r"^[ -~]{1,36}\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
DateTime = Annotated[
    str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,4})?Z\Z")
]
Amount = Annotated[float, Meta(ge=0)]

TokenType = Literal["AD_HOC_USER", "APP_USER", "OTHER", "RFID"]
AllowedType = Literal["ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"]
WhitelistType = Literal["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"]
SessionStatus = Literal["ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"]
Dimension = Literal[
    "CURRENT",
    "ENERGY",
    "ENERGY_EXPORT",
    "ENERGY_IMPORT",
    "MAX_CURRENT",
    "MIN_CURRENT",
    "MAX_POWER",
    "MIN_POWER",
    "PARKING_TIME",
    "POWER",
    "RESERVATION_TIME",
    "STATE_OF_CHARGE",
    "TIME",
]

_ENDED: Final = ("COMPLETED", "INVALID")


class ObjectError(ValueError):
    """An object breaks a rule; the message names the field and the rule."""


class Token(Struct, frozen=True, kw_only=True):
    """A Token of ours (mod_tokens)."""

    country_code: str
    party_id: str
    uid: str
    type: TokenType = "RFID"
    contract_id: str
    issuer: str
    valid: bool
    whitelist: WhitelistType
    last_updated: str


class LocationReferences(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a card was tapped (mod_tokens)."""

    location_id: CiString36
    evse_uids: list[CiString36] | UnsetType = UNSET


class CdrToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Token that a Session is booked on (mod_cdrs)."""

    country_code: CiString2
    party_id: CiString3
    uid: CiString36
    type: TokenType
    contract_id: CiString36


class CdrDimension(Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in the unit of its type: kWh, hours, amperes (mod_cdrs)."""

    type: Dimension
    volume: float


class ChargingPeriod(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was consumed from a moment on (mod_cdrs)."""

    start_date_time: DateTime
    dimensions: Annotated[list[CdrDimension], Meta(min_length=1)]
    tariff_id: CiString36 | UnsetType = UNSET


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """Money (types)."""

    excl_vat: float
    incl_vat: float | UnsetType = UNSET


class Session(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Session (mod_sessions)."""

    country_code: CiString2
    party_id: CiString3
    id: CiString36
    start_date_time: DateTime
    end_date_time: DateTime | UnsetType = UNSET
    kwh: Amount
    cdr_token: CdrToken
    auth_method: Literal["AUTH_REQUEST", "COMMAND", "WHITELIST"]
    authorization_reference: CiString36 | UnsetType = UNSET
    location_id: CiString36
    evse_uid: CiString36
    connector_id: CiString36
    meter_id: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    currency: Currency
    charging_periods: list[ChargingPeriod] | UnsetType = UNSET
    total_cost: Price | UnsetType = UNSET
    status: SessionStatus
    last_updated: DateTime


_SESSION: Final = msgspec.json.Decoder(Session)


def parse_moment(field: str, text: str) -> datetime:
    """Read a DateTime; raise ObjectError if it is none, or never was."""
    try:
        return datetime.fromisoformat(msgspec.convert(text, DateTime))
    except ValueError as err:
        raise ObjectError(f"{field}: expected a DateTime that ends in Z") from err


def read_session(body: bytes, before: Session | None) -> Session:
    """Read a Session that follows `before`; raise ObjectError for a broken rule."""
    try:
        session = _SESSION.decode(body)
    except msgspec.ValidationError as err:
        raise ObjectError(str(err)) from err
    _check_times(session)
    if round(session.kwh, 4) != session.kwh:
        raise ObjectError("kwh: expected at most four decimals")
    if before is not None:
        _check_change(session, before)
    return session


def merge_session(session: Session, changes: bytes) -> bytes:
    """Apply a PATCH: fields replace each other, charging periods are appended."""
    try:
        fields = msgspec.json.decode(changes, type=dict[str, object])
    except msgspec.ValidationError as err:
        raise ObjectError(str(err)) from err
    if "last_updated" not in fields:
        raise ObjectError("last_updated: required in a PATCH")
    merged = {**msgspec.to_builtins(session), **fields}
    periods = fields.get("charging_periods")
    if isinstance(periods, list) and session.charging_periods is not UNSET:
        merged["charging_periods"] = [*session.charging_periods, *periods]
    return msgspec.json.encode(merged)


def _check_times(session: Session) -> None:
    start = parse_moment("start_date_time", session.start_date_time)
    parse_moment("last_updated", session.last_updated)
    if session.end_date_time is UNSET:
        if session.status in _ENDED:
            raise ObjectError(f"end_date_time: required when {session.status}")
    elif parse_moment("end_date_time", session.end_date_time) < start:
        raise ObjectError("end_date_time: expected a moment after the start")


def _check_change(session: Session, before: Session) -> None:
    """Hold a Session to what was said of it before."""
    for field in ("cdr_token", "start_date_time", "evse_uid", "location_id"):
        if getattr(session, field) != getattr(before, field):
            raise ObjectError(f"{field}: expected what it was before")
    if before.status in _ENDED and session.status != before.status:
        raise ObjectError(f"status: {before.status} is final, got {session.status}")
    if session.kwh < before.kwh:
        raise ObjectError("kwh: expected no less than before")
    earlier = parse_moment("last_updated", before.last_updated)
    if parse_moment("last_updated", session.last_updated) < earlier:
        raise ObjectError("last_updated: expected no earlier than before")
