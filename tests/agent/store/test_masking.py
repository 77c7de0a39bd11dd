"""Card numbers in free texts: found in every form, and looked for only where needed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.domain.uid import Uid
from agent.store.masking import forms_in, forms_of, mask, unmask, veil

UID = "04A1B2C3D4E5F6"

FILLINGS = st.text("0123456789ABCDEFabcdef :-.*|ſﬀé", max_size=12)
UIDS = st.one_of(
    st.binary(min_size=1, max_size=10).map(lambda raw: raw.hex().upper()),
    st.binary(min_size=1, max_size=6).map(lambda raw: f"00{raw.hex().upper()}"),
    st.binary(min_size=1, max_size=6).map(lambda raw: f"{raw.hex().upper()}00"),
    st.text("0123456789ABCDEFGKS_\x0bÉ", min_size=1, max_size=14),
)


@st.composite
def texts_about(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a canonical uid, and a text that may hold one of its forms."""
    uid = draw(UIDS)
    form = draw(st.sampled_from(["", *forms_of(uid).values()]))
    separator = draw(st.sampled_from(["", ":", " ", "-", ".", "\t", "\r\n"]))
    if draw(st.booleans()):
        form = form.lower()
    return uid, draw(FILLINGS) + separator.join(form) + draw(FILLINGS)


@given(texts_about())
@example(("0000BC614E", "no 12345678"))
@example(("4E61BC0000", "1-2345-678"))
@example(("04\x0bA1B2", "B2A104"))
@example(("AS1", "A\u017f1"))
def test_a_glance_misses_no_number(drawn: tuple[str, str]) -> None:
    """A text that is passed over would have stayed as it is."""
    uid, text = drawn

    assert mask(text, forms_in(text, uid)) == mask(text, forms_of(uid))


@pytest.mark.parametrize(
    "text",
    ["", "NL-TNM-C00000001|NLTNM00000001|None", "04A1B2C3D4E5", "NL-8XA-CA2B3C4D5E"],
)
def test_an_ordinary_text_costs_a_glance(text: str) -> None:
    """Nothing is computed where no row of hex digits is as long as the card number."""
    assert forms_in(text, UID) == {}


@pytest.mark.parametrize(
    ("text", "veiled"),
    [
        (f"C-{UID}", "C-…"),
        ("C-04:a1:b2:c3:d4:e5:f6/1", "C-…/1"),
        ("f6e5d4c3b2a104", "…"),
        (f"no {int(UID, 16)}", "no …"),
        (f"{int.from_bytes(bytes.fromhex(UID), 'little')}!", "…!"),
        (f"{UID} or {UID.lower()}", "… or …"),
        ("04A1B2C3D4E5F7", "04A1B2C3D4E5F7"),
    ],
)
def test_every_form_is_taken_out_and_put_back(text: str, veiled: str) -> None:
    """What is stored holds no digit of the card, and the card restores it."""
    stored = mask(text, forms_in(text, UID))

    assert veil(stored) == veiled
    assert unmask(stored, Uid(UID)) == text
