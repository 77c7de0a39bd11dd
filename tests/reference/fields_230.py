"""OCPI 2.3.0: what differs from 2.2.1, as rows of plain data."""

from __future__ import annotations

from typing import Final

from tests.reference import fields_221 as before
from tests.reference.rules import (
    COUNTRY_CODE,
    NUMBER,
    PARTY_ID,
    Objects,
    Ref,
    among,
    form,
    many,
    maybe,
    one,
    unicode,
)

#: An open enumeration: a station of ours sends no value that is not in it.
TOKEN_TYPE: Final = among("AD_HOC_USER", "APP_USER", "EMAID", "OTHER", "RFID")
CONNECTOR_TYPE: Final = among(*before.CONNECTOR_TYPE.values, "MCS", "SAE_J3400")
MODULE_ID: Final = among(*before.MODULE_ID.values, "payments")
#: PTP is a role in the market, not a value.
ROLE: Final = among("CPO", "EMSP", "NAP", "NSP", "OTHER", "SCSP")
HUB_PARTY_ID: Final = form(r"[A-Za-z]{2}[A-Za-z0-9]{3}", "country and party", 5)

_MONEY: Final[Objects] = {
    "TaxAmount": {
        "name": one(unicode(None)),
        "account_number": maybe(unicode(None)),
        "percentage": maybe(NUMBER),
        "amount": one(NUMBER),
    },
    "Price": {"before_taxes": one(NUMBER), "taxes": many(Ref("TaxAmount"))},
    "PriceLimit": {"before_taxes": one(NUMBER), "after_taxes": maybe(NUMBER)},
    "Tariff": before.OBJECTS["Tariff"]
    | {
        "tax_included": one(among("YES", "NO", "N/A")),
        "min_price": maybe(Ref("PriceLimit")),
        "max_price": maybe(Ref("PriceLimit")),
        "preauthorize_amount": maybe(NUMBER),
    },
}

_SETTING_UP: Final[Objects] = {
    "Endpoint": before.OBJECTS["Endpoint"] | {"identifier": one(MODULE_ID)},
    "Credentials": before.OBJECTS["Credentials"]
    | {"hub_party_id": maybe(HUB_PARTY_ID)},
    "CredentialsRole": before.OBJECTS["CredentialsRole"]
    | {
        "role": one(ROLE),
        "party_id": one(PARTY_ID),
        "country_code": one(COUNTRY_CODE),
    },
}

_PLACE: Final[Objects] = {
    "CdrLocation": before.OBJECTS["CdrLocation"]
    | {"connector_standard": one(CONNECTOR_TYPE)},
    "SignedValue": before.OBJECTS["SignedValue"] | {"plain_data": one(unicode(5000))},
}

OBJECTS: Final[Objects] = (
    before.OBJECTS | before.tokens(TOKEN_TYPE) | _MONEY | _SETTING_UP | _PLACE
)
