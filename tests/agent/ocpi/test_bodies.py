"""Bodies, packed and not, and the memory they may take."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from itertools import repeat
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ocpi.bodies import ACCEPT_ENCODING, BodyError, Gunzip, read_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

MIB = 1024 * 1024
LIMIT = MIB
GZIPPED = {"content-encoding": "gzip"}


class Feed:
    """Sends pieces and counts how many were wanted."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.sent += 1
            yield piece


def read(
    feed: Feed, headers: dict[str, str] | None = None, max_bytes: int = LIMIT
) -> bytes:
    """Read a body that arrives in these pieces."""
    answer = httpx.Response(200, headers=headers, content=feed)
    return asyncio.run(read_body(answer, max_bytes))


def bomb() -> Iterable[bytes]:
    """Write 10 GiB of zeros in 10 MiB, never finished."""
    packer = zlib.compressobj(9, wbits=31)
    yield packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush each block stands for itself and can be repeated.
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    yield from repeat(block, 10 * 1024)


# ---- sizes -----------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["", "identity", "Identity, "])
def test_not_packed(coding: str) -> None:
    """What is not packed comes as it is."""
    headers = {"content-encoding": coding}
    assert read(Feed([b"[1,", b"", b"2]"]), headers) == b"[1,2]"


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "identity, gzip"])
def test_packed(coding: str) -> None:
    """What is packed is unpacked, even when it arrives byte by byte."""
    packed = gzip.compress(b"[1,2]" * 1000)
    pieces = [packed[at : at + 1] for at in range(len(packed))]
    assert read(Feed(pieces), {"content-encoding": coding}) == b"[1,2]" * 1000


def test_exactly_the_limit() -> None:
    """The limit itself is allowed, packed or not; one byte more is not."""
    body = bytes(range(256)) * 4
    for pieces, headers in (([body], None), ([gzip.compress(body)], GZIPPED)):
        assert read(Feed(pieces), headers, max_bytes=1024) == body
        with pytest.raises(BodyError, match="expected at most 1,023 bytes"):
            read(Feed(pieces), headers, max_bytes=1023)


def test_a_bomb_is_small() -> None:
    """The test's bomb is what it says: each MiB takes a KiB, in gzip's own words."""
    pieces = [piece for piece, _ in zip(bomb(), range(5), strict=False)]
    assert zlib.decompressobj(31).decompress(b"".join(pieces)) == bytes(5 * MIB)
    assert sum(map(len, pieces[1:])) < 5 * 1100


def test_a_bomb() -> None:
    """Ten gibibytes in ten mebibytes cost a few pieces and the limit in memory."""
    feed = Feed(bomb())
    tracemalloc.start()
    try:
        with pytest.raises(BodyError, match="smaller pages"):
            read(feed, GZIPPED)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert feed.sent <= 3
    assert peak < 3 * LIMIT


def test_a_bomb_in_one_piece() -> None:
    """Even one piece is not unpacked further than the limit."""
    piece = gzip.compress(bytes(64 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(BodyError, match="smaller pages"):
            read(Feed([piece]), GZIPPED)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * LIMIT


def test_crumbs() -> None:
    """A body in two-byte pieces takes no more memory than in one."""
    limit = 100_000
    crumbs = (b"%d" % (10 + at % 90) for at in range(limit // 2))
    tracemalloc.start()
    try:
        body = read(Feed(crumbs), max_bytes=limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == limit
    assert peak < 5 * limit


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 5000])
@pytest.mark.parametrize("headers", [{}, GZIPPED])
def test_too_much_is_announced(length: str, headers: dict[str, str]) -> None:
    """Nothing is read of a body that is too long by its own account."""
    feed = Feed([b"x"])
    with pytest.raises(BodyError, match="smaller pages"):
        read(feed, headers | {"content-length": length})
    assert feed.sent == 0


def test_an_endless_header() -> None:
    """A gzip file name that never ends fills no memory and ends, too."""
    with_name = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"
    feed = Feed([with_name, *repeat(b"n" * LIMIT, 100)])
    with pytest.raises(BodyError, match="smaller pages"):
        read(feed, GZIPPED)
    assert feed.sent == 3


def test_endless_empty_members() -> None:
    """Packed nothings do not go on for ever."""
    feed = Feed(repeat(gzip.compress(b""), 100_000))
    with pytest.raises(BodyError, match="at most 1000 gzip members"):
        read(feed, GZIPPED)
    assert feed.sent == 1001


# ---- damage ----------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br"])
def test_unknown_packing(coding: str) -> None:
    """What we did not ask for is named and not read."""
    feed = Feed([b"x"])
    with pytest.raises(BodyError, match=f"got Content-Encoding {coding}"):
        read(feed, {"content-encoding": coding})
    assert feed.sent == 0


def test_said_to_be_packed() -> None:
    """Plain text under a gzip header is no body."""
    with pytest.raises(BodyError, match="expected gzip") as caught:
        read(Feed([b'{"status_code": 1000}']), GZIPPED)
    assert isinstance(caught.value.__cause__, zlib.error)


def test_nothing_packed() -> None:
    """An answer without a body is empty, whatever it says about the packing."""
    assert read(Feed([]), GZIPPED) == b""


def test_a_wrong_checksum() -> None:
    """A body that was changed on the way is no body."""
    packed = bytearray(gzip.compress(b"[1,2]"))
    packed[-5] ^= 1
    with pytest.raises(BodyError, match="expected gzip"):
        read(Feed([bytes(packed)]), GZIPPED)


@st.composite
def packed_bodies(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Some gzip members in a row, cut somewhere."""
    members = draw(st.lists(st.binary(max_size=200), min_size=1, max_size=3))
    repeats = draw(st.sampled_from([1, 1000]))
    whole = b"".join(gzip.compress(member * repeats) for member in members)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    edges = zip([0, *cuts], [*cuts, len(whole)], strict=True)
    return b"".join(one * repeats for one in members), [whole[a:b] for a, b in edges]


@given(packed_bodies())
def test_any_body(given: tuple[bytes, list[bytes]]) -> None:
    """Members in a row are one body, wherever the network cuts them."""
    body, pieces = given
    unpacker = Gunzip()
    assert b"".join(part for one in pieces for part in unpacker.feed(one)) == body
    unpacker.finish()


@given(st.binary(max_size=200), st.data())
def test_every_truncation(body: bytes, data: st.DataObject) -> None:
    """No beginning of a body is taken for the whole."""
    packed = gzip.compress(body)
    kept = packed[: data.draw(st.integers(1, len(packed) - 1))]
    with pytest.raises(BodyError, match="got the beginning of one"):
        read(Feed([kept]), GZIPPED)


def test_output_at_the_step() -> None:
    """What zlib holds back when its room is full is not lost at the end."""
    for size in range(64 * 1024 - 300, 64 * 1024 + 300, 7):
        unpacker = Gunzip()
        packed = gzip.compress(bytes(size))
        assert sum(len(part) for part in unpacker.feed(packed)) == size
        unpacker.finish()


@given(st.binary(max_size=300))
def test_any_bytes(garbage: bytes) -> None:
    """Bytes that are no gzip end as our own error and nothing else."""
    unpacker = Gunzip()
    try:
        for _ in unpacker.feed(b"\x1f\x8b" + garbage):
            pass
        unpacker.finish()
    except BodyError:
        return
    pytest.fail("random bytes have no valid checksum")


def test_we_ask_for_what_we_can_read() -> None:
    """The header we send names a packing that is accepted."""
    assert read(Feed([gzip.compress(b"1")]), {"content-encoding": ACCEPT_ENCODING})
