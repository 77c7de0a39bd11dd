"""Values that break each rule of the tables: wrong type, wrong form, too long."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tests.reference.rules import (
    Degrees,
    Enumeration,
    Field,
    Flag,
    Moment,
    Number,
    Pattern,
    Ref,
    Text,
    Url,
    Whole,
)

_NO_STRING: Final[list[object]] = [1, True, 1.5, [], {}, "", "#NA"]
_BAD: Final[dict[type, list[object]]] = {
    Text: [*_NO_STRING, "a\nb", "\x07"],
    Pattern: [*_NO_STRING, "é", "a b", "a" * 256],
    Enumeration: [*_NO_STRING, "NEVER_HEARD", "active"],
    Moment: [
        *_NO_STRING,
        *("2026-02-30T00:00:00Z", "2026-02-01T24:00:01Z", "2026-02-01 00:00:00Z"),
        *("2026-02-01T00:00:00+00:00", "2026-02-01T01:00:00+01:00"),
        *("2026-02-01T00:00:00", "2026-02-01", "2026-2-1T00:00:00Z"),
        *("2026-02-01T00:00:00.123456Z", "2026-02-01T00:00:00z", "1767225600"),
    ],
    Number: [
        *("1", True, 1.00001, Decimal("0.00001"), 1e-9),
        *(float("inf"), float("nan"), [], {}),
    ],
    Whole: ["1", True, 1.5, -1, Decimal("0.5"), 10**12],
    Flag: ["true", "", 1, 0, []],
    Url: [
        *_NO_STRING,
        *("charging.example", "ftp://charging.example", "https://", "http://a b"),
        "https://charging.example/" + "a" * 255,
    ],
    Degrees: [
        *_NO_STRING,
        *(52.370216, "52", "52.37", "52.3702161234", "52,370216", "181.000000"),
    ],
    Ref: ["text", 1, True, [], {"never_heard": 1}],
}


def bad_values(row: Field) -> list[object]:
    """List values that break the rule of a row."""
    more: list[object] = []
    match row.rule:
        case Text(longest=longest, is_ascii=is_ascii):
            more = ["é"] if is_ascii else []
            more += [] if longest is None else ["a" * (longest + 1)]
        case Moment(has_fraction=False):
            more = ["2026-02-01T00:00:00.5Z"]
        case Number(least=least) if least is not None:
            more = [-1, Decimal("-0.1")]
    return _BAD[type(row.rule)] + more
