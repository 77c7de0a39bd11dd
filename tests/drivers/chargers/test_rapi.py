"""RAPI lines: built, read back, and never believed when they are damaged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chargers.rapi import (
    LineParser,
    Message,
    Notice,
    Reply,
    additive_checksum,
    build_command,
    parse_line,
    xor_checksum,
)
from drivers.errors import FrameError

STATUS = Reply(ok=True, words=("02", "0", "02", "0108"), sequence_id=7)
STATUS_LINE = b"$OK 02 0 02 0108 :07^04\r"
NOTICE = Notice("AT", ("03", "03", "16", "0140"))
NOTICE_LINE = b"$AT 03 03 16 0140^33\r"

WORD = st.text("0123456789ABCDEFabcdef.-", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("words", "sequence_id", "line"),
    [
        (["GS"], None, b"$GS^30\r"),
        (["FE"], None, b"$FE^27\r"),
        (["FS"], None, b"$FS^31\r"),
        (["FD"], None, b"$FD^26\r"),
        (["S4", "0"], None, b"$S4 0^53\r"),
        (["G4"], None, b"$G4^57\r"),
        (["SC", "16", "V"], None, b"$SC 16 V^65\r"),
        (["SY", "60", "6"], None, b"$SY 60 6^1E\r"),
        (["SY"], None, b"$SY^2E\r"),
        (["SY", "165"], None, b"$SY 165^3C\r"),
        (["GS"], 1, b"$GS :01^2B\r"),
    ],
)
def test_commands_as_the_firmware_wants_them(
    words: list[str], sequence_id: int | None, line: bytes
) -> None:
    """Each command of the protocol's description has its checksum."""
    assert build_command(*words, sequence_id=sequence_id) == line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"$OK^20", Reply(ok=True)),
        (b"$NK^21", Reply(ok=False)),
        (b"$OK*0E", None),
        (b"$OK*BE", Reply(ok=True)),
        (b"$OK", Reply(ok=True, checked=False)),
        (b"$OK 16^07", Reply(ok=True, words=("16",))),
        (b"$NK 32 :FF^1A", Reply(ok=False, words=("32",), sequence_id=255)),
        (STATUS_LINE[:-1], STATUS),
        (b"$ok^60", None),
        (NOTICE_LINE[:-1], NOTICE),
        (b"$AN 1", Notice("AN", ("1",), checked=False)),
        (b"$AB 00 8.2.3^1E", Notice("AB", ("00", "8.2.3"))),
        (b"$WF 01", Notice("WF", ("01",), checked=False)),
        (b"$GS :01^2B", None),  # An echo of ours
        (b"$OK :00^00", None),
        (b"$OK^2", None),
        (b"$OK^200", None),
        (b"$OK^20^20", None),
        (b"$OK\x00^20", None),
        (b"OK^20", None),
        (b"$", None),
        (b"", None),
    ],
)
def test_lines(line: bytes, message: Message | None) -> None:
    """A line is the message it is, or none."""
    if message is None:
        with pytest.raises(FrameError):
            parse_line(line)
    else:
        assert parse_line(line) == message


def test_a_reply_without_an_id_of_its_own_is_refused() -> None:
    """The id 00 is none, and half an id neither."""
    for word in (":00", ":1", ":1G", ":001"):
        text = f"$OK {word}".encode()
        line = text + f"^{xor_checksum(text):02X}".encode()
        with pytest.raises(FrameError, match="expected a sequence id"):
            parse_line(line)


@pytest.mark.parametrize(
    ("words", "sequence_id"),
    [
        (["SC", "16 V"], 1),
        (["S$"], 1),
        ([""], 1),
        (["FP", "0" * 30], 1),
        (["GS"], 0),
        (["GS"], 256),
    ],
)
def test_commands_that_cannot_be(words: list[str], sequence_id: int) -> None:
    """What the controller would drop or misread is not sent."""
    with pytest.raises(ValueError, match="expected"):
        build_command(*words, sequence_id=sequence_id)


@given(st.lists(WORD, max_size=6), st.integers(1, 255) | st.none(), st.booleans())
def test_replies_round_trip(words: list[str], number: int | None, ok: bool) -> None:  # noqa: FBT001 - random
    """What a controller builds of its words is read as these words."""
    text = " ".join(["$OK" if ok else "$NK", *words])
    text += "" if number is None else f" :{number:02X}"
    for mark, check in (("^", xor_checksum), ("*", additive_checksum)):
        line = f"{text}{mark}{check(text.encode()):02X}".encode()
        assert parse_line(line) == Reply(ok, tuple(words), number)


@given(st.data())
def test_any_split_gives_the_same_messages(data: st.DataObject) -> None:
    """Bytes may come one by one or all at once, with noise between the lines."""
    noise = st.binary(max_size=10).filter(lambda raw: b"$" not in raw)
    stream = b"".join(
        data.draw(noise) + line for line in (STATUS_LINE, NOTICE_LINE, STATUS_LINE)
    )
    parser, messages, rest = LineParser(), [], stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        messages += parser.feed(rest[:size])
        rest = rest[size:]
    assert messages == [STATUS, NOTICE, STATUS]


@pytest.mark.parametrize("cut", range(1, len(STATUS_LINE)))
def test_a_line_cut_by_another_is_dropped(cut: int) -> None:
    """Wherever a notice breaks into a reply, it counts and the halves do not."""
    parser = LineParser()
    torn = STATUS_LINE[:cut] + NOTICE_LINE + STATUS_LINE[cut:]
    assert parser.feed(torn) == [NOTICE]
    assert parser.feed(STATUS_LINE) == [STATUS]


def test_one_wrong_byte_is_never_an_answer() -> None:
    """Whatever byte of a reply becomes another, no other checked reply comes out."""
    for index in range(len(STATUS_LINE)):
        for byte in range(256):
            damaged = bytearray(STATUS_LINE)
            damaged[index] = byte
            for message in LineParser().feed(bytes(damaged) + NOTICE_LINE):
                assert message in (STATUS, NOTICE) or not message.checked


def test_one_lost_or_added_byte_is_never_an_answer() -> None:
    """Bytes that are missing or too many do not make another checked reply either."""
    for index in range(len(STATUS_LINE)):
        lost = STATUS_LINE[:index] + STATUS_LINE[index + 1 :]
        added = [
            STATUS_LINE[:index] + bytes([byte]) + STATUS_LINE[index:]
            for byte in range(256)
        ]
        for damaged in (lost, *added):
            for message in LineParser().feed(damaged + NOTICE_LINE):
                assert message in (STATUS, NOTICE) or not message.checked


@given(st.binary(max_size=400))
def test_after_any_noise_the_next_line_counts(noise: bytes) -> None:
    """The parser finds its way back at the next `$`."""
    parser = LineParser()
    parser.feed(noise)
    assert parser.feed(STATUS_LINE) == [STATUS]


def test_a_line_without_end_is_not_kept() -> None:
    """What goes on for ever does not fill the memory, and is no line."""
    parser = LineParser()
    assert parser.feed(b"$OK " + b"1" * 100_000 + b"\r") == []
    assert len(parser._line) == 0
