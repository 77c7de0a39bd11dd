"""What every format with a checksum bears: fragments, noise and damage."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.readers.formats.framing import HALF_FRAME_S, CardReport
from tests.drivers.readers.formats.wires import WIRES, Wire, feed, split

cuts = st.lists(st.integers(0, 500))
noise = st.binary(max_size=60)
wires = pytest.mark.parametrize("wire", WIRES, ids=repr)


def cards(wire: Wire, *pieces: bytes) -> set[CardReport]:
    """Tell which cards a fresh codec makes of these bytes."""
    frames = feed(wire.start(), pieces)
    return {card for frame in frames if (card := wire.card(frame)) is not None}


@wires
@given(data=st.data(), cuts=cuts)
def test_fragments_change_nothing(
    wire: Wire, data: st.DataObject, cuts: list[int]
) -> None:
    """Wherever the bytes are cut, and however frames are glued, each comes out once."""
    frames = data.draw(st.lists(wire.frames, max_size=5))
    stream = b"".join(map(wire.build, frames))
    assert feed(wire.start(), split(stream, cuts)) == frames
    assert feed(wire.start(), [stream]) == frames


@wires
@given(data=st.data())
def test_one_byte_at_a_time(wire: Wire, data: st.DataObject) -> None:
    """A slow line is a line."""
    frame = data.draw(wire.frames)
    stream = wire.build(frame)
    assert feed(wire.start(), split(stream, range(len(stream)))) == [frame]


@wires
@given(data=st.data(), noise=noise, cuts=cuts)
def test_a_frame_after_noise_is_found_at_once(
    wire: Wire, data: st.DataObject, noise: bytes, cuts: list[int]
) -> None:
    """Garbage that cannot begin a frame costs nothing."""
    frame = data.draw(wire.frames)
    garbage = noise.translate(None, wire.mark) if wire.mark else b""
    end = b"\r" if wire.name == "twn4-ascii" else b""
    stream = garbage + end + wire.build(frame)
    assert feed(wire.start(), split(stream, cuts)) == [frame]


@wires
@given(data=st.data(), noise=noise, cuts=cuts)
def test_any_noise_is_over_after_a_pause(
    wire: Wire, data: st.DataObject, noise: bytes, cuts: list[int]
) -> None:
    """Whatever came before a silence hides nothing that comes after it."""
    frame = data.draw(wire.frames)
    codec = wire.start()
    feed(codec, split(noise, cuts))
    assert feed(codec, [wire.build(frame)], at=60) == [frame]


@wires
@given(data=st.data(), noise=noise, cuts=cuts)
def test_noise_between_frames_makes_no_card(
    wire: Wire, data: st.DataObject, noise: bytes, cuts: list[int]
) -> None:
    """Frames may be lost in noise; no card comes out that was not sent."""
    frames = data.draw(st.lists(wire.frames, min_size=1, max_size=3))
    stream = noise.join(map(wire.build, frames)) + noise
    assert cards(wire, *split(stream, cuts)) <= {wire.card(frame) for frame in frames}


@wires
@given(data=st.data())
def test_a_truncated_frame_is_none(wire: Wire, data: st.DataObject) -> None:
    """Without its end a frame is nothing, and the next one is whole."""
    frame, after = data.draw(wire.frames), data.draw(wire.frames)
    stream = wire.build(frame)
    for end in range(1, len(stream)):
        codec = wire.start()
        assert feed(codec, [stream[:end]]) == []
        assert feed(codec, [wire.build(after)], at=1 + HALF_FRAME_S) == [after]


@wires
@given(data=st.data(), cut=st.integers(1, 500))
def test_a_half_frame_has_its_time(wire: Wire, data: st.DataObject, cut: int) -> None:
    """The other half is awaited for a while, and not for ever."""
    frame = data.draw(wire.frames)
    stream = wire.build(frame)
    at = cut % len(stream)
    head, tail = stream[:at], stream[at:]
    # A PN532 frame is whole without its first byte.
    assume(at > (wire.name == "pn532"))
    soon, late = wire.start(), wire.start()
    assert [*soon.feed(head, 5), *soon.feed(tail, 5 + HALF_FRAME_S / 2)] == [frame]
    assert late.feed(head, 5) == []
    assert frame not in late.feed(tail, 5 + HALF_FRAME_S * 2)


@wires
@given(data=st.data())
def test_a_wrong_bit_never_makes_another_card(wire: Wire, data: st.DataObject) -> None:
    """Each single bit of a frame turned over: that card, or none."""
    frame = data.draw(wire.frames)
    stream = wire.build(frame)
    for bit in range(8 * len(stream)):
        wrong = bytearray(stream)
        wrong[bit // 8] ^= 1 << bit % 8
        assert cards(wire, bytes(wrong)) <= {wire.card(frame)}


@wires
@given(data=st.data())
def test_a_lost_byte_never_makes_another_card(wire: Wire, data: st.DataObject) -> None:
    """A frame that is too short is none, and the next one is found."""
    frame = data.draw(wire.frames)
    stream = wire.build(frame)
    for at in range(len(stream)):
        codec = wire.start()
        found = feed(codec, [stream[:at] + stream[at + 1 :]])
        assert {wire.card(one) for one in found} <= {wire.card(frame), None}
        assert feed(codec, [stream], at=60) == [frame]


@pytest.mark.parametrize(
    "wire", [one for one in WIRES if one.name.startswith("twn4")], ids=repr
)
@given(data=st.data())
def test_bytes_that_changed_places_make_no_other_card(
    wire: Wire, data: st.DataObject
) -> None:
    """A CRC sees their order; the sums and XORs of the other formats cannot."""
    frame = data.draw(wire.frames)
    stream = wire.build(frame)
    for at in range(len(stream) - 1):
        swapped = bytearray(stream)
        swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]
        assert cards(wire, bytes(swapped)) <= {wire.card(frame)}


@wires
def test_endless_noise_takes_no_room(wire: Wire) -> None:
    """What cannot become a frame any more is not kept."""
    codec = wire.start()
    for noise in (b"\x02", b"A", b"\xbd", b"\x00", b"\xff", b"\x00\xff\xff\xff\x01"):
        feed(codec, [noise * 1000] * 20)
        assert len(vars(codec)["_tail"]) < 700
