"""What good objects of several kinds and versions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.reference.values import JsonObject

Examples = dict[str, "JsonObject"]

IMAGE: Final[JsonObject] = {
    "url": "https://charging.example/logo.svg",
    "thumbnail": "https://charging.example/logo-small.svg",
    "category": "OPERATOR",
    "type": "svg",
    "width": 512,
    "height": 512,
}
BUSINESS: Final[JsonObject] = {
    "name": "Example Charging",
    "website": "https://charging.example",
    "logo": IMAGE,
}
TEXT: Final[JsonObject] = {"language": "en", "text": "Welcome at the quay"}
SPOT: Final[JsonObject] = {"latitude": "52.370216", "longitude": "-4.895168"}
DIMENSION: Final[JsonObject] = {"type": "ENERGY", "volume": 8.25}
PERIODS: Final[list[JsonObject]] = [
    {
        "start_date_time": "2026-03-04T17:00:00Z",
        "dimensions": [DIMENSION, {"type": "TIME", "volume": 1.0}],
    },
    {
        "start_date_time": "2026-03-04T18:00:00Z",
        "dimensions": [
            {"type": "ENERGY", "volume": 2.0005},
            {"type": "PARKING_TIME", "volume": 0.5},
        ],
    },
]
CONNECTOR: Final[JsonObject] = {
    "id": "1",
    "standard": "IEC_62196_T2",
    "format": "SOCKET",
    "power_type": "AC_3_PHASE",
    "voltage": 230,
    "amperage": 32,
    "tariff_id": "T-7",
    "terms_and_conditions": "https://charging.example/terms",
    "last_updated": "2026-01-05T08:00:00Z",
}
EVSE: Final[JsonObject] = {
    "uid": "QUAY-7-A",
    "evse_id": "NL*EXC*E0007*A",
    "status": "CHARGING",
    "capabilities": ["RFID_READER"],
    "connectors": [CONNECTOR],
    "floor_level": "-1",
    "coordinates": SPOT,
    "physical_reference": "7A",
    "directions": [TEXT],
    "parking_restrictions": ["EV_ONLY"],
    "images": [IMAGE],
    "last_updated": "2026-01-05T08:00:00Z",
}
LOCATION: Final[JsonObject] = {
    "id": "QUAY-7",
    "type": "ON_STREET",
    "name": "Quay 7",
    "address": "Havenkade 7",
    "city": "Amsterdam",
    "postal_code": "1011 AB",
    "country": "NLD",
    "coordinates": SPOT,
    "evses": [EVSE],
    "directions": [TEXT],
    "operator": BUSINESS,
    "suboperator": BUSINESS,
    "owner": BUSINESS,
    "facilities": ["BUS_STOP"],
    "time_zone": "Europe/Amsterdam",
    "charging_when_closed": True,
    "images": [IMAGE],
    "last_updated": "2026-01-05T08:00:00Z",
}
COMPONENT: Final[JsonObject] = {"type": "ENERGY", "price": 0.3, "step_size": 1}
TARIFF: Final[JsonObject] = {
    "id": "T-7",
    "currency": "EUR",
    "tariff_alt_text": [TEXT],
    "tariff_alt_url": "https://charging.example/tariff",
    "elements": [{"price_components": [COMPONENT]}],
    "last_updated": "2026-01-05T08:00:00Z",
}
VERSION: Final[JsonObject] = {"version": "2.2.1", "url": "https://cpo.example/ocpi/22"}
ENVELOPE: Final[JsonObject] = {
    "data": [],
    "status_code": 1000,
    "status_message": "Success",
    "timestamp": "2026-03-04T19:00:00Z",
}
OWNER: Final[JsonObject] = {"country_code": "NL", "party_id": "EXC"}
