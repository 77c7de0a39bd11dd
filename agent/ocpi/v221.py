"""OCPI 2.2.1 on the wire: mod_tokens, mod_sessions and the parts of mod_cdrs in them.

Read tolerantly, write strictly. Field order, names and lengths are the object
tables' own; unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - msgspec reads the annotations
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from agent.domain import sessions, tokens
from agent.domain.instant import ocpi_datetime
from agent.domain.tokens import Answer, TokenType, Verdict, WhitelistType
from agent.domain.uid import Uid
from agent.errors import TransientUpstreamError
from agent.ocpi.authorization import Encoding
from agent.ocpi.envelope import UNREADABLE, split_items

if TYPE_CHECKING:
    from agent.ocpi.station import StationIdentity

VERSION: Final = "2.2.1"
ENCODING: Final = Encoding.BASE64

CiString2 = Annotated[str, Meta(min_length=1, max_length=2)]
CiString3 = Annotated[str, Meta(min_length=1, max_length=3)]
CiString36 = Annotated[str, Meta(min_length=1, max_length=36)]
String64 = Annotated[str, Meta(max_length=64)]

# May stand for a required value that cannot be known.
_NOT_AVAILABLE: Final = "#NA"
_FOUR_DECIMALS: Final = Decimal("0.0001")

# ---- wire models -------------------------------------------------------------


class Token(Struct, frozen=True, kw_only=True, gc=False):
    """A Token as sent; `type` and `whitelist` may hold values of later versions."""

    country_code: CiString2
    party_id: CiString3
    uid: CiString36
    type: str
    contract_id: CiString36
    issuer: String64
    valid: bool
    whitelist: str
    last_updated: datetime
    visual_number: String64 | None = None
    group_id: Annotated[str, Meta(max_length=36)] | None = None
    language: Annotated[str, Meta(max_length=2)] | None = None


class LocationReferences(Struct, frozen=True, omit_defaults=True):
    """A place, and the EVSEs there that are meant; none means all."""

    location_id: str
    evse_uids: Sequence[str] | None = None


class DisplayText(Struct, frozen=True):
    """Text for the driver; its language is not ours to choose."""

    text: str


class AuthorizationInfo(Struct, frozen=True, kw_only=True):
    """The answer to an authorize request.

    Only `allowed` and `location` decide; the rest stays undecoded so that a mistake
    there cannot turn an answer into none.
    """

    allowed: str
    location: LocationReferences | None = None
    authorization_reference: str | None = None
    token: Raw = Raw()
    info: Raw = Raw()


class CdrToken(Struct, frozen=True, kw_only=True):
    """The token a Session is booked on."""

    country_code: str
    party_id: str
    uid: str
    type: str
    contract_id: str


class CdrDimension(Struct, frozen=True):
    """An amount: kWh for ENERGY, hours for TIME."""

    type: str
    volume: Decimal


class ChargingPeriod(Struct, frozen=True):
    """What was consumed from a moment on."""

    start_date_time: str
    dimensions: tuple[CdrDimension, ...]


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Session; absent optional fields are left out, never null."""

    country_code: str
    party_id: str
    id: str
    start_date_time: str
    end_date_time: str | None = None
    kwh: Decimal
    cdr_token: CdrToken
    auth_method: str
    authorization_reference: str | None = None
    location_id: str
    evse_uid: str
    connector_id: str
    meter_id: str | None = None
    currency: str
    charging_periods: tuple[ChargingPeriod, ...] = ()
    status: str
    last_updated: str


_TOKEN: Final = msgspec.json.Decoder(Token)
_TOKENS: Final = msgspec.json.Decoder(list[Token])
_AUTHORIZATION: Final = msgspec.json.Decoder(AuthorizationInfo)
_DISPLAY_TEXT: Final = msgspec.json.Decoder(DisplayText)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_TYPES: Final = {kind.value: kind for kind in TokenType}
_WHITELISTS: Final = {kind.value: kind for kind in WhitelistType}
_VERDICTS: Final = {
    verdict.value: verdict for verdict in Verdict if verdict is not Verdict.UNKNOWN
}

# ---- tokens ------------------------------------------------------------------


def decode_tokens(data: Raw, upstream: str) -> tuple[list[tokens.Token], list[str]]:
    """Read a page; one problem per token that had to be skipped.

    Tokens of a type that no version knows are skipped silently: no card is one.
    """
    try:
        return _to_domain(_TOKENS.decode(data), upstream), []
    except UNREADABLE:
        return _decode_one_by_one(data, upstream)


def _decode_one_by_one(
    data: Raw, upstream: str
) -> tuple[list[tokens.Token], list[str]]:
    items = split_items(data)
    if items is None:
        raise TransientUpstreamError(f"{upstream}: expected a list of tokens")
    good: list[tokens.Token] = []
    problems: list[str] = []
    for index, item in enumerate(items):
        try:
            good += _to_domain([_TOKEN.decode(item)], upstream)
        except UNREADABLE as err:
            # These messages name the field and the rule, and never the value.
            problems.append(f"token {index}: {err}")
    return good, problems


