"""OCPI 2.1.1: which fields an object has, as rows of plain data."""

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
)

MOMENT: Final = Moment(has_fraction=False)
VERSION_NUMBER: Final = among("2.0", "2.1", "2.1.1", "2.2", "2.2.1", "2.3.0")
STATUS_CODE: Final = Whole(1000, 4999)
TARIFF_DIMENSION: Final = among("ENERGY", "FLAT", "PARKING_TIME", "TIME")
TOKEN_TYPE: Final = among("OTHER", "RFID")
CONNECTOR_TYPE: Final = among(
    "CHADEMO",
    *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKL"),
    *("IEC_60309_2_single_16", "IEC_60309_2_three_16"),
    *("IEC_60309_2_three_32", "IEC_60309_2_three_64"),
    *("IEC_62196_T1", "IEC_62196_T1_COMBO", "IEC_62196_T2", "IEC_62196_T2_COMBO"),
    *("IEC_62196_T3A", "IEC_62196_T3C", "TESLA_R", "TESLA_S"),
)
FACILITY: Final = among(
    *("HOTEL", "RESTAURANT", "CAFE", "MALL", "SUPERMARKET", "SPORT", "NATURE"),
    *("RECREATION_AREA", "MUSEUM", "BUS_STOP", "TAXI_STAND", "TRAIN_STATION"),
    *("AIRPORT", "CARPOOL_PARKING", "FUEL_STATION", "WIFI"),
)

