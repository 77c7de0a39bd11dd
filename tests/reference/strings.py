"""What is wrong with a string, rule by rule."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from tests.reference.moments import DATE_TIME
from tests.reference.rules import (
    Degrees,
    Enumeration,
    Moment,
    Pattern,
    Text,
    Url,
)

StringRule = Text | Pattern | Enumeration | Moment | Url | Degrees

MAX_DATE_TIME: Final = 25
MAX_URL: Final = 255
#: May stand in a string that cannot be known; a station knows what it sends.
NOT_AVAILABLE: Final = "#NA"


def check_string(rule: StringRule, value: object) -> list[str]:
    """Say everything that is wrong with what should be a string."""
    if not isinstance(value, str):
        return [wrong("a string", value)]
    if value == NOT_AVAILABLE:
        return [f"{NOT_AVAILABLE}, where a value is due"]
    match rule:
        case Text():
            return _check_text(rule, value)
        case Pattern():
            return _check_pattern(rule, value)
        case Enumeration():
            return _check_enumeration(rule, value)
        case _:
            return _check_special(rule, value)


def _check_special(rule: Moment | Url | Degrees, value: str) -> list[str]:
    match rule:
        case Moment():
            return _check_moment(rule, value)
        case Url():
            return _check_url(value)
        case Degrees():
            return _check_degrees(rule, value)


def wrong(words: str, value: object) -> str:
    """Word a problem: what was expected, what came."""
    return f"expected {words}, got {value!r}"


def kind(value: object) -> str:
    """Name the type of a JSON value."""
    return "null" if value is None else type(value).__name__


def _check_text(rule: Text, value: str) -> list[str]:
    problems = []
    if not value:
        problems.append("empty, where it should be absent")
    if rule.longest is not None and len(value) > rule.longest:
        found = f"expected at most {rule.longest} characters, got {len(value)}"
        problems.append(found)
    if rule.is_ascii and not all(" " <= one <= "~" for one in value):
        problems.append(wrong("printable ASCII", value))
    if any(unicodedata.category(one) in ("Cc", "Cs", "Cn") for one in value):
        problems.append(wrong("printable characters", value))
    return problems


def _check_pattern(rule: Pattern, value: str) -> list[str]:
    if rule.longest is not None and len(value) > rule.longest:
        return [f"expected at most {rule.longest} characters, got {len(value)}"]
    return [] if rule.regex.fullmatch(value) else [wrong(rule.words, value)]


def _check_enumeration(rule: Enumeration, value: str) -> list[str]:
    return (
        [] if value in rule.values else [wrong(f"one of {sorted(rule.values)}", value)]
    )


def _check_moment(rule: Moment, value: str) -> list[str]:
    matched = DATE_TIME.fullmatch(value)
    if len(value) > MAX_DATE_TIME:
        return [f"expected at most {MAX_DATE_TIME} characters, got {len(value)}"]
    if not matched or (matched["fraction"] and not rule.has_fraction):
        words = "YYYY-MM-DDTHH:MM:SS" + ("[.f]Z" if rule.has_fraction else "Z")
        return [wrong(words, value)]
    try:
        datetime.fromisoformat(matched["seconds"])
    except ValueError:
        return [wrong("a moment that there was", value)]
    return []


def _check_url(value: str) -> list[str]:
    if len(value) > MAX_URL:
        return [f"expected at most {MAX_URL} characters, got {len(value)}"]
    if not all("!" <= one <= "~" for one in value):
        return [wrong("a URL of ASCII without spaces", value)]
    parts = urlsplit(value)
    is_url = parts.scheme in ("http", "https") and parts.hostname
    return [] if is_url else [wrong("an absolute http or https URL", value)]


def _check_degrees(rule: Degrees, value: str) -> list[str]:
    if not rule.regex.fullmatch(value) or len(value) > rule.longest:
        return [wrong(f"degrees as {rule.regex.pattern}", value)]
    is_on_earth = abs(Decimal(value)) <= rule.most
    return [] if is_on_earth else [wrong(f"at most {rule.most} degrees", value)]
