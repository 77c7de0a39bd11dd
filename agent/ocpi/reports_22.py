"""Sessions and CDRs as OCPI 2.2 made them; what later versions change is handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.ocpi import amounts
from agent.ocpi.writing import (
    Written,
    date_time,
    hours,
    identifier,
    optional_identifier,
    required_text,
    text,
    token_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from agent.domain import sessions
    from agent.domain.tariffs import Amount
    from agent.domain.tokens import TokenType
    from agent.ocpi.amounts import Bill, GeoLocation
    from agent.ocpi.station import StationIdentity


class Dialect(NamedTuple):
    """In what versions differ: a Price, with VAT in percent, and the TokenTypes."""

    price: Callable[[Amount, Decimal], Written]
    token_types: frozenset[TokenType]


# ---- wire models -------------------------------------------------------------


class CdrToken(Written, frozen=True, kw_only=True):
    """The token a Session or CDR is booked on."""

    country_code: str
    party_id: str
    uid: str
    type: str
    contract_id: str


class ChargingPeriod(amounts.ChargingPeriod, frozen=True, kw_only=True):
    """What was consumed from a moment on, and by which of our Tariffs: none is told."""

    tariff_id: None = None


class Session(Written, frozen=True, kw_only=True):
    """A Session (OCPI 2.2.1 mod_sessions)."""

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
    total_cost: Written | None = None
    status: str
    last_updated: str


class CdrLocation(Written, frozen=True, kw_only=True):
    """Where it was (OCPI 2.2.1 mod_cdrs)."""

    id: str
    name: str | None = None
    address: str
    city: str
    postal_code: str | None = None
    state: str | None = None
    country: str
    coordinates: GeoLocation
    evse_uid: str
    evse_id: str
    connector_id: str
    connector_standard: str
    connector_format: str
    connector_power_type: str


class Cdr(Written, frozen=True, kw_only=True):
    """A CDR (OCPI 2.2.1 mod_cdrs)."""

    country_code: str
    party_id: str
    id: str
    start_date_time: str
    end_date_time: str
    session_id: str
    cdr_token: CdrToken
    auth_method: str
    authorization_reference: str | None = None
    cdr_location: CdrLocation
    meter_id: str | None = None
    currency: str
    tariffs: tuple[()] = ()
    charging_periods: tuple[ChargingPeriod, ...]
    signed_data: None = None
    total_cost: Written
    total_fixed_cost: Written | None = None
    total_energy: Decimal
    total_energy_cost: Written | None = None
    total_time: Decimal
    total_time_cost: Written | None = None
    total_parking_time: None = None
    total_parking_cost: None = None
    total_reservation_cost: None = None
    remark: None = None
    invoice_reference_id: None = None
    credit: None = None
    credit_reference_id: None = None
    home_charging_compensation: None = None
    last_updated: str


# ---- from the domain ---------------------------------------------------------


def build_session(
    session: sessions.Session, station: StationIdentity, dialect: Dialect
) -> Session:
    """Describe the whole session as it is now."""
    place, cost = station.place_of(session), session.cost
    return Session(
        country_code=identifier("country_code", station.country_code, 2),
        party_id=identifier("party_id", station.party_id, 3),
        id=identifier("id", session.id),
        start_date_time=date_time(session.started_at),
        end_date_time=date_time(session.ended_at) if session.ended_at else None,
        kwh=amounts.kwh(session),
        cdr_token=_cdr_token(session.token, dialect),
        auth_method=session.auth_method,
        authorization_reference=_reference(session),
        location_id=identifier("location_id", place.location_id),
        evse_uid=identifier("evse_uid", session.evse_uid),
        connector_id=identifier("connector_id", place.connector.id),
        meter_id=text(place.meter_id, 255),
        currency=identifier("currency", place.currency, 3),
        charging_periods=amounts.periods(session, ChargingPeriod),
        total_cost=dialect.price(cost.total, cost.vat_percent) if cost else None,
        status=session.status,
        last_updated=date_time(session.updated_at),
    )


def build_cdr(
    session: sessions.Session, station: StationIdentity, dialect: Dialect
) -> Cdr:
    """Describe what is to be paid, under the session's id."""
    bill = amounts.draw_up(session, station)

    def price(amount: Amount | None) -> Written | None:
        return dialect.price(amount, bill.cost.vat_percent) if amount else None

    return Cdr(
        country_code=identifier("country_code", station.country_code, 2),
        party_id=identifier("party_id", station.party_id, 3),
        id=identifier("id", session.id),
        start_date_time=date_time(session.started_at),
        end_date_time=date_time(bill.ended_at),
        session_id=session.id,
        cdr_token=_cdr_token(session.token, dialect),
        auth_method=session.auth_method,
        authorization_reference=_reference(session),
        cdr_location=_cdr_location(session, bill),
        meter_id=text(bill.place.meter_id, 255),
        currency=identifier("currency", bill.place.currency, 3),
        charging_periods=amounts.periods(session, ChargingPeriod),
        total_cost=dialect.price(bill.cost.total, bill.cost.vat_percent),
        total_fixed_cost=price(bill.fixed),
        total_energy=amounts.kwh(session),
        total_energy_cost=price(bill.energy),
        total_time=hours(session.duration),
        total_time_cost=price(bill.time),
        last_updated=date_time(session.updated_at),
    )


def _cdr_token(token: sessions.CdrToken, dialect: Dialect) -> CdrToken:
    return CdrToken(
        country_code=identifier("cdr_token.country_code", token.country_code, 2),
        party_id=identifier("cdr_token.party_id", token.party_id, 3),
        uid=identifier("cdr_token.uid", token.uid),
        type=token_type(token.type, dialect.token_types),
        contract_id=identifier("cdr_token.contract_id", token.contract_id),
    )


def _reference(session: sessions.Session) -> str | None:
    return optional_identifier(
        "authorization_reference", session.authorization_reference
    )


def _cdr_location(session: sessions.Session, bill: Bill) -> CdrLocation:
    location, place = bill.location, bill.place
    if place.evse_id is None:
        raise ValueError("evse_id: expected the printed one, got none")
    return CdrLocation(
        id=identifier("location_id", place.location_id),
        name=text(location.name, 255),
        address=required_text("address", location.address, 45),
        city=required_text("city", location.city, 45),
        postal_code=text(location.postal_code, 10),
        state=text(location.state, 20),
        country=identifier("country", location.country, 3),
        coordinates=amounts.coordinates(location),
        evse_uid=identifier("evse_uid", session.evse_uid),
        evse_id=identifier("evse_id", place.evse_id, 48),
        connector_id=identifier("connector_id", place.connector.id),
        connector_standard=place.connector.standard,
        connector_format=place.connector.format,
        connector_power_type=place.connector.power_type,
    )