OBJECTS: Final[Objects] = {
    "DisplayText": {"language": one(LANGUAGE), "text": one(text(512))},
    "GeoLocation": {
        "latitude": one(degrees(2, "6", 90)),
        "longitude": one(degrees(3, "6", 180)),
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
        "name": one(text(100)),
        "website": maybe(URL),
        "logo": maybe(Ref("Image")),
    },
    "Version": {"version": one(VERSION_NUMBER), "url": one(URL)},
    "VersionDetails": {
        "version": one(VERSION_NUMBER),
        "endpoints": some(Ref("Endpoint")),
    },
    "Endpoint": {
        "identifier": one(
            among(
                *("cdrs", "commands", "credentials", "locations", "sessions"),
                *("tariffs", "tokens"),
            )
        ),
        "url": one(URL),
    },
    "Credentials": {
        "token": one(CREDENTIALS_TOKEN),
        "url": one(URL),
        "business_details": one(Ref("BusinessDetails")),
        "party_id": one(PARTY_ID),
        "country_code": one(COUNTRY_CODE),
    },
    "Envelope": {
        "data": maybe(UNCHECKED),
        "status_code": one(STATUS_CODE),
        "status_message": maybe(text(None)),
        "timestamp": one(MOMENT),
    },
    "Token": {
        "uid": one(text(36)),
        "type": one(TOKEN_TYPE),
        "auth_id": one(text(36)),
        "visual_number": maybe(text(64)),
        "issuer": one(text(64)),
        "valid": one(FLAG),
        "whitelist": one(among("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER")),
        "language": maybe(LANGUAGE),
        "last_updated": one(MOMENT),
    },
    "LocationReferences": {
        "location_id": one(text(39)),
        "evse_uids": many(text(39)),
        "connector_ids": many(text(36)),
    },
    "AuthorizationInfo": {
        "allowed": one(
            among("ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED")
        ),
        "location": maybe(Ref("LocationReferences")),
        "info": maybe(Ref("DisplayText")),
    },
    "Location": {
        "id": one(text(39)),
        "type": one(
            among(
                *("ON_STREET", "PARKING_GARAGE", "UNDERGROUND_GARAGE"),
                *("PARKING_LOT", "OTHER", "UNKNOWN"),
            )
        ),
        "name": maybe(text(255)),
        "address": one(text(45)),
        "city": one(text(45)),
        "postal_code": one(text(10)),
        "country": one(ALPHA_3),
        "coordinates": one(Ref("GeoLocation")),
        "related_locations": many(UNCHECKED),
        "evses": many(Ref("EVSE")),
        "directions": many(Ref("DisplayText")),
        "operator": maybe(Ref("BusinessDetails")),
        "suboperator": maybe(Ref("BusinessDetails")),
        "owner": maybe(Ref("BusinessDetails")),
        "facilities": many(FACILITY),
        "time_zone": maybe(text(255)),
        "opening_times": maybe(UNCHECKED),
        "charging_when_closed": maybe(FLAG),
        "images": many(Ref("Image")),
        "energy_mix": maybe(UNCHECKED),
        "last_updated": one(MOMENT),
    },
    "EVSE": {
        "uid": one(text(39)),
        "evse_id": maybe(EVSE_ID),
        "status": one(
            among(
                *("AVAILABLE", "BLOCKED", "CHARGING", "INOPERATIVE", "OUTOFORDER"),
                *("PLANNED", "REMOVED", "RESERVED", "UNKNOWN"),
            )
        ),
        "status_schedule": many(UNCHECKED),
        "capabilities": many(
            among(
                *("CHARGING_PROFILE_CAPABLE", "CREDIT_CARD_PAYABLE", "RESERVABLE"),
                *("REMOTE_START_STOP_CAPABLE", "RFID_READER", "UNLOCK_CAPABLE"),
            )
        ),
        "connectors": some(Ref("Connector")),
        "floor_level": maybe(text(4)),
        "coordinates": maybe(Ref("GeoLocation")),
        "physical_reference": maybe(text(16)),
        "directions": many(Ref("DisplayText")),
        "parking_restrictions": many(
            among("EV_ONLY", "PLUGGED", "DISABLED", "CUSTOMERS", "MOTORCYCLES")
        ),
        "images": many(Ref("Image")),
        "last_updated": one(MOMENT),
    },
    "Connector": {
        "id": one(text(36)),
        "standard": one(CONNECTOR_TYPE),
        "format": one(among("SOCKET", "CABLE")),
        "power_type": one(among("AC_1_PHASE", "AC_3_PHASE", "DC")),
        "voltage": one(Whole(0, 9999)),
        "amperage": one(Whole(0, 9999)),
        "tariff_id": maybe(text(36)),
        "terms_and_conditions": maybe(URL),
        "last_updated": one(MOMENT),
    },
    "CdrDimension": {
        "type": one(
            among(
                *("ENERGY", "FLAT", "MAX_CURRENT", "MIN_CURRENT"),
                *("PARKING_TIME", "TIME"),
            )
        ),
        "volume": one(NUMBER),
    },
    "ChargingPeriod": {
        "start_date_time": one(MOMENT),
        "dimensions": some(Ref("CdrDimension")),
    },
    "Session": {
        "id": one(text(36)),
        "start_datetime": one(MOMENT),
        "end_datetime": maybe(MOMENT),
        "kwh": one(AMOUNT),
        "auth_id": one(text(36)),
        "auth_method": one(among("AUTH_REQUEST", "WHITELIST")),
        "location": one(Ref("Location")),
        "meter_id": maybe(text(255)),
        "currency": one(CURRENCY),
        "charging_periods": many(Ref("ChargingPeriod")),
        "total_cost": maybe(AMOUNT),
        "status": one(among("ACTIVE", "COMPLETED", "INVALID", "PENDING")),
        "last_updated": one(MOMENT),
    },
    "PriceComponent": {
        "type": one(TARIFF_DIMENSION),
        "price": one(NUMBER),
        "step_size": one(Whole(0, 2**31)),
    },
    "TariffElement": {
        "price_components": some(Ref("PriceComponent")),
        "restrictions": maybe(UNCHECKED),
    },
    "Tariff": {
        "id": one(text(36)),
        "currency": one(CURRENCY),
        "tariff_alt_text": many(Ref("DisplayText")),
        "tariff_alt_url": maybe(URL),
        "elements": some(Ref("TariffElement")),
        "energy_mix": maybe(UNCHECKED),
        "last_updated": one(MOMENT),
    },
    "CDR": {
        "id": one(text(36)),
        "start_date_time": one(MOMENT),
        "stop_date_time": one(MOMENT),
        "auth_id": one(text(36)),
        "auth_method": one(among("AUTH_REQUEST", "WHITELIST")),
        "location": one(Ref("Location")),
        "meter_id": maybe(text(255)),
        "currency": one(CURRENCY),
        "tariffs": many(Ref("Tariff")),
        "charging_periods": some(Ref("ChargingPeriod")),
        "total_cost": one(AMOUNT),
        "total_energy": one(AMOUNT),
        "total_time": one(AMOUNT),
        "total_parking_time": maybe(AMOUNT),
        "remark": maybe(text(255)),
        "last_updated": one(MOMENT),
    },
}
