"""Servers repeat card numbers in their errors; our messages do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ocpi.redaction import redact

UID = "04A1B2C3D4E5F6"


@pytest.mark.parametrize(
    "spelling",
    [UID, UID.lower(), "04:a1:b2:c3:d4:e5:f6", "04-A1-B2-C3-D4-E5-F6", "04A1B2C3"],
)
def test_card_numbers_go(spelling: str) -> None:
    """A card number goes in every spelling, even if nobody said which it is."""
    assert redact(f"token {spelling} unknown", ()) in {
        "token … unknown",
        "token …unknown",
    }


def test_private_values_go_in_any_case() -> None:
    """A contract id is as personal as the card."""
    text = redact("no contract nl-tnm-cxyzzy here", ["NL-TNM-CXYZZY"])
    assert text == "no contract … here"


def test_longer_values_go_first() -> None:
    """A value inside another one does not leave the rest of that standing."""
    assert redact("card 123-tail", ["123", "123-tail"]) == "card …"


def test_one_short_line() -> None:
    """Control characters, newlines and length cannot disturb a log."""
    text = redact("a\r\nb\x1b[31m " + "long " * 1000, ())
    assert text.startswith("a b[31m long")
    assert text.isprintable()
    assert len(text) <= 301


@given(st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_nothing_private_survives(text: str, private: list[str]) -> None:
    """Whatever the text, no private value with a letter or digit is left in it."""
    redacted = redact(text + "".join(private), private).casefold()
    assert redacted.isprintable()
    for value in private:
        if len(value) > 1 and value.isascii() and value.isalnum():
            assert value.casefold() not in redacted
