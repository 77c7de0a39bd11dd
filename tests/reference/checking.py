"""The interpreter of the field tables: what is wrong with a JSON value."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from tests.reference import fields_211, fields_221, fields_230
from tests.reference.consistency import check_consistency
from tests.reference.rules import (
    Cardinality,
    Field,
    Flag,
    Number,
    Objects,
    Ref,
    Rule,
    Unchecked,
    Whole,
)
from tests.reference.strings import check_string, kind, wrong

if TYPE_CHECKING:
    from tests.reference.values import JsonObject

TABLES: Final[dict[str, Objects]] = {
    "2.1.1": fields_211.OBJECTS,
    "2.2.1": fields_221.OBJECTS,
    "2.3.0": fields_230.OBJECTS,
}
MAX_DECIMALS: Final = 4


def check(version: str, object_name: str, value: object) -> list[str]:
    """Say everything that is wrong with an object; nothing is an empty list.

    `Session` is one object, `Session[]` a list of them. Numbers may be float or
    Decimal. Fields first; whether they fit together only once each is right.
    """
    name, is_list = object_name.removesuffix("[]"), object_name.endswith("[]")
    if not is_list:
        return _check_object(version, name, value)
    if not isinstance(value, list):
        return [f"expected a list, got {kind(value)}"]
    return [
        f"[{index}]: {problem}"
        for index, item in enumerate(value)
        for problem in _check_object(version, name, item)
    ]


def check_patch(version: str, object_name: str, value: object) -> list[str]:
    """Say what is wrong with a part of an object, sent to change some fields."""
    if not isinstance(value, dict):
        return [f"expected an object, got {kind(value)}"]
    problems = _check_fields(version, object_name, value, is_part=True)
    if version != "2.1.1" and "last_updated" not in value:
        problems.append("last_updated: required in a PATCH")
    return problems


def _check_object(version: str, name: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        return [f"expected an object, got {kind(value)}"]
    problems = _check_fields(version, name, value)
    return problems or check_consistency(version, name, value)


def _check_fields(
    version: str, name: str, value: JsonObject, *, is_part: bool = False
) -> list[str]:
    table = TABLES[version][name]
    problems = [f"{key}: unknown field" for key in value if key not in table]
    for key, field in table.items():
        if key in value:
            found = _check_value(version, field, value[key])
            problems.extend(_prefixed(key, found))
        elif field.cardinality in (Cardinality.ONE, Cardinality.SOME) and not is_part:
            problems.append(f"{key}: required")
    return problems


def _check_value(version: str, field: Field, value: object) -> list[str]:
    if value is None:
        return ["null, where it should be absent"]
    if field.cardinality in (Cardinality.ONE, Cardinality.MAYBE):
        return _check_rule(version, field.rule, value)
    if not isinstance(value, list):
        return [f"expected a list, got {kind(value)}"]
    problems = ["expected at least one"] if _is_too_few(field, value) else []
    for index, item in enumerate(value):
        found = ["null"] if item is None else _check_rule(version, field.rule, item)
        problems.extend(_prefixed(f"[{index}]", found))
    return problems


def _is_too_few(field: Field, value: list[object]) -> bool:
    return field.cardinality is Cardinality.SOME and not value


def _check_rule(version: str, rule: Rule, value: object) -> list[str]:
    match rule:
        case Ref(name):
            return _check_part(version, name, value)
        case Flag():
            return [] if isinstance(value, bool) else [wrong("a boolean", value)]
        case Number() | Whole():
            return _check_number(rule, value)
        case Unchecked():
            return []
        case _:
            return check_string(rule, value)


def _check_part(version: str, name: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        return [f"expected an object, got {kind(value)}"]
    return _check_fields(version, name, value)


def _check_number(rule: Number | Whole, value: object) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return [wrong("a number", value)]
    if not math.isfinite(value):
        return [wrong("a finite number", value)]
    number = Decimal(repr(value) if isinstance(value, float) else value).normalize()
    decimals = -cast("int", number.as_tuple().exponent)
    if isinstance(rule, Whole):
        is_right = decimals <= 0 and rule.least <= number <= rule.most
        words = f"a whole number from {rule.least} to {rule.most}"
        return [] if is_right else [wrong(words, value)]
    problems = []
    if decimals > MAX_DECIMALS:
        problems.append(wrong(f"at most {MAX_DECIMALS} decimals", value))
    if rule.least is not None and number < rule.least:
        problems.append(wrong(f"at least {rule.least}", value))
    return problems


def _prefixed(key: str, problems: list[str]) -> list[str]:
    """Name the place; `a: b: c` reads as a path with dots."""
    written = []
    for problem in problems:
        inner, colon, rest = problem.partition(": ")
        is_place = colon and not any(one in inner for one in " '\"")
        link = "" if inner.startswith("[") else "."
        written.append(
            f"{key}{link}{inner}: {rest}" if is_place else f"{key}: {problem}"
        )
    return written
