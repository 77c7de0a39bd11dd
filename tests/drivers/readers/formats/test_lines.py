"""Lines of text, plain or Wiegand: only whole ones count."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.transforms import UidTransform
from drivers.errors import FrameError, UnsupportedDeviceError
from drivers.readers.base import Technology
from drivers.readers.formats import wiegand
from drivers.readers.formats.ascii import AsciiCodec
from drivers.readers.formats.framing import FORGET_S, HALF_FRAME_S
from drivers.readers.formats.lines import MAX_LINE_BYTES, LineCodec
from drivers.readers.formats.wiegand import WiegandCodec
from tests.drivers.readers.formats.wires import feed, split

if TYPE_CHECKING:
    from collections.abc import Callable

UID = bytes.fromhex("04A1B2C3D4E5F6")
START = -1.0  # The codec has listened for a second when the first byte comes

texts = st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True).map(str.encode)


def uids(*pieces: bytes, pattern: str | None = None) -> list[bytes]:
    """Read lines with a fresh codec."""
    codec = AsciiCodec(START) if pattern is None else AsciiCodec(START, pattern)
    return [report.uid for report in feed(codec, pieces)]


@given(
    st.lists(st.tuples(texts, st.sampled_from([b"\r", b"\n", b"\r\n", b"\x03"]))),
    st.lists(st.integers(0, 500)),
)
def test_every_line_comes_out_once(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    """Whatever ends them, and wherever the bytes are cut."""
    stream = b"".join(b"\x02 " + text + end for text, end in lines)
    assert feed(LineCodec(START), split(stream, cuts)) == [text for text, _ in lines]


@given(st.integers(1, 14))
def test_the_rest_of_a_line_is_no_line(seen: int) -> None:
    """Whoever begins to listen in the middle of a number does not hear another one."""
    line = b"04A1B2C3D4E5F6\r\n"
    codec = AsciiCodec(at=0)
    assert codec.feed(line[seen:], 0.01) == []
    assert [one.uid for one in codec.feed(line, 0.02)] == [UID]


def test_a_silence_begins_a_line() -> None:
    """The first number after a quiet start counts, and so does a slow one."""
    codec = AsciiCodec(at=0)
    assert len(codec.feed(b"04A1B2C3D4E5F6\n", HALF_FRAME_S * 2)) == 1
    assert codec.feed(b"04A1B2", 5) == []
    assert codec.feed(b"C3D4E5F6\n", 5 + HALF_FRAME_S / 2) != []


@given(st.integers(1, 13), st.floats(HALF_FRAME_S * 1.01, FORGET_S * 0.99))
def test_a_line_with_a_pause_in_it_is_none(cut: int, pause_s: float) -> None:
    """Neither half is another card's number, nor is what a busy loop reads late."""
    line = b"04A1B2C3D4E5F6\n"
    codec = AsciiCodec(START)
    assert codec.feed(line[:cut], 0) == []
    assert codec.feed(line[cut:], pause_s) == []
    assert [one.uid for one in codec.feed(line, pause_s)] == [UID]


def test_noise_of_long_ago_spoils_no_line() -> None:
    """What was switched on, and coughed, is heard when the first card comes."""
    codec = AsciiCodec(START)
    assert codec.feed(b"\x00\xff", 0) == []
    assert len(codec.feed(b"04A1B2C3D4E5F6\n", FORGET_S * 1.01)) == 1


@pytest.mark.parametrize("every_s", [0.0, 0.05, 0.5, 20.0])
def test_a_checksum_behind_etx_is_no_line(every_s: float) -> None:
    """Some readers send one byte more; it costs no card, however soon that comes."""
    frame = b"\x0204A1B2C3D4E5F6\x03Z"
    codec = AsciiCodec(START)
    for number in range(5):
        assert [one.uid for one in codec.feed(frame, number * every_s)] == [UID]


@given(st.integers(1, 15), st.floats(HALF_FRAME_S * 1.01, FORGET_S * 0.99))
def test_half_of_what_stands_between_stx_and_etx_is_none(
    cut: int, pause_s: float
) -> None:
    """Also after a whole one, and with a checksum behind it."""
    frame = b"\x0204A1B2C3D4E5F6\x03Z"
    codec = AsciiCodec(START)
    assert codec.feed(frame, -0.5) != []
    assert codec.feed(frame[:cut], 0) == []
    assert codec.feed(frame[cut:], pause_s) == []
    assert [one.uid for one in codec.feed(frame, pause_s)] == [UID]


FRAMINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "CR": lambda text, _: text + b"\r",
    "CR LF": lambda text, _: text + b"\r\n",
    "ETX": lambda text, _: b"\x02" + text + b"\x03",
    "ETX and a checksum": lambda text, check: b"\x02" + text + b"\x03" + bytes([check]),
}


@pytest.mark.parametrize("framing", FRAMINGS)
@given(
    numbers=st.lists(
        st.tuples(st.binary(min_size=7, max_size=10), st.integers(0, 127)), max_size=6
    ),
    missed=st.integers(0, 30),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    pauses_s=st.lists(st.sampled_from([0.01, 0.25, 3.0, 9.0]), min_size=9, max_size=9),
)
def test_never_a_part_of_a_number(
    framing: str,
    numbers: list[tuple[bytes, int]],
    missed: int,
    cuts: list[int],
    pauses_s: list[float],
) -> None:
    """Whenever somebody begins to listen, and wherever the bytes are held up."""
    build = FRAMINGS[framing]
    stream = b"".join(build(uid.hex().encode(), check) for uid, check in numbers)
    codec = AsciiCodec(at=0)
    at = 0.01
    for piece, pause_s in zip(split(stream[missed:], cuts), pauses_s, strict=False):
        found = {one.uid for one in codec.feed(piece, at)}
        assert found <= {uid for uid, _ in numbers}
        at += pause_s


def test_a_line_without_end_is_dropped_to_its_end() -> None:
    """The rest of an endless line is no line, in however many pieces it comes."""
    endless = b"04A1B2C3" * MAX_LINE_BYTES
    assert feed(LineCodec(START), [endless, b"04A1B2C3\nnext\n"]) == [b"next"]
    assert feed(LineCodec(START), [endless + b"\nnext\n"]) == [b"next"]
    codec = LineCodec(START)
    codec.feed(endless, 0)
    assert codec.feed(b"04A1B2C3\n", HALF_FRAME_S * 2) == []
    assert feed(LineCodec(START), [b"x" * MAX_LINE_BYTES + b"\n"]) != []


def test_endless_lines_take_no_room() -> None:
    """What cannot become a line any more is not kept, for hours."""
    codec = LineCodec(START)
    for at in range(1000):
        assert codec.feed(b"04A1B2C3" * 512, at / 100) == []
        assert len(vars(codec)["_tail"]) <= MAX_LINE_BYTES


def test_nothing_is_no_news() -> None:
    """A read without bytes does not begin or end a line."""
    codec = LineCodec(START)
    assert codec.feed(b"one", 1) == []
    assert codec.feed(b"", 5) == []
    assert codec.feed(b"two\n", 1.1) == [b"onetwo"]


@pytest.mark.parametrize(
    ("line", "uid"),
    [
        (b"04A1B2C3D4E5F6\r\n", "04A1B2C3D4E5F6"),
        (b"04a1b2c3\n", "04A1B2C3"),
        (b"\x0204A1B2C3\x03", "04A1B2C3"),
        (b"04:A1:B2:C3\r", "04A1B2C3"),
        (b"04 A1-B2.C3\r", "04A1B2C3"),
        (b"123456\r", "123456"),
    ],
)
def test_a_hex_number_alone_is_a_card(line: bytes, uid: str) -> None:
    """The default pattern takes a number as readers write it."""
    assert uids(line) == [bytes.fromhex(uid)]


@pytest.mark.parametrize(
    "line",
    [
        b"04A1B2C3D\n",
        b"04A1\n",
        b"04A1B2C3 \x8f\n",
        b"x04A1B2C3\n",
        b"04A1B2C3x\n",
        b"0x04A1B2\n",
        b"04A1\x02B2C3\n",
        b"04::A1:B2:C3\n",
        b"00112233445566778899AA\n",
        b"READY\n",
        b"\n",
    ],
)
def test_other_lines_are_no_cards(line: bytes) -> None:
    """What is not a number from end to end is nothing."""
    assert uids(line) == []


def test_a_pattern_says_where_the_number_stands() -> None:
    """The whole line has to match; group 1 is the number."""
    pattern = r"CARD=([0-9A-F]+);\d+"
    assert uids(b"CARD=04A1B2C3;7\n", pattern=pattern) == [UID[:4]]
    assert uids(b"CARD=04A1B2C3;\n", pattern=pattern) == []
    assert uids(b"CARD=04A1B2C;7\n", pattern=pattern) == []
    assert uids(b"NONE\n04A1B2C3\n", pattern=r"NONE|([0-9A-F]+)") == [UID[:4]]
    assert uids(b"-\nwords\n", pattern=r"(.*)") == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 10))
