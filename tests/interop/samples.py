"""Objects and headers for tests that talk to the servers without the agent."""

from __future__ import annotations

import base64
from typing import Any, Final

Sample = dict[str, Any]
NOON: Final = "2026-01-01T12:00:00Z"
ONE: Final = "2026-01-01T13:00:00Z"
PLACE: Final = {"location_id": "LOC-1", "evse_uids": ["SE*ABC*E1"]}
CARD: Final = {
    "country_code": "NL",
    "party_id": "TNM",
    "uid": "04AA",
    "type": "RFID",
    "contract_id": "NL-TNM-04AA",
}


def encoded(secret: str) -> dict[str, str]:
    """Return the header as OCPI 2.2.1 wants it: Base64."""
    return {"Authorization": f"Token {base64.b64encode(secret.encode()).decode()}"}


def raw(secret: str) -> dict[str, str]:
    """Return the header as OCPI 2.1.1 wants it: as it is."""
    return {"Authorization": f"Token {secret}"}


def make_token(uid: str, **changes: object) -> Sample:
    """Return an OCPI 2.2.1 Token, valid and ALLOWED unless changed."""
    return {
        "country_code": "NL",
        "party_id": "TNM",
        "uid": uid,
        "type": "RFID",
        "contract_id": f"NL-TNM-{uid}",
        "issuer": "Interop eMSP",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-01-01T00:00:00Z",
    } | changes


def make_session(status: str = "ACTIVE", **changes: object) -> Sample:
    """Return an OCPI 2.2.1 Session of S-1 in this status."""
    return {
        "country_code": "SE",
        "party_id": "ABC",
        "id": "S-1",
        "start_date_time": NOON,
        "kwh": 0,
        "cdr_token": CARD,
        "auth_method": "WHITELIST",
        "location_id": "LOC-1",
        "evse_uid": "SE*ABC*E1",
        "connector_id": "1",
        "currency": "SEK",
        "status": status,
        "last_updated": NOON,
    } | changes


def make_cdr(**changes: object) -> Sample:
    """Return an OCPI 2.2.1 CDR of C-1."""
    return {
        "country_code": "SE",
        "party_id": "ABC",
        "id": "C-1",
        "start_date_time": NOON,
        "end_date_time": ONE,
        "session_id": "S-1",
        "cdr_token": CARD,
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "LOC-1",
            "address": "Storgatan 1",
            "city": "Lund",
            "country": "SWE",
            "coordinates": {"latitude": "55.705800", "longitude": "13.193200"},
            "evse_uid": "E1",
            "evse_id": "SE*ABC*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "SEK",
        "charging_periods": [make_period(NOON)],
        "total_cost": {"excl_vat": 1, "incl_vat": 1.25},
        "total_energy": 1.5,
        "total_time": 1,
        "last_updated": ONE,
    } | changes


def make_period(start: str) -> Sample:
    """Return a ChargingPeriod with 1.5 kWh."""
    energy = {"type": "ENERGY", "volume": 1.5}
    return {"start_date_time": start, "dimensions": [energy]}


def make_location_211() -> Sample:
    """Return an OCPI 2.1.1 Location with everything that a server may ask for."""
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "voltage": 230,
        "amperage": 16,
        "tariff_id": "T-1",
        "last_updated": NOON,
    }
    evse = {"uid": "E1", "status": "CHARGING", "connectors": [connector]}
    return {
        "id": "LOC-1",
        "type": "ON_STREET",
        "address": "Storgatan 1",
        "city": "Lund",
        "postal_code": "222 22",
        "country": "SWE",
        "coordinates": {"latitude": "55.705800", "longitude": "13.193200"},
        "evses": [evse | {"last_updated": NOON}],
        "time_zone": "Europe/Stockholm",
        "last_updated": NOON,
    }


def make_session_211(status: str = "ACTIVE", **changes: object) -> Sample:
    """Return an OCPI 2.1.1 Session of S-1 in this status."""
    return {
        "id": "S-1",
        "start_datetime": NOON,
        "kwh": 0,
        "auth_id": "NL-TNM-04AA",
        "auth_method": "WHITELIST",
        "location": make_location_211(),
        "currency": "SEK",
        "status": status,
        "last_updated": NOON,
    } | changes


def make_cdr_211(**changes: object) -> Sample:
    """Return an OCPI 2.1.1 CDR of C-1, its end named as the standard names it."""
    return {
        "id": "C-1",
        "start_date_time": NOON,
        "stop_date_time": ONE,
        "auth_id": "NL-TNM-04AA",
        "auth_method": "WHITELIST",
        "location": make_location_211(),
        "currency": "SEK",
        "charging_periods": [make_period(NOON)],
        "total_cost": 1,
        "total_energy": 1.5,
        "total_time": 1,
        "last_updated": ONE,
    } | changes
