"""What there is to tell of a session in every version: energy, time, money, place."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from agent.domain.sessions import SessionStatus
from agent.ocpi.writing import Written, date_time, degrees, hours, number

if TYPE_CHECKING:
    from agent.domain.instant import Instant
    from agent.domain.places import Place
    from agent.domain.sessions import Session
    from agent.domain.tariffs import Amount, Cost, Tariff
    from agent.ocpi.station import Location, StationIdentity


class CdrDimension(Written, frozen=True, kw_only=True):
    """An amount: kWh for ENERGY, hours for TIME."""

    type: str
    volume: Decimal


class ChargingPeriod(Written, frozen=True, kw_only=True):
    """What was consumed from a moment on."""

    start_date_time: str
    dimensions: tuple[CdrDimension, ...]


class GeoLocation(Written, frozen=True, kw_only=True):
    """Decimal degrees, as text."""

    latitude: str
    longitude: str


_Period = TypeVar("_Period", bound=ChargingPeriod)


class Bill(Struct, frozen=True, kw_only=True):
    """What a CDR needs and a Session may lack."""

    ended_at: Instant
    location: Location
    place: Place
    tariff: Tariff
    cost: Cost

    @property
    def energy(self) -> Amount | None:
        """The price of energy, if it has one."""
        return self.cost.energy if self.tariff.per_kwh else None

    @property
    def time(self) -> Amount | None:
        """The price of time, if it has one."""
        return self.cost.time if self.tariff.per_minute else None

    @property
    def fixed(self) -> Amount | None:
        """The price of the session as such, if it has one."""
        return self.cost.fixed if self.tariff.per_session else None


def draw_up(session: Session, station: StationIdentity) -> Bill:
    """Collect what a CDR needs; raise ValueError naming the first that is missing."""
    if session.ended_at is None or session.status is not SessionStatus.COMPLETED:
        raise ValueError(f"status: expected COMPLETED, got {session.status}")
    if session.tariff is None or session.cost is None:
        raise ValueError("total_cost: expected a session with a tariff, got no tariff")
    return Bill(
        ended_at=session.ended_at,
        location=whole_location(station),
        place=station.place_of(session),
        tariff=session.tariff,
        cost=session.cost,
    )


def whole_location(station: StationIdentity) -> Location:
    """Return the Location; raise ValueError where only its id is configured."""
    if station.location is None:
        raise ValueError("location: expected address, country and coordinates")
    return station.location


def kwh(session: Session) -> Decimal:
    """Write the energy."""
    return number(Decimal(session.energy_wh) / 1000)


def periods(session: Session, model: type[_Period]) -> tuple[_Period, ...]:
    """Sum up all there was in one period; none while there was nothing.

    As every report replaces the one before, there is no need of more.
    """
    if not (_has_begun(session) and (session.energy_wh or session.ended_at)):
        return ()
    energy = CdrDimension(type="ENERGY", volume=kwh(session))
    time = CdrDimension(type="TIME", volume=hours(session.duration))
    start = date_time(session.started_at)
    return (model(start_date_time=start, dimensions=(energy, time)),)


def coordinates(location: Location) -> GeoLocation:
    """Write where on Earth it is."""
    return GeoLocation(
        latitude=degrees("latitude", location.latitude, 90),
        longitude=degrees("longitude", location.longitude, 180),
    )


def _has_begun(session: Session) -> bool:
    """Whether there was more than a permission that nobody has used."""
    if session.status is SessionStatus.INVALID:
        return session.stop_reason is not None
    return session.status is not SessionStatus.PENDING
