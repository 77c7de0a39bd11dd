"""Lines out of bytes: any fragments, garbage, and no line of more than its share."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.line_splitter import LineSplitter

MAX_BYTES = 256


@given(
    pieces=st.lists(st.binary(max_size=20) | st.just(b"\n")),
    cuts=st.lists(st.integers()),
)
def test_fragments_change_nothing(pieces: list[bytes], cuts: list[int]) -> None:
    """Wherever the bytes are cut, the same lines come out."""
    data = b"".join(pieces)
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    whole, cut = LineSplitter(MAX_BYTES), LineSplitter(MAX_BYTES)
    parts = [data[a:b] for a, b in pairwise(bounds)]
    lines = [line for part in parts for line in cut.feed(part)]
    assert lines == whole.feed(data)


@given(st.lists(st.from_regex(r"[!-~]{1,60}", fullmatch=True)), st.integers(1, 9))
def test_lines_come_out_as_written(lines: list[str], size: int) -> None:
    """Every line arrives once and in order, however small the reads are."""
    data = "".join(f" {line}\r\n\n" for line in lines).encode()
    splitter = LineSplitter(MAX_BYTES)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert [line for part in parts for line in splitter.feed(part)] == lines


@pytest.mark.parametrize("size", [1, 7, MAX_BYTES, 10 * MAX_BYTES])
def test_what_is_too_long_is_told_once(size: int) -> None:
    """An endless line comes as one None, and the next is read."""
    data = b"04A1" * MAX_BYTES + b"\nnext\n" + b"x" * MAX_BYTES + b"\n"
    splitter = LineSplitter(MAX_BYTES)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    lines = [line for part in parts for line in splitter.feed(part)]
    assert lines == [None, "next", "x" * MAX_BYTES]


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    """What is not UTF-8 becomes a line that nobody understands."""
    assert LineSplitter(MAX_BYTES).feed(b"\xff\x00\nplug\n") == ["\ufffd\x00", "plug"]


def test_a_line_that_was_spoilt_is_none() -> None:
    """What stood half is dropped with its end, and the next line counts."""
    splitter = LineSplitter(20)
    assert splitter.feed(b"04A1B2") == []
    splitter.spoil()
    assert splitter.feed(b"C3D4") == []
    assert splitter.feed(b"E5F6\nnext\n") == ["next"]


def test_nothing_is_spoilt_between_lines() -> None:
    """A line that has not begun is whole."""
    splitter = LineSplitter(20)
    assert splitter.feed(b"one\n") == ["one"]
    splitter.spoil()
    assert splitter.feed(b"two\n") == ["two"]
