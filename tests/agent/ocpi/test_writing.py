"""What goes out keeps to OCPI's text, time and number rules."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from agent.domain.tokens import TokenType
from agent.ocpi import writing
from agent.ocpi.quirks import Quirk
from agent.ocpi.writing import Written


class _Inner(Written, frozen=True, kw_only=True):
    name: str
    remark: str | None = None


class _Outer(Written, frozen=True, kw_only=True):
    inner: _Inner
    maybe: str | None = None
    many: tuple[_Inner, ...] = ()
    foreign: str | UnsetType | None = UNSET
    number: Decimal


def test_absent_fields() -> None:
    """They are left out, also inside."""
    written = _Outer(inner=_Inner(name="a"), number=Decimal("1.5"))
    assert writing.encode(written) == b'{"inner":{"name":"a"},"number":1.5}'


def test_explicit_nulls() -> None:
    """Where a server wants to see every field it sees all that the table has."""
    written = _Outer(
        inner=_Inner(name="a"), many=(_Inner(name="b"),), number=Decimal("1.5")
    )
    assert writing.encode(written, [Quirk.EXPLICIT_NULLS]) == (
        b'{"inner":{"name":"a","remark":null},"maybe":null,'
        b'"many":[{"name":"b","remark":null}],"number":1.5}'
    )
    none = _Outer(inner=_Inner(name="a"), foreign=None, number=Decimal())
    text = writing.encode(none, [Quirk.EXPLICIT_NULLS]).decode()
    assert text.endswith('"maybe":null,"many":[],"foreign":null,"number":0}')


@pytest.mark.parametrize("value", ["A", "A" * 36, "SE*ABC*E1", "a b"])
def test_identifier(value: str) -> None:
    """A good id goes out as it is."""
    assert writing.identifier("evse_uid", value) == value


@pytest.mark.parametrize("value", ["", "A" * 37, "Ö", "A\n", "\x7f"])
def test_wrong_identifier(value: str) -> None:
    """A wrong id never goes out: half of it would be another one."""
    with pytest.raises(ValueError, match="evse_uid: expected") as caught:
        writing.identifier("evse_uid", value)
    assert not value or value not in str(caught.value)


def test_optional_identifier() -> None:
    """Nothing is nothing."""
    assert writing.optional_identifier("evse_id", None) is None
    assert writing.optional_identifier("evse_id", "") is None
    with pytest.raises(ValueError, match="evse_id"):
        writing.optional_identifier("evse_id", "Ö")


TEXTS = [
    # text, as it is written in ten characters, and in ASCII
    ("Kungsgatan", "Kungsgatan", "Kungsgatan"),
    ("Kungsgatan 1", "Kungsgatan", "Kungsgatan"),
    ("Öresund", "Öresund", "Oresund"),
    ("Straße 5", "Straße 5", "Strasse 5"),
    ("Łódź Ørsta", "Łódź Ørsta", "Lodz Orsta"),
    ("東京", "東京", "??"),
    (" a \r\n\tb ", "a b", "a b"),
    ("123456789 0", "123456789", "123456789"),
    ("a\ud800b", "a b", "a?b"),
    ("", None, None),
    ("\x00", None, None),
    (None, None, None),
]


@pytest.mark.parametrize(("value", "any_script", "latin"), TEXTS)
def test_text(value: str | None, any_script: str | None, latin: str | None) -> None:
    """Words are made to fit: printable, not too long, in ASCII for 2.1.1."""
    assert writing.text(value, 10) == any_script
    assert writing.text(value, 10, is_ascii=True) == latin


def test_required_text() -> None:
    """Where words are due, nothing is a mistake."""
    assert writing.required_text("city", " Oslo ", 45) == "Oslo"
    with pytest.raises(ValueError, match="city: expected some text"):
        writing.required_text("city", "\n", 45)


@pytest.mark.parametrize(
    "value", ["ftp://a.example", "https://a b", "https://" + "a" * 250, "https://ö", ""]
)
def test_wrong_url(value: str) -> None:
    """What is no URL of OCPI's does not go out."""
    with pytest.raises(ValueError, match="website: expected"):
        writing.url("website", value)
    assert writing.url("website", "https://a.example/x") == "https://a.example/x"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("nl", "nl"),
        ("NL", "nl"),
        ("n", None),
        ("nld", None),
        ("öl", None),
        (None, None),
    ],
)
def test_language(value: str | None, code: str | None) -> None:
    """A language is a code of two small letters, or absent."""
    assert writing.language(value) == code


def test_token_type() -> None:
    """A type that a version does not know is OTHER there."""
    known = (TokenType.RFID,)
    assert writing.token_type(TokenType.RFID, known) == "RFID"
    assert writing.token_type(TokenType.EMAID, known) == "OTHER"


@pytest.mark.parametrize(
    ("seconds", "hours"),
    [(0, "0"), (3600, "1"), (5430, "1.5083"), (1, "0.0003"), (36_000, "10")],
)
def test_hours(seconds: int, hours: str) -> None:
    """Lengths of time are hours."""
    assert str(writing.hours(timedelta(seconds=seconds, microseconds=999))) == hours


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("0", "0"),
        ("0.00", "0"),
        ("10.00", "10"),
        ("1E+5", "100000"),
        ("0.00005", "0.0001"),
        ("1.50000", "1.5"),
        ("12345.6789", "12345.6789"),
    ],
)
def test_number(value: str, written: str) -> None:
    """Numbers are plain, and have at most four decimals."""
    assert str(writing.number(Decimal(value))) == written


@given(st.decimals(-(10**12), 10**12, places=7))
def test_any_number(value: Decimal) -> None:
    """Rounding moves a number by half of the last decimal at most."""
    assert abs(writing.number(value) - value) <= Decimal("0.00005")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("57.70887", "57.708870"),
        ("-0.1234567", "-0.123457"),
        ("5", "5.000000"),
        ("-90", "-90.000000"),
    ],
)
def test_degrees(value: str, written: str) -> None:
    """Coordinates have the six decimals that every version accepts."""
    assert writing.degrees("latitude", value, 90) == written


@pytest.mark.parametrize("value", ["", "north", "90.000001", "-91", "NaN", "Infinity"])
def test_wrong_degrees(value: str) -> None:
    """A place that is not on Earth does not go out."""
    with pytest.raises(ValueError, match="latitude: expected"):
        writing.degrees("latitude", value, 90)
