"""One good object of every kind in every version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.reference.examples_22 import build_new
from tests.reference.examples_211 import OLD

if TYPE_CHECKING:
    from tests.reference.example_parts import Examples
    from tests.reference.values import JsonObject


def _taxed(before_taxes: float, tax: float) -> JsonObject:
    return {"before_taxes": before_taxes, "taxes": [{**_TAX, "amount": tax}]}


_PRICE: Final[JsonObject] = {"excl_vat": 1.54, "incl_vat": 1.8634}
_TAX: Final[JsonObject] = {
    "name": "VAT",
    "account_number": "NL001234567B01",
    "percentage": 21,
    "amount": 0.3234,
}
_LIMIT: Final[JsonObject] = {"before_taxes": 0.5, "after_taxes": 0.605}

EXAMPLES: Final[dict[str, Examples]] = {
    "2.1.1": OLD,
    "2.2.1": build_new(
        "2.2.1",
        _PRICE,
        {"excl_vat": 3.08, "incl_vat": 3.7268},
        min_price=_PRICE,
        max_price=_PRICE,
    ),
    "2.3.0": build_new(
        "2.3.0",
        _taxed(1.54, 0.3234),
        _taxed(3.08, 0.6468),
        tax_included="NO",
        min_price=_LIMIT,
        max_price=_LIMIT,
        preauthorize_amount=50,
    )
    | {"TaxAmount": _TAX, "PriceLimit": _LIMIT},
}


def example(version: str, object_name: str, /, **changes: object) -> JsonObject:
    """Copy an example, with fields changed; None leaves a field out."""
    # Through text, since a copy would keep parts that stand in two places one.
    copy = json.loads(json.dumps(EXAMPLES[version][object_name])) | changes
    return {name: value for name, value in copy.items() if value is not None}
