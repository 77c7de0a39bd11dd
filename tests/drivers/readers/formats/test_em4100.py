"""RDM6300 and ID-12: known frames, and what is wrong with others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameError
from drivers.readers.base import Technology
from drivers.readers.formats import id12, rdm6300
from drivers.readers.formats.em4100 import build, parse
from drivers.readers.formats.framing import CardReport
from tests.drivers.readers.formats.wires import feed

CARD = bytes.fromhex("62E3086CED")
FRAMES = [
    # card, and the frame without its tail
    ("62E3086CED", b"\x0262E3086CED08"),
    ("0C000621A5", b"\x020C000621A58E"),
    ("0A1234ABCD", b"\x020A1234ABCD4A"),
]


@pytest.mark.parametrize(("card", "frame"), FRAMES)
def test_known_frames(card: str, frame: bytes) -> None:
    """The frames of the data sheets are these cards, in both formats."""
    report = CardReport(bytes.fromhex(card), Technology.EM4100)
    assert feed(rdm6300.codec(), [frame + b"\x03"]) == [report]
    assert feed(id12.codec(), [frame + b"\r\n\x03"]) == [report]
    assert build(report.uid, b"\x03") == frame + b"\x03"


@given(st.binary(min_size=5, max_size=5), st.sampled_from([b"\x03", b"\r\n\x03"]))
def test_every_card_comes_back(card: bytes, tail: bytes) -> None:
    """What is built is parsed to the same card, also in lower case."""
    frame = build(card, tail)
    report = CardReport(card, Technology.EM4100)
    assert parse(frame, tail) == report
    assert parse(frame.lower(), tail) == report


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"\x0262E3086CED08", "expected 14 bytes, got 13"),
        (b"\x0262E3086CED08\x04", "last"),
        (b"\x0162E3086CED08\x03", "first"),
        (b"\x0262E3086CEG08\x03", "expected 12 hex digits"),
        (b"\x02 62E3086CE08\x03", "expected 12 hex digits"),
        (b"\x0262E3086CED09\x03", "expected checksum 08, got 09"),
    ],
)
def test_what_is_wrong_is_named(frame: bytes, says: str) -> None:
    """The error tells what was expected, and never the card."""
    with pytest.raises(FrameError, match=says) as caught:
        parse(frame, b"\x03")
    assert "62E3" not in str(caught.value)


def test_a_frame_that_breaks_off_costs_itself_only() -> None:
    """The next one is found, although it begins inside the first one's length."""
    whole = build(CARD, rdm6300.TAIL)
    report = CardReport(CARD, Technology.EM4100)
    for end in range(len(whole)):
        assert feed(rdm6300.codec(), [whole[:end] + whole]) == [report]


def test_the_formats_are_not_each_others() -> None:
    """An ID-12 is not taken for an RDM6300, nor the other way round."""
    other = {rdm6300.TAIL: id12.codec, id12.TAIL: rdm6300.codec}
    for tail, codec in other.items():
        assert feed(codec(), [build(CARD, tail) * 3]) == []


def test_a_report_does_not_print_its_card() -> None:
    """Logs that show a report show no number."""
    assert repr(CardReport(CARD, Technology.EM4100)) == "CardReport(EM4100, 5 bytes)"
