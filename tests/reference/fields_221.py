"""OCPI 2.2.1: which fields an object has, as rows of plain data."""

from __future__ import annotations

from typing import Final

from tests.reference.rules import (
    ALPHA_3,
    AMOUNT,
    COUNTRY_CODE,
    CREDENTIALS_TOKEN,
    CURRENCY,
    EVSE_ID,
    FLAG,
    LANGUAGE,
    NUMBER,
    PARTY_ID,
    UNCHECKED,
    URL,
    Enumeration,
    Moment,
    Objects,
    Ref,
    Whole,
    among,
    degrees,
    many,
    maybe,
    one,
    some,
    text,
    unicode,
)

MOMENT: Final = Moment(has_fraction=True)
#: CiString(n) is printable ASCII, and so is a `text` of the tables.
ID: Final = text(36)
VERSION_NUMBER: Final = among("2.0", "2.1", "2.1.1", "2.2", "2.2.1", "2.3.0")
CONNECTOR_TYPE: Final = among(
    *("CHADEMO", "CHAOJI", "GBT_AC", "GBT_DC"),
    *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKLMNO"),
    *("IEC_60309_2_single_16", "IEC_60309_2_three_16"),
    *("IEC_60309_2_three_32", "IEC_60309_2_three_64"),
    *("IEC_62196_T1", "IEC_62196_T1_COMBO", "IEC_62196_T2", "IEC_62196_T2_COMBO"),
    *("IEC_62196_T3A", "IEC_62196_T3C", "TESLA_R", "TESLA_S"),
    *("NEMA_5_20", "NEMA_6_30", "NEMA_6_50", "NEMA_10_30", "NEMA_10_50"),
    *("NEMA_14_30", "NEMA_14_50", "PANTOGRAPH_BOTTOM_UP", "PANTOGRAPH_TOP_DOWN"),
)
POWER_TYPE: Final = among(
    *("AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC")
)
TOKEN_TYPE: Final = among("AD_HOC_USER", "APP_USER", "OTHER", "RFID")
AUTH_METHOD: Final = among("AUTH_REQUEST", "COMMAND", "WHITELIST")
ROLE: Final = among("CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP")
MODULE_ID: Final = among(
    *("cdrs", "chargingprofiles", "commands", "credentials", "hubclientinfo"),
    *("locations", "sessions", "tariffs", "tokens"),
)
PROFILE_TYPE: Final = among("CHEAP", "FAST", "GREEN", "REGULAR")

_PLACE: Final[Objects] = {
    "DisplayText": {"language": one(LANGUAGE), "text": one(unicode(512))},
    "GeoLocation": {
        "latitude": one(degrees(2, "5,7", 90)),
        "longitude": one(degrees(3, "5,7", 180)),
    },
    "Image": {
        "url": one(URL),
        "thumbnail": maybe(URL),
        "category": one(
            among(
                *("CHARGER", "ENTRANCE", "LOCATION", "NETWORK", "OPERATOR"),
                *("OTHER", "OWNER"),
            )
        ),
        "type": one(text(4)),
        "width": maybe(Whole(0, 99_999)),
        "height": maybe(Whole(0, 99_999)),
    },
    "BusinessDetails": {
        "name": one(unicode(100)),
        "website": maybe(URL),
        "logo": maybe(Ref("Image")),
    },
}

_SETTING_UP: Final[Objects] = {
    "Version": {"version": one(VERSION_NUMBER), "url": one(URL)},
    "VersionDetails": {
        "version": one(VERSION_NUMBER),
        "endpoints": some(Ref("Endpoint")),
    },
    "Endpoint": {
        "identifier": one(MODULE_ID),
        "role": one(among("SENDER", "RECEIVER")),
        "url": one(URL),
    },
    "Credentials": {
        "token": one(CREDENTIALS_TOKEN),
        "url": one(URL),
        "roles": some(Ref("CredentialsRole")),
    },
    "CredentialsRole": {
        "role": one(ROLE),
        "business_details": one(Ref("BusinessDetails")),
        "party_id": one(PARTY_ID),
        "country_code": one(COUNTRY_CODE),
    },
    "Envelope": {
        "data": maybe(UNCHECKED),
        "status_code": one(Whole(1000, 4999)),
        "status_message": maybe(unicode(None)),
        "timestamp": one(MOMENT),
    },
}


def tokens(token_type: Enumeration) -> Objects:
    """Build the objects of the tokens module; versions differ in TokenType."""
    return {
        "EnergyContract": {
            "supplier_name": one(unicode(64)),
            "contract_id": maybe(unicode(64)),
        },
        "Token": {
            "country_code": one(COUNTRY_CODE),
            "party_id": one(PARTY_ID),
            "uid": one(ID),
            "type": one(token_type),
            "contract_id": one(ID),
            "visual_number": maybe(unicode(64)),
            "issuer": one(unicode(64)),
            "group_id": maybe(ID),
            "valid": one(FLAG),
            "whitelist": one(among("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER")),
            "language": maybe(LANGUAGE),
            "default_profile_type": maybe(PROFILE_TYPE),
            "energy_contract": maybe(Ref("EnergyContract")),
            "last_updated": one(MOMENT),
        },
        "LocationReferences": {"location_id": one(ID), "evse_uids": many(ID)},
        "AuthorizationInfo": {
            "allowed": one(
                among("ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED")
            ),
            "token": one(Ref("Token")),
            "location": maybe(Ref("LocationReferences")),
            "authorization_reference": maybe(ID),
            "info": maybe(Ref("DisplayText")),
        },
        "CdrToken": {
            "country_code": one(COUNTRY_CODE),
            "party_id": one(PARTY_ID),
            "uid": one(ID),
            "type": one(token_type),
            "contract_id": one(ID),
        },
    }