def test_decimal_numbers_of_any_length(number: int, width: int) -> None:
    """A group called `decimal` takes an odd count of digits; who has it knows why."""
    text = str(number).zfill(width)
    (uid,) = uids(text.encode() + b"\r\n", pattern="(?P<decimal>[0-9]+)")
    assert UidTransform(decimal_bytes=4).apply(uid) == number.to_bytes(4)


def test_a_group_for_decimals_takes_no_others() -> None:
    """Half a byte of a hex number is missing, and nobody knows which."""
    assert uids(b"04A1B2C\n", pattern="(?P<decimal>[0-9A-F]+)") == []
    assert uids(b"0123456\n", pattern="([0-9]+)") == []


@pytest.mark.parametrize("pattern", ["(", "[0-9A-F]+"])
def test_a_pattern_that_cannot_work_is_named(pattern: str) -> None:
    """Without a group there is no number to take."""
    with pytest.raises(UnsupportedDeviceError, match=re.escape(pattern)):
        AsciiCodec(START, pattern)


@pytest.mark.parametrize(
    ("length", "technology"),
    [
        (4, Technology.ISO14443),
        (5, Technology.EM4100),
        (7, Technology.ISO14443),
        (8, Technology.ISO15693),
        (10, Technology.ISO14443),
    ],
)
def test_the_length_tells_the_technology(length: int, technology: Technology) -> None:
    """A line has nothing else to tell it by."""
    (report,) = AsciiCodec(START).feed(b"04" * length + b"\n", 0)
    assert report.technology is technology


def read_wiegand(line: bytes, *, raw: bool) -> list[bytes]:
    """Read one line of a converter."""
    return [one.uid for one in feed(WiegandCodec(START, raw=raw), [line])]


def test_wiegand_without_parity() -> None:
    """Six digits are 26 bits and eight are 34, as converters without parity send."""
    assert read_wiegand(b"10F2A3\r", raw=False) == [bytes.fromhex("10F2A3")]
    assert read_wiegand(b"04A1B2C3\r\n", raw=False) == [bytes.fromhex("04A1B2C3")]
    for line in (b"10F2A\r", b"10F2A3B\r", b"04A1B2C3D\r", b"10F2G3\r", b"10 2A3\r"):
        assert read_wiegand(line, raw=False) == []


def test_wiegand_with_parity() -> None:
    """Known frames: the parity bits are where the standard has them."""
    # 0|000000000000|000000000001|0: no ones in the first half, one in the last.
    assert read_wiegand(b"0000002\r", raw=True) == [bytes.fromhex("000001")]
    # 1|000000000001|000000000000|1: two ones in the first half, one in the last.
    assert read_wiegand(b"2002001\r", raw=True) == [bytes.fromhex("001000")]
    assert read_wiegand(b"2002000\r", raw=True) == []
    assert read_wiegand(b"0002001\r", raw=True) == []
    assert read_wiegand(b"000000002\r", raw=True) == [bytes.fromhex("00000001")]
    for line in (
        b"000002\r",
        b"00000002\r",
        b"4000002\r",
        b"C00000002\r",
        b"C000002\r",
    ):
        assert read_wiegand(line, raw=True) == []


@given(st.binary(min_size=3, max_size=3) | st.binary(min_size=4, max_size=4))
def test_wiegand_parity_finds_every_single_wrong_bit(data: bytes) -> None:
    """Each bit of a frame is covered, those of the padding included."""
    line = wiegand.build_raw(data)
    assert wiegand.parse_raw(line) == data
    for bit in range(4 * len(line)):
        wrong = f"{int(line, 16) ^ (1 << bit):0{len(line)}X}".encode()
        with pytest.raises(FrameError):
            wiegand.parse_raw(wrong)


@pytest.mark.parametrize(
    ("bits", "uid"),
    [
        ("0 00111101 00010010 11010110 1", "3D12D6"),
        ("0 01101011 00111101 00010010 11010110 0", "6B3D12D6"),
    ],
)
def test_wiegand_frames_of_a_data_sheet(bits: str, uid: str) -> None:
    """Even parity of the first half first, odd parity of the second half last."""
    frame = bits.replace(" ", "")
    line = f"{int(frame, 2):0{(len(frame) + 2) // 4}X}".encode()
    assert wiegand.parse_raw(line) == bytes.fromhex(uid)
    assert wiegand.build_raw(bytes.fromhex(uid)) == line
