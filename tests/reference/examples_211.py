"""One good object of every kind in 2.1.1, with values of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.reference.example_parts import (
    BUSINESS,
    COMPONENT,
    CONNECTOR,
    DIMENSION,
    ENVELOPE,
    EVSE,
    IMAGE,
    LOCATION,
    OWNER,
    PERIODS,
    SPOT,
    TARIFF,
    TEXT,
    Examples,
)

if TYPE_CHECKING:
    from tests.reference.values import JsonObject

_OLD_TOKEN: Final[JsonObject] = {
    "uid": "04A1B2C3D4E5F6",
    "type": "RFID",
    "auth_id": "NL-TNM-C00112233",
    "visual_number": "0011-2233",
    "issuer": "Example Mobility",
    "valid": True,
    "whitelist": "ALLOWED_OFFLINE",
    "language": "nl",
    "last_updated": "2026-02-01T12:00:00Z",
}
_OLD_REFERENCES: Final[JsonObject] = {
    "location_id": "QUAY-7",
    "evse_uids": ["QUAY-7-A"],
    "connector_ids": ["1"],
}
OLD: Final[Examples] = {
    "DisplayText": TEXT,
    "GeoLocation": SPOT,
    "Image": IMAGE,
    "BusinessDetails": BUSINESS,
    "Version": {"version": "2.1.1", "url": "https://cpo.example/ocpi/21"},
    "Endpoint": {"identifier": "tokens", "url": "https://cpo.example/ocpi/21/tokens"},
    "VersionDetails": {
        "version": "2.1.1",
        "endpoints": [
            {"identifier": "credentials", "url": "https://cpo.example/21/credentials"},
            {"identifier": "tokens", "url": "https://cpo.example/21/tokens/"},
        ],
    },
    "Credentials": {
        "token": "an-example-token",
        "url": "https://cpo.example/ocpi/versions",
        "business_details": BUSINESS,
        **OWNER,
    },
    "Envelope": ENVELOPE,
    "Token": _OLD_TOKEN,
    "LocationReferences": _OLD_REFERENCES,
    "AuthorizationInfo": {
        "allowed": "ALLOWED",
        "location": _OLD_REFERENCES,
        "info": TEXT,
    },
    "Location": LOCATION,
    "EVSE": EVSE,
    "Connector": CONNECTOR,
    "CdrDimension": DIMENSION,
    "ChargingPeriod": PERIODS[0],
    "PriceComponent": COMPONENT,
    "TariffElement": {"price_components": [COMPONENT]},
    "Tariff": TARIFF,
    "Session": {
        "id": "S-0001",
        "start_datetime": "2026-03-04T17:00:00Z",
        "end_datetime": "2026-03-04T18:30:00Z",
        "kwh": 10.2505,
        "auth_id": "NL-TNM-C00112233",
        "auth_method": "WHITELIST",
        "location": LOCATION,
        "meter_id": "M-7A",
        "currency": "EUR",
        "charging_periods": PERIODS,
        "total_cost": 3.08,
        "status": "COMPLETED",
        "last_updated": "2026-03-04T18:30:01Z",
    },
    "CDR": {
        "id": "C-0001",
        "start_date_time": "2026-03-04T17:00:00Z",
        "stop_date_time": "2026-03-04T18:30:00Z",
        "auth_id": "NL-TNM-C00112233",
        "auth_method": "WHITELIST",
        "location": LOCATION,
        "meter_id": "M-7A",
        "currency": "EUR",
        "tariffs": [TARIFF],
        "charging_periods": PERIODS,
        "total_cost": 3.08,
        "total_energy": 10.2505,
        "total_time": 1.5,
        "total_parking_time": 0.5,
        "remark": "Stopped by the card",
        "last_updated": "2026-03-04T18:30:02Z",
    },
}