_CHARGING: Final[Objects] = {
    "Price": {"excl_vat": one(NUMBER), "incl_vat": maybe(NUMBER)},
    "CdrDimension": {
        "type": one(
            among(
                *("CURRENT", "ENERGY", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER"),
                *("MAX_CURRENT", "MIN_CURRENT", "MAX_POWER", "MIN_POWER", "TIME"),
                *("PARKING_TIME", "RESERVATION_TIME", "STATE_OF_CHARGE"),
            )
        ),
        "volume": one(NUMBER),
    },
    "ChargingPeriod": {
        "start_date_time": one(MOMENT),
        "dimensions": some(Ref("CdrDimension")),
        "tariff_id": maybe(ID),
    },
    "Session": {
        "country_code": one(COUNTRY_CODE),
        "party_id": one(PARTY_ID),
        "id": one(ID),
        "start_date_time": one(MOMENT),
        "end_date_time": maybe(MOMENT),
        "kwh": one(AMOUNT),
        "cdr_token": one(Ref("CdrToken")),
        "auth_method": one(AUTH_METHOD),
        "authorization_reference": maybe(ID),
        "location_id": one(ID),
        "evse_uid": one(ID),
        "connector_id": one(ID),
        "meter_id": maybe(unicode(255)),
        "currency": one(CURRENCY),
        "charging_periods": many(Ref("ChargingPeriod")),
        "total_cost": maybe(Ref("Price")),
        "status": one(
            among("ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION")
        ),
        "last_updated": one(MOMENT),
    },
}

_BILLING: Final[Objects] = {
    "CdrLocation": {
        "id": one(ID),
        "name": maybe(unicode(255)),
        "address": one(unicode(45)),
        "city": one(unicode(45)),
        "postal_code": maybe(unicode(10)),
        "state": maybe(unicode(20)),
        "country": one(ALPHA_3),
        "coordinates": one(Ref("GeoLocation")),
        "evse_uid": one(ID),
        "evse_id": one(EVSE_ID),
        "connector_id": one(ID),
        "connector_standard": one(CONNECTOR_TYPE),
        "connector_format": one(among("SOCKET", "CABLE")),
        "connector_power_type": one(POWER_TYPE),
    },
    "SignedValue": {
        "nature": one(text(32)),
        "plain_data": one(unicode(512)),
        "signed_data": one(unicode(5000)),
    },
    "SignedData": {
        "encoding_method": one(ID),
        "encoding_method_version": maybe(Whole(0, 2**31)),
        "public_key": maybe(unicode(512)),
        "signed_values": some(Ref("SignedValue")),
        "url": maybe(unicode(512)),
    },
    "PriceComponent": {
        "type": one(among("ENERGY", "FLAT", "PARKING_TIME", "TIME")),
        "price": one(NUMBER),
        "vat": maybe(NUMBER),
        "step_size": one(Whole(0, 2**31)),
    },
    "TariffElement": {
        "price_components": some(Ref("PriceComponent")),
        "restrictions": maybe(UNCHECKED),
    },
    "Tariff": {
        "country_code": one(COUNTRY_CODE),
        "party_id": one(PARTY_ID),
        "id": one(ID),
        "currency": one(CURRENCY),
        "type": maybe(
            among(
                *("AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST"),
                *("PROFILE_GREEN", "REGULAR"),
            )
        ),
        "tariff_alt_text": many(Ref("DisplayText")),
        "tariff_alt_url": maybe(URL),
        "min_price": maybe(Ref("Price")),
        "max_price": maybe(Ref("Price")),
        "elements": some(Ref("TariffElement")),
        "start_date_time": maybe(MOMENT),
        "end_date_time": maybe(MOMENT),
        "energy_mix": maybe(UNCHECKED),
        "last_updated": one(MOMENT),
    },
    "CDR": {
        "country_code": one(COUNTRY_CODE),
        "party_id": one(PARTY_ID),
        "id": one(text(39)),
        "start_date_time": one(MOMENT),
        "end_date_time": one(MOMENT),
        "session_id": maybe(ID),
        "cdr_token": one(Ref("CdrToken")),
        "auth_method": one(AUTH_METHOD),
        "authorization_reference": maybe(ID),
        "cdr_location": one(Ref("CdrLocation")),
        "meter_id": maybe(unicode(255)),
        "currency": one(CURRENCY),
        "tariffs": many(Ref("Tariff")),
        "charging_periods": some(Ref("ChargingPeriod")),
        "signed_data": maybe(Ref("SignedData")),
        "total_cost": one(Ref("Price")),
        "total_fixed_cost": maybe(Ref("Price")),
        "total_energy": one(AMOUNT),
        "total_energy_cost": maybe(Ref("Price")),
        "total_time": one(AMOUNT),
        "total_time_cost": maybe(Ref("Price")),
        "total_parking_time": maybe(AMOUNT),
        "total_parking_cost": maybe(Ref("Price")),
        "total_reservation_cost": maybe(Ref("Price")),
        "remark": maybe(unicode(255)),
        "invoice_reference_id": maybe(text(39)),
        "credit": maybe(FLAG),
        "credit_reference_id": maybe(text(39)),
        "home_charging_compensation": maybe(FLAG),
        "last_updated": one(MOMENT),
    },
}

OBJECTS: Final[Objects] = (
    _PLACE | _SETTING_UP | tokens(TOKEN_TYPE) | _CHARGING | _BILLING
)
