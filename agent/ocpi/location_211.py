"""The Location of OCPI 2.1.1, told whole with every Session and CDR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.domain.sessions import SessionStatus
from agent.ocpi.amounts import coordinates, whole_location
from agent.ocpi.writing import (
    Written,
    date_time,
    identifier,
    optional_identifier,
    required_text,
    text,
)

if TYPE_CHECKING:
    from agent.domain.places import Place
    from agent.domain.sessions import Session
    from agent.ocpi.amounts import GeoLocation
    from agent.ocpi.station import StationIdentity

_TYPES: Final = (
    "ON_STREET",
    "PARKING_GARAGE",
    "UNDERGROUND_GARAGE",
    "PARKING_LOT",
    "OTHER",
    "UNKNOWN",
)
_POWER_TYPES: Final = ("AC_1_PHASE", "AC_3_PHASE", "DC")
#: A session with a price has some tariff, and there is never another.
_TARIFF_ID: Final = "default"


class Connector(Written, frozen=True, kw_only=True):
    """The Connector that was used."""

    id: str
    standard: str
    format: str
    power_type: str
    voltage: int
    amperage: int
    tariff_id: str | None = None
    terms_and_conditions: None = None
    last_updated: str


class Evse(Written, frozen=True, kw_only=True):
    """The EVSE that was used."""

    uid: str
    evse_id: str | None = None
    status: str
    status_schedule: tuple[()] = ()
    capabilities: tuple[()] = ()
    connectors: tuple[Connector, ...]
    floor_level: None = None
    coordinates: None = None
    physical_reference: None = None
    directions: tuple[()] = ()
    parking_restrictions: tuple[()] = ()
    images: tuple[()] = ()
    last_updated: str


class Location(Written, frozen=True, kw_only=True):
    """A Location (OCPI 2.1.1 mod_locations)."""

    id: str
    type: str
    name: str | None = None
    address: str
    city: str
    postal_code: str
    country: str
    coordinates: GeoLocation
    related_locations: tuple[()] = ()
    evses: tuple[Evse, ...]
    directions: tuple[()] = ()
    operator: None = None
    suboperator: None = None
    owner: None = None
    facilities: tuple[()] = ()
    time_zone: str | None = None
    opening_times: None = None
    charging_when_closed: None = None
    images: tuple[()] = ()
    energy_mix: None = None
    last_updated: str


def build_location(session: Session, station: StationIdentity) -> Location:
    """Describe where a session is, with nothing but the EVSE and connector used.

    Raise ValueError where the station has no Location but an id.
    """
    location, place = whole_location(station), station.place_of(session)
    return Location(
        id=identifier("location.id", place.location_id, 39),
        type=location.type if location.type in _TYPES else "OTHER",
        name=text(location.name, 255, is_ascii=True),
        address=required_text("location.address", location.address, 45, is_ascii=True),
        city=required_text("location.city", location.city, 45, is_ascii=True),
        postal_code=required_text(
            "location.postal_code", location.postal_code, 10, is_ascii=True
        ),
        country=identifier("location.country", location.country, 3),
        coordinates=coordinates(location),
        evses=(_evse(session, place),),
        time_zone=text(location.time_zone, 255, is_ascii=True),
        last_updated=date_time(session.started_at),
    )


def _evse(session: Session, place: Place) -> Evse:
    is_active = session.status is SessionStatus.ACTIVE
    return Evse(
        uid=identifier("evse_uid", session.evse_uid, 39),
        evse_id=optional_identifier("evse_id", place.evse_id, 48),
        status="CHARGING" if is_active else "AVAILABLE",
        connectors=(_connector(session, place),),
        last_updated=date_time(session.started_at),
    )


def _connector(session: Session, place: Place) -> Connector:
    connector = place.connector
    # 2.1.1 cannot say two phases; one is what a driver can count on.
    known = connector.power_type in _POWER_TYPES
    return Connector(
        id=identifier("connector_id", connector.id),
        standard=connector.standard,
        format=connector.format,
        power_type=connector.power_type if known else "AC_1_PHASE",
        voltage=connector.voltage,
        amperage=connector.amperage,
        tariff_id=_TARIFF_ID if session.tariff else None,
        last_updated=date_time(session.started_at),
    )
