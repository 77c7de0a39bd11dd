"""JSON as the reference reads and writes it: numbers exact, oddities refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

JsonObject = dict[str, Any]


def read_json(content: bytes) -> object:
    """Read strict JSON in UTF-8; raise ValueError for anything else.

    Numbers are Decimal, so that their digits can be counted. A key that stands
    twice and the words NaN and Infinity are no JSON that everyone reads alike.
    """
    value: object = json.loads(
        content.decode("utf-8"),
        parse_float=Decimal,
        parse_constant=_refuse,
        object_pairs_hook=_object,
    )
    return value


def write_json(value: object) -> bytes:
    """Write JSON; a Decimal keeps its digits."""
    return json.dumps(value, default=_number).encode()


def _number(value: object) -> float | int:
    if not isinstance(value, Decimal):
        raise TypeError(f"expected a Decimal, got {type(value).__name__}")
    return int(value) if value == value.to_integral_value() else float(value)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"expected JSON, got {word}")


def _object(pairs: list[tuple[str, object]]) -> JsonObject:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("expected each key once")
    return read
