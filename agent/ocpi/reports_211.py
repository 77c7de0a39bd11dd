"""Sessions and CDRs of OCPI 2.1.1: no parties, a price is a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from agent.ocpi import amounts
from agent.ocpi.amounts import ChargingPeriod
from agent.ocpi.location_211 import Location, build_location
from agent.ocpi.quirks import Quirk
from agent.ocpi.writing import (
    Written,
    date_time,
    hours,
    identifier,
    number,
    optional_identifier,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from decimal import Decimal

    from agent.domain import sessions
    from agent.ocpi.station import StationIdentity


class Session(Written, frozen=True, kw_only=True):
    """A Session (OCPI 2.1.1 mod_sessions); `authorization_id` is a hub's dialect."""

    id: str
    start_datetime: str
    end_datetime: str | None = None
    kwh: Decimal
    auth_id: str
    auth_method: str
    authorization_id: str | UnsetType | None = UNSET
    location: Location
    meter_id: str | None = None
    currency: str
    charging_periods: tuple[ChargingPeriod, ...] = ()
    total_cost: Decimal | None = None
    status: str
    last_updated: str


class Cdr(Written, frozen=True, kw_only=True):
    """A CDR (OCPI 2.1.1 mod_cdrs); it ends under one name of two."""

    id: str
    start_date_time: str
    stop_date_time: str | UnsetType = UNSET
    end_date_time: str | UnsetType = UNSET
    auth_id: str
    auth_method: str
    authorization_id: str | UnsetType | None = UNSET
    location: Location
    meter_id: str | None = None
    currency: str
    tariffs: tuple[()] = ()
    charging_periods: tuple[ChargingPeriod, ...]
    total_cost: Decimal
    total_energy: Decimal
    total_time: Decimal
    total_parking_time: None = None
    remark: None = None
    last_updated: str


def build_session(
    session: sessions.Session, station: StationIdentity, quirks: Collection[Quirk]
) -> Session:
    """Describe the whole session as it is now."""
    place, cost = station.place_of(session), session.cost
    return Session(
        id=identifier("id", session.id),
        start_datetime=date_time(session.started_at),
        end_datetime=date_time(session.ended_at) if session.ended_at else None,
        kwh=amounts.kwh(session),
        auth_id=identifier("auth_id", session.token.contract_id),
        auth_method=session.auth_method,
        authorization_id=_reference(session, quirks),
        location=build_location(session, station),
        meter_id=text(place.meter_id, 255, is_ascii=True),
        currency=identifier("currency", place.currency, 3),
        charging_periods=amounts.periods(session, ChargingPeriod),
        total_cost=number(cost.total.excl_vat) if cost else None,
        status=session.status,
        last_updated=date_time(session.updated_at),
    )


def build_cdr(
    session: sessions.Session, station: StationIdentity, quirks: Collection[Quirk]
) -> Cdr:
    """Describe what is to be paid, under the session's id."""
    bill = amounts.draw_up(session, station)
    ended, is_end = date_time(bill.ended_at), Quirk.CDR_END_DATE_TIME in quirks
    return Cdr(
        id=identifier("id", session.id),
        start_date_time=date_time(session.started_at),
        stop_date_time=UNSET if is_end else ended,
        end_date_time=ended if is_end else UNSET,
        auth_id=identifier("auth_id", session.token.contract_id),
        auth_method=session.auth_method,
        authorization_id=_reference(session, quirks),
        location=build_location(session, station),
        meter_id=text(bill.place.meter_id, 255, is_ascii=True),
        currency=identifier("currency", bill.place.currency, 3),
        charging_periods=amounts.periods(session, ChargingPeriod),
        total_cost=number(bill.cost.total.excl_vat),
        total_energy=amounts.kwh(session),
        total_time=hours(session.duration),
        last_updated=date_time(session.updated_at),
    )


def _reference(
    session: sessions.Session, quirks: Collection[Quirk]
) -> str | UnsetType | None:
    if Quirk.AUTHORIZATION_ID not in quirks:
        return UNSET
    return optional_identifier("authorization_id", session.authorization_reference)
