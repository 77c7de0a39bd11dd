"""Who we are towards a backend, and where: what every Session and CDR must carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from agent.domain.places import Place

if TYPE_CHECKING:
    from agent.domain.sessions import Session


class Party(Struct, frozen=True):
    """A company in the OCPI world; both parts are case-insensitive."""

    country_code: str
    party_id: str

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"

    def is_same(self, other: Party) -> bool:
        """Whether both are one company, in whatever case."""
        return str(self).casefold() == str(other).casefold()


class Location(Struct, frozen=True, kw_only=True):
    """What OCPI demands of a Location where the whole of it is told.

    `country` is ISO 3166 alpha-3; latitude and longitude are decimal degrees as text.
    """

    address: str
    city: str
    country: str
    latitude: str
    longitude: str
    postal_code: str | None = None
    state: str | None = None
    name: str | None = None
    time_zone: str | None = None
    type: str = "OTHER"


class StationIdentity(Struct, frozen=True, kw_only=True):
    """The CPO and its location as the backend knows them.

    `location` is None where only its id is configured; then there can be no CDR and no
    OCPI 2.1.1. `places` are looked up by EVSE uid; `name` is the company's.
    """

    country_code: str
    party_id: str
    location_id: str
    location: Location | None = None
    places: dict[str, Place] = {}
    name: str = ""
    website: str | None = None

    @property
    def party(self) -> Party:
        """The CPO."""
        return Party(self.country_code, self.party_id)

    def place_of(self, session: Session) -> Place:
        """Where a session is, by what was written down at its start, if it was."""
        if session.place is not None:
            return session.place
        return self.places.get(session.evse_uid) or Place(location_id=self.location_id)


class Source(Struct, frozen=True):
    """Whose words are read: the connection, and the party behind it where it is one.

    OCPI 2.1.1 leaves it to the connection to know whose tokens it brings.
    """

    upstream: str
    party: Party | None = None
