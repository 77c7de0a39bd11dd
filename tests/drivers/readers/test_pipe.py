"""Cards from a named pipe: what each line stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UnsupportedDeviceError
from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderUp,
    Technology,
)
from drivers.readers.pipe import (
    CardProtocol,
    PipeReader,
    PipeReaderConfig,
    parse_card,
)
from tests.drivers.pipes import cancel_while_waiting, open_files, run, take, write

if TYPE_CHECKING:
    from pathlib import Path

    from drivers.readers.base import ReaderEvent

UID = bytes.fromhex("04A1B2C3D4E5F6")
VICINITY = bytes.fromhex("E0040150A1B2C3D4")
A, V, E = Technology.ISO14443, Technology.ISO15693, Technology.EM4100


def receive(*lines: str) -> list[ReaderEvent]:
    """Play the lines, one per second, at a fresh reader."""
    protocol = CardProtocol()
    return [
        event for at, line in enumerate(lines) for event in protocol.receive(line, at)
    ]


@pytest.mark.parametrize(
    ("text", "technology", "uid"),
    [
        ("04A1B2C3D4E5F6", A, UID),
        ("04a1b2c3d4e5f6", A, UID),
        ("04:a1:B2:c3:d4:e5:f6", A, UID),
        ("04-A1 B2.C3D4E5F6", A, UID),
        ("ISO14443:04A1B2C3D4E5F6", A, UID),
        ("iso14443: 04:A1:B2:C3:D4:E5:F6", A, UID),
        ("ISO15693:E0040150A1B2C3D4", V, VICINITY),
        ("EM4100 : 0102030405", E, bytes([1, 2, 3, 4, 5])),
        ("DE:AD", A, bytes([0xDE, 0xAD])),
    ],
)
def test_spellings(text: str, technology: Technology, uid: bytes) -> None:
    """A number may be written as people write it."""
    assert parse_card(text) == (technology, uid)


def test_a_tap_arrives_and_leaves() -> None:
    """A bare number is a card held up for a moment."""
    assert receive("04A1B2C3D4E5F6") == [CardArrived(UID, A, 0), CardLeft(0)]


def test_a_card_lies_until_lifted() -> None:
    """`+` and `-` are the two halves of a tap; a second `-` lifts nothing."""
    events = receive("+ISO15693:E0040150A1B2C3D4", "-", "-")
    assert events == [CardArrived(VICINITY, V, 0), CardLeft(1)]


@pytest.mark.parametrize("line", ["+04A1B2C3D4E5F6", "+ 04A1B2C3D4E5F6"])
def test_a_second_card_lifts_the_first(line: str) -> None:
    """Only one card lies on at a time."""
    assert receive(line, line, "-") == [
        CardArrived(UID, A, 0),
        CardLeft(1),
        CardArrived(UID, A, 1),
        CardLeft(2),
    ]


def test_a_tap_lifts_the_card_that_lay_there() -> None:
    """After a tap nothing lies on."""
    assert receive("+04A1B2C3D4E5F6", "04A1B2C3D4E5F6", "-") == [
        CardArrived(UID, A, 0),
        CardLeft(1),
        CardArrived(UID, A, 1),
        CardLeft(1),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "04A1B2C3D4E5F",
        "+04A1B2C3D4E5F6X",
        "04::A1",
        ":04A1",
        "-04A1",
        "04A1-",
        "++04A1",
        "+-",
        "+",
        "NFC:04A1B2C3",
        "ISO14443:",
        "ISO14443:ISO15693:04A1",
        "0x04A1",
        "\u0660\u0664A1",
        "04A1\x00",
    ],
)
def test_what_is_no_card_is_unreadable(line: str) -> None:
    """A line that is no card leaves at once, and its reason does not repeat it."""
    unreadable, left = receive(line)
    assert isinstance(unreadable, CardUnreadable)
    reason = unreadable.reason.removesuffix("04A1B2C3D4E5F6")
    assert reason == "expected hex digits in pairs, as in "
    assert left == CardLeft(0)


@given(
    st.lists(
        st.sampled_from(["-", "+04A1B2C3", "04A1B2C3", "EM4100:0102030405", "?"])
        | st.text()
    )
)
def test_every_arrival_is_followed_by_its_leaving(lines: list[str]) -> None:
    """Arrivals and leavings alternate whatever is written, once all is lifted."""
    events = receive(*lines, "-")
    assert len(events) % 2 == 0
    for came, left in zip(events[::2], events[1::2], strict=True):
        assert isinstance(came, CardArrived | CardUnreadable)
        assert isinstance(left, CardLeft)


@given(st.binary(min_size=1, max_size=12), st.sampled_from(Technology))
def test_every_uid_can_be_tapped(uid: bytes, technology: Technology) -> None:
    """Any bytes of any technology come through."""
    line = f"{technology}:{uid.hex(':')}"
    assert receive(line) == [CardArrived(uid, technology, 0), CardLeft(0)]


def test_the_reader_end_to_end(tmp_path: Path) -> None:
    """ReaderUp is first, cards follow as they are written, closing closes all."""
    path = tmp_path / "cards"
    reader = PipeReader(PipeReaderConfig(path), monotonic=lambda: 12.5)

    async def main() -> None:
        before = open_files()
        for _ in range(2):
            events = reader.events()
            assert await anext(events) == ReaderUp(f"pipe {path}")
            write(path, "04A1B2C3")
            write(path, "D4E5F6\n+0102030405\n")
            assert await take(events, 3) == [
                CardArrived(UID, A, 12.5),
                CardLeft(12.5),
                CardArrived(bytes([1, 2, 3, 4, 5]), A, 12.5),
            ]
            # The card still lies on; the reader that comes up again knows no card.
            await events.aclose()
            assert open_files() == before

    run(main())


def test_a_waiting_reader_can_be_cancelled(tmp_path: Path) -> None:
    """The shutdown does not wait for a card."""
    reader = PipeReader(PipeReaderConfig(tmp_path / "cards"))

    async def read_all() -> None:
        async for _ in reader.events():
            pass

    run(cancel_while_waiting(read_all()))


def test_a_plain_file_is_not_overwritten(tmp_path: Path) -> None:
    """A path that is taken turns the driver off."""
    path = tmp_path / "cards"
    path.write_text("precious")
    reader = PipeReader(PipeReaderConfig(path))

    async def main() -> None:
        with pytest.raises(UnsupportedDeviceError):
            await anext(reader.events())

    run(main())
    assert path.read_text() == "precious"
