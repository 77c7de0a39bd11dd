"""What official examples got wrong, rebuilt with values of our own.

Each stands for a mistake that is easily copied; a strict receiver refuses all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.reference.examples import example

if TYPE_CHECKING:
    from tests.reference.values import JsonObject


@dataclass(frozen=True, slots=True)
class Erratum:
    """A bad object and a part of what must be said about it."""

    name: str
    version: str
    object_name: str
    says: str
    value: JsonObject = field(repr=False)


def _changed(version: str, object_name: str, path: str, value: object) -> JsonObject:
    """Copy an example and change one field inside; a number is a list index."""
    copy = example(version, object_name)
    *way, last = path.split(".")
    inner: Any = copy
    for step in way:
        inner = inner[int(step) if step.isdecimal() else step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return copy


#: Name, version, object, place, value (None leaves it out), what is said.
_ROWS: Final[list[tuple[str, str, str, str, object, str]]] = [
    *(
        row
        for version in ("2.1.1", "2.2.1", "2.3.0")
        for row in (
            (
                *("date without Z", version, "Token"),
                *("last_updated", "2026-02-01T12:00:00", "last_updated: expected"),
            ),
            (
                *("offset instead of Z", version, "Token"),
                *(
                    "last_updated",
                    "2026-02-01T12:00:00+00:00",
                    "last_updated: expected",
                ),
            ),
            (
                *("date without leading zeros", version, "Token"),
                *("last_updated", "1970-1-1T00:00:00Z", "last_updated: expected"),
            ),
            (
                *("Wh instead of kWh", version, "Session"),
                *("charging_periods.0.dimensions.0.volume", 8250, "kwh: 10.2505 kWh"),
            ),
            (
                *("seconds instead of hours", version, "CDR"),
                *("charging_periods.0.dimensions.1.volume", 3600, "TIME 3600 in 1"),
            ),
            (
                *("status of the text", version, "Session"),
                *("status", "RESERVED", "status: expected one of"),
            ),
        )
    ),
    (
        *("price as a string", "2.1.1", "CDR"),
        *("tariffs.0.elements.0.price_components.0.price", "2.00"),
        "price: expected a number",
    ),
    (
        *("country in two letters", "2.1.1", "CDR", "location.country", "NL"),
        "location.country: expected an ISO 3166-1 alpha-3 code",
    ),
    (
        *("EVSE id with dashes", "2.1.1", "Session"),
        *("location.evses.0.evse_id", "NL-EXC-E0007-A", "evse_id: expected an EVSE ID"),
    ),
    (
        *("latitude and longitude swapped", "2.2.1", "CDR", "cdr_location.coordinates"),
        {"latitude": "104.895168", "longitude": "52.370216"},
        "latitude: expected degrees",
    ),
    (
        *("tariff without tax_included", "2.3.0", "CDR"),
        *("tariffs.0.tax_included", None, "tax_included: required"),
    ),
    (
        *("five decimals are not six", "2.1.1", "Session"),
        *("location.coordinates.latitude", "52.37021", "latitude: expected degrees"),
    ),
]

ERRATA: Final[list[Erratum]] = [
    Erratum(name, version, kind, says, _changed(version, kind, path, value))
    for name, version, kind, path, value, says in _ROWS
]

#: The token of `Authorization` examples: its Base64 holds a line feed at the end.
NEWLINE_TOKEN: Final = "an-example-token"
NEWLINE_AUTHORIZATION: Final = "Token YW4tZXhhbXBsZS10b2tlbgo="
