"""One good object of every kind from 2.2 on, with values of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.reference.example_parts import (
    BUSINESS,
    COMPONENT,
    DIMENSION,
    ENVELOPE,
    IMAGE,
    OWNER,
    PERIODS,
    SPOT,
    TARIFF,
    TEXT,
    VERSION,
)

if TYPE_CHECKING:
    from tests.reference.example_parts import Examples
    from tests.reference.values import JsonObject

_TOKEN: Final[JsonObject] = {
    "country_code": "NL",
    "party_id": "TNM",
    "uid": "04A1B2C3D4E5F6",
    "type": "RFID",
    "contract_id": "NL-TNM-C00112233",
    "visual_number": "0011-2233",
    "issuer": "Example Mobility",
    "group_id": "NL-TNM-G1",
    "valid": True,
    "whitelist": "ALLOWED_OFFLINE",
    "language": "nl",
    "default_profile_type": "GREEN",
    "energy_contract": {"supplier_name": "Wind & Sun", "contract_id": "WS-1"},
    "last_updated": "2026-02-01T12:00:00.500Z",
}
_CDR_TOKEN: Final[JsonObject] = {
    name: _TOKEN[name]
    for name in ("country_code", "party_id", "uid", "type", "contract_id")
}
_REFERENCES: Final[JsonObject] = {"location_id": "QUAY-7", "evse_uids": ["QUAY-7-A"]}
_SIGNED: Final[JsonObject] = {
    "nature": "Start",
    "plain_data": "1.0.1;17:00",
    "signed_data": "OCMF|{}|{}",
}
_CDR_LOCATION: Final[JsonObject] = {
    "id": "QUAY-7",
    "name": "Quay 7",
    "address": "Havenkade 7",
    "city": "Amsterdam",
    "postal_code": "1011 AB",
    "state": "Noord-Holland",
    "country": "NLD",
    "coordinates": SPOT,
    "evse_uid": "QUAY-7-A",
    "evse_id": "NL*EXC*E0007*A",
    "connector_id": "1",
    "connector_standard": "IEC_62196_T2",
    "connector_format": "SOCKET",
    "connector_power_type": "AC_3_PHASE",
}
_ROLE: Final[JsonObject] = {"role": "CPO", "business_details": BUSINESS, **OWNER}
_TARIFF: Final[JsonObject] = {
    **TARIFF,
    **OWNER,
    "type": "REGULAR",
    "start_date_time": "2026-01-01T00:00:00Z",
    "end_date_time": "2027-01-01T00:00:00Z",
}


def build_new(
    version: str, price: JsonObject, total: JsonObject, **tariff: object
) -> Examples:
    """Build an object of every kind; money has another shape in each version."""
    endpoint = {"identifier": "tokens", "role": "RECEIVER"}
    endpoint["url"] = f"https://cpo.example/ocpi/{version}/tokens"
    credentials = {"identifier": "credentials", "role": "SENDER"}
    credentials["url"] = f"https://cpo.example/ocpi/{version}/credentials"
    return {
        "DisplayText": TEXT,
        "GeoLocation": SPOT,
        "Image": IMAGE,
        "BusinessDetails": BUSINESS,
        "Version": VERSION,
        "Endpoint": endpoint,
        "VersionDetails": {"version": version, "endpoints": [credentials, endpoint]},
        "Credentials": {
            "token": "an-example-token",
            "url": "https://cpo.example/ocpi/versions",
            "roles": [_ROLE],
        },
        "CredentialsRole": _ROLE,
        "Envelope": ENVELOPE,
        "EnergyContract": _TOKEN["energy_contract"],
        "Token": _TOKEN,
        "LocationReferences": _REFERENCES,
        "AuthorizationInfo": {
            "allowed": "ALLOWED",
            "token": _TOKEN,
            "location": _REFERENCES,
            "authorization_reference": "A-1",
            "info": TEXT,
        },
        "CdrToken": _CDR_TOKEN,
        "CdrDimension": DIMENSION,
        "ChargingPeriod": {**PERIODS[0], "tariff_id": "T-7"},
        "CdrLocation": _CDR_LOCATION,
        "SignedValue": _SIGNED,
        "SignedData": {
            "encoding_method": "OCMF",
            "encoding_method_version": 1,
            "public_key": "04AB",
            "signed_values": [_SIGNED],
            "url": "https://charging.example/verify",
        },
        "PriceComponent": {**COMPONENT, "vat": 21.0},
        "TariffElement": {"price_components": [COMPONENT]},
        "Price": price,
        "Tariff": {**_TARIFF, **tariff},
        "Session": _session(total),
        "CDR": _cdr(price, total, {**_TARIFF, **tariff}),
    }


def _session(total: JsonObject) -> JsonObject:
    return {
        **OWNER,
        "id": "S-0001",
        "start_date_time": "2026-03-04T17:00:00Z",
        "end_date_time": "2026-03-04T18:30:00Z",
        "kwh": 10.2505,
        "cdr_token": _CDR_TOKEN,
        "auth_method": "WHITELIST",
        "authorization_reference": "A-1",
        "location_id": "QUAY-7",
        "evse_uid": "QUAY-7-A",
        "connector_id": "1",
        "meter_id": "M-7A",
        "currency": "EUR",
        "charging_periods": PERIODS,
        "total_cost": total,
        "status": "COMPLETED",
        "last_updated": "2026-03-04T18:30:01Z",
    }


def _cdr(price: JsonObject, total: JsonObject, tariff: JsonObject) -> JsonObject:
    return {
        **OWNER,
        "id": "C-0001",
        "start_date_time": "2026-03-04T17:00:00Z",
        "end_date_time": "2026-03-04T18:30:00Z",
        "session_id": "S-0001",
        "cdr_token": _CDR_TOKEN,
        "auth_method": "WHITELIST",
        "authorization_reference": "A-1",
        "cdr_location": _CDR_LOCATION,
        "meter_id": "M-7A",
        "currency": "EUR",
        "tariffs": [tariff],
        "charging_periods": PERIODS,
        "signed_data": {"encoding_method": "OCMF", "signed_values": [_SIGNED]},
        "total_cost": total,
        "total_fixed_cost": price,
        "total_energy": 10.2505,
        "total_energy_cost": price,
        "total_time": 1.5,
        "total_parking_time": 0.5,
        "remark": "Stopped by the card",
        "invoice_reference_id": "I-1",
        "home_charging_compensation": False,
        "last_updated": "2026-03-04T18:30:02Z",
    }
