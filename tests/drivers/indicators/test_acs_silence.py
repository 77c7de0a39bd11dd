"""What ACS readers answer may hold a card's number, which no message repeats."""

from __future__ import annotations

import pytest

from drivers.errors import UnsupportedDeviceError
from drivers.indicators.acs_commands import Led, Light, Model, dialect_of

UIDS = ("04 A1 B2 C3", "04 A1 B2", "04 A1 B2 C3 D4 E5 F6")


@pytest.mark.parametrize("status", ["", "90 00", "63 00"])
@pytest.mark.parametrize("uid", UIDS)
@pytest.mark.parametrize("escape", [False, True])
def test_an_answer_that_is_a_card_number(
    uid: str, status: str, *, escape: bool
) -> None:
    """Of any length, with and without a status word."""
    answer = bytes.fromhex(uid + status)
    dialect = dialect_of(Model.ACR1252U, escape=escape)
    with pytest.raises(UnsupportedDeviceError) as caught:
        dialect.show(lambda _: answer, Light(Led.GREEN))
    assert f"got {len(answer)} bytes" in str(caught.value)
    assert "A1 B2" not in str(caught.value)
