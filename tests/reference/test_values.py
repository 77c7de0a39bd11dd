"""Reading and writing JSON, moments and credentials tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.reference.keys import Keys, read_authorization, write_authorization
from tests.reference.moments import hours_between, read_moment, write_moment
from tests.reference.values import read_json, write_json

if TYPE_CHECKING:
    from tests.reference.settings import Encoding


def test_numbers_keep_their_digits() -> None:
    """A number is read with every digit it has, and written as one."""
    assert read_json(b'{"a": 0.10000, "b": 3}') == {"a": Decimal("0.1"), "b": 3}
    assert str(read_json(b"0.10000")) == "0.10000"
    assert write_json({"a": Decimal("0.1"), "b": Decimal(3)}) == b'{"a": 0.1, "b": 3}'


@pytest.mark.parametrize(
    "text", [b"", b"NaN", b"-Infinity", b'{"a": 1, "a": 1}', b'"\xff"', b"[1,]"]
)
def test_no_json(text: bytes) -> None:
    """What not everyone reads alike is refused."""
    with pytest.raises(ValueError):  # noqa: PT011 - the words are json's own
        read_json(text)


def test_write_refuses_what_is_no_json() -> None:
    """Only JSON values are written."""
    with pytest.raises(TypeError, match="expected a Decimal"):
        write_json({"a": object()})


def test_moments() -> None:
    """Moments are read in any form and written in UTC with a Z."""
    noon = datetime(2026, 3, 4, 12, tzinfo=UTC)
    for text in ("2026-03-04T12:00:00", "2026-03-04T12:00:00Z"):
        assert read_moment(text) == noon
    assert read_moment("2026-03-04T13:00:00+01:00") == noon
    east = noon.astimezone(timezone(timedelta(hours=5)))
    assert write_moment(east) == "2026-03-04T12:00:00Z"
    assert hours_between("2026-03-04T12:00:00Z", "2026-03-04T13:30:00Z") == Decimal(
        "1.5"
    )


def test_authorization_is_read_as_written() -> None:
    """Each version reads what it writes, and nothing that another one wrote."""
    keys = Keys("a-token")
    old, new = (write_authorization("a-token", one) for one in ("2.1.1", "2.3.0"))
    assert (old, new) == ("Token a-token", "Token YS10b2tlbg==")
    assert read_authorization(old, "raw", keys) == "a-token"
    assert read_authorization(new, "base64", keys) == "a-token"
    assert read_authorization(old, "either", keys) == "a-token"
    assert read_authorization(new, "either", keys) == "a-token"
    rows: tuple[tuple[str, Encoding, str], ...] = (
        (new, "raw", "encoded, where it is due raw"),
        (old, "base64", "raw, where it is due in Base64"),
        ("Token YS10b2tlbgo=", "base64", "newline"),
        ("Token YS10b2tlbg", "base64", "raw, where"),
        ("Token b3RoZXI=", "base64", "unknown"),
        ("Token other", "raw", "unknown"),
    )
    for header, encoding, says in rows:
        with pytest.raises(ValueError, match=says):
            read_authorization(header, encoding, keys)