def _to_domain(wire: list[Token], upstream: str) -> list[tokens.Token]:
    """Translate; raise ValueError for the first token that breaks the text rules.

    Written for speed: a whitelist may hold millions.
    """
    good: list[tokens.Token] = []
    for token in wire:
        if (kind := _TYPES.get(token.type)) is None:
            continue
        group_id = token.group_id or None
        ci_strings = (
            f"{token.country_code}{token.party_id}{token.uid}{token.contract_id}"
            f"{group_id}"
        )
        if not (ci_strings.isascii() and ci_strings.isprintable()):
            raise ValueError("expected printable ASCII in every CiString")
        moment = token.last_updated
        if moment.tzinfo is not UTC:
            moment = _to_utc(moment)
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
                whitelist=_WHITELISTS.get(token.whitelist, WhitelistType.NEVER),
                last_updated=moment,
                visual_number=token.visual_number,
                group_id=group_id,
                language=token.language,
            )
        )
    return good


def _to_utc(moment: datetime) -> datetime:
    """Convert an offset; OCPI times without one are UTC."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as err:
        raise ValueError("last_updated: expected a year from 1 to 9999") from err


# ---- authorize ---------------------------------------------------------------


def encode_location(location_id: str, evse_uids: Sequence[str]) -> bytes:
    """Write the LocationReferences of an authorize request."""
    return _ENCODER.encode(LocationReferences(location_id, evse_uids or None))


def decode_authorization(
    data: Raw, upstream: str, uid: Uid, listed: tokens.Token | None
) -> Answer:
    """Read the answer about card `uid`, which the whitelist has as `listed`.

    An unknown `allowed` counts as NOT_ALLOWED. The returned token is dropped unless
    it is the one we asked about: some servers answer for another type or party.
    Raise TransientUpstreamError for what is no answer at all.
    """
    try:
        answer = _AUTHORIZATION.decode(data)
    except UNREADABLE as err:
        raise TransientUpstreamError(
            f"{upstream}: expected AuthorizationInfo: {err}"
        ) from err
    location = answer.location
    return Answer(
        upstream=upstream,
        verdict=_VERDICTS.get(answer.allowed, Verdict.NOT_ALLOWED),
        token=_read_returned(answer.token, upstream, uid, listed),
        evse_uids=frozenset(
            evse_uid.casefold()
            for evse_uid in (location.evse_uids if location else None) or ()
        ),
        authorization_reference=answer.authorization_reference or None,
        info=_read_text(answer.info),
    )


def _read_returned(
    data: Raw, upstream: str, uid: Uid, listed: tokens.Token | None
) -> tokens.Token | None:
    try:
        returned = _to_domain([_TOKEN.decode(data)], upstream)
    except UNREADABLE:
        return None
    return next((token for token in returned if _fits(token, uid, listed)), None)


def _fits(token: tokens.Token, uid: Uid, listed: tokens.Token | None) -> bool:
    if listed is None:
        return token.type is TokenType.RFID and Uid.parse(token.uid) == uid
    return token.type is listed.type and _identity(token) == _identity(listed)


def _identity(token: tokens.Token) -> tuple[str, str, Uid]:
    party = token.country_code.casefold(), token.party_id.casefold()
    return *party, Uid.parse(token.uid)


def _read_text(data: Raw) -> str | None:
    try:
        return _DISPLAY_TEXT.decode(data).text or None
    except UNREADABLE:
        return None


# ---- sessions ----------------------------------------------------------------


def encode_session(session: sessions.Session, station: StationIdentity) -> bytes:
    """Write the whole Session as it is now, for a PUT that replaces what was there."""
    token, ended_at = session.token, session.ended_at
    return _ENCODER.encode(
        Session(
            country_code=station.country_code,
            party_id=station.party_id,
            id=session.id,
            start_date_time=ocpi_datetime(session.started_at.wall),
            end_date_time=ocpi_datetime(ended_at.wall) if ended_at else None,
            kwh=_kwh(session),
            cdr_token=CdrToken(
                country_code=token.country_code,
                party_id=token.party_id,
                uid=token.uid,
                type=token.type,
                contract_id=token.contract_id,
            ),
            auth_method=session.auth_method,
            authorization_reference=session.authorization_reference,
            location_id=station.location_id,
            evse_uid=session.evse_uid,
            # A session may outlive the configuration it started under.
            connector_id=station.connector_ids.get(session.evse_uid, _NOT_AVAILABLE),
            meter_id=station.meter_ids.get(session.evse_uid),
            currency=station.currency,
            charging_periods=_periods(session),
            status=session.status,
            last_updated=ocpi_datetime(session.updated_at.wall),
        )
    )


def _kwh(session: sessions.Session) -> Decimal:
    return Decimal(session.energy_wh) / 1000


def _periods(session: sessions.Session) -> tuple[ChargingPeriod, ...]:
    """Sum up an ended session; before that, `kwh` says all we know."""
    if session.ended_at is None:
        return ()
    seconds = session.ended_at.since(session.started_at).total_seconds()
    hours = (Decimal(round(seconds)) / 3600).quantize(_FOUR_DECIMALS)
    dimensions = (
        CdrDimension("ENERGY", _kwh(session)),
        CdrDimension("TIME", hours),
    )
    return (ChargingPeriod(ocpi_datetime(session.started_at.wall), dimensions),)
