"""Who we are towards a backend, in the fields every Session must carry."""

from __future__ import annotations

from msgspec import Struct


class Party(Struct, frozen=True):
    """A company in the OCPI world; both parts are case-insensitive."""

    country_code: str
    party_id: str


class StationIdentity(Struct, frozen=True, kw_only=True):
    """The CPO and its location as the backend knows them.

    `connector_ids` and `meter_ids` are looked up by EVSE uid; a meter may be missing.
    """

    country_code: str
    party_id: str
    location_id: str
    currency: str
    connector_ids: dict[str, str]
    meter_ids: dict[str, str] = {}

    @property
    def party(self) -> Party:
        """The CPO."""
        return Party(self.country_code, self.party_id)
