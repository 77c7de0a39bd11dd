"""The words in which the field tables are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Cardinality(StrEnum):
    """How often a field stands in its object."""

    ONE = "1"
    MAYBE = "?"
    ANY = "*"
    SOME = "+"


@dataclass(frozen=True, slots=True)
class Text:
    """A string of 1 to `longest` printable characters; no limit is None."""

    longest: int | None
    is_ascii: bool = True


@dataclass(frozen=True, slots=True)
class Pattern:
    """A string of one form; `words` say which."""

    regex: re.Pattern[str]
    words: str
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One of the values that the version has."""

    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number of at most four decimals."""

    least: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """A JSON number without decimals."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Flag:
    """A JSON boolean."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A DateTime in UTC that says so with a `Z`."""

    has_fraction: bool


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL."""


@dataclass(frozen=True, slots=True)
class Degrees:
    """A coordinate: a string with as many decimals as `regex` asks for."""

    regex: re.Pattern[str]
    most: int
    longest: int


@dataclass(frozen=True, slots=True)
class Ref:
    """Another object of the same version."""

    name: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Something that no station of ours sends; only its presence is checked."""


Rule = (
    Text
    | Pattern
    | Enumeration
    | Number
    | Whole
    | Flag
    | Moment
    | Url
    | Degrees
    | Ref
    | Unchecked
)


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table: what stands there and how often."""

    rule: Rule
    cardinality: Cardinality


Fields = dict[str, Field]
Objects = dict[str, Fields]


def one(rule: Rule) -> Field:
    """Write a row of cardinality 1."""
    return Field(rule, Cardinality.ONE)


def maybe(rule: Rule) -> Field:
    """Write a row of cardinality ?."""
    return Field(rule, Cardinality.MAYBE)


def many(rule: Rule) -> Field:
    """Write a row of cardinality *."""
    return Field(rule, Cardinality.ANY)


def some(rule: Rule) -> Field:
    """Write a row of cardinality +."""
    return Field(rule, Cardinality.SOME)


def text(longest: int | None) -> Text:
    """Write string(n) as 2.1.1 has it: ASCII."""
    return Text(longest)


def unicode(longest: int | None) -> Text:
    """Write string(n) as later versions have it: any printable character."""
    return Text(longest, is_ascii=False)


def among(*values: str) -> Enumeration:
    """Write an enumeration."""
    return Enumeration(frozenset(values))


def form(regex: str, words: str, longest: int | None = None) -> Pattern:
    """Write a string of one form."""
    return Pattern(re.compile(regex), words, longest)


def degrees(whole_digits: int, decimals: str, most: int) -> Degrees:
    """Write a coordinate; `decimals` is the repetition in its regular expression."""
    regex = re.compile(rf"-?[0-9]{{1,{whole_digits}}}\.[0-9]{{{decimals}}}")
    return Degrees(regex, most, whole_digits + 8)


NUMBER: Final = Number()
AMOUNT: Final = Number(least=Decimal(0))
FLAG: Final = Flag()
URL: Final = Url()
UNCHECKED: Final = Unchecked()
#: ISO 3166-1 alpha-2 as a CiString(2), ISO 15118 as a CiString(3).
COUNTRY_CODE: Final = form(r"[A-Za-z]{2}", "two letters", 2)
PARTY_ID: Final = form(r"[A-Za-z0-9]{3}", "three letters or digits", 3)
ALPHA_3: Final = form(r"[A-Z]{3}", "an ISO 3166-1 alpha-3 code", 3)
CURRENCY: Final = form(r"[A-Z]{3}", "an ISO 4217 code", 3)
LANGUAGE: Final = form(r"[a-z]{2}", "an ISO 639-1 code", 2)
#: What `Credentials.token` may hold, un-encoded.
CREDENTIALS_TOKEN: Final = form(r"[!-~]{1,64}", "1 to 64 of U+0021 to U+007E", 64)
#: eMI3 part 2: separators are stars or nothing, never dashes.
EVSE_ID: Final = form(
    r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?[Ee][A-Za-z0-9*]{1,31}",
    "an EVSE ID of eMI3",
    48,
)
