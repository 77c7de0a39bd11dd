"""Where a session happens, in the words that every report of it needs."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

#: OCPI's PowerType, as far as a charge point has one (OCPI 2.2.1 mod_locations).
PowerType = Literal["AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC"]
ConnectorFormat = Literal["SOCKET", "CABLE"]


class Connector(Struct, frozen=True, kw_only=True):
    """The connector of an EVSE (OCPI 2.2.1 mod_locations)."""

    id: str = "1"
    standard: str = "IEC_62196_T2"
    format: ConnectorFormat = "SOCKET"
    power_type: PowerType = "AC_3_PHASE"
    voltage: int = 230
    amperage: int = 32


class Place(Struct, frozen=True, kw_only=True):
    """An EVSE as a backend knows it, kept with a session from its start on.

    `evse_id` is the printed one, `meter_id` the energy meter's; both may be unknown.
    """

    location_id: str
    connector: Connector = Connector()
    currency: str = "EUR"
    evse_id: str | None = None
    meter_id: str | None = None
