"""Every format that has frames with a checksum, for the tests that all of them pass."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from hypothesis import strategies as st

from drivers.errors import FrameError
from drivers.readers.base import Technology
from drivers.readers.formats import (
    em4100,
    id12,
    pn532,
    pn532_frames,
    rdm6300,
    sl032,
    twn4,
)
from drivers.readers.formats.framing import CardReport, Deframer
from drivers.readers.formats.pn532_frames import Signal
from tests.drivers.readers.modules import build_sl032_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drivers.readers.formats.pn532_frames import Frame


class Feed(Protocol):
    """A codec or a deframer."""

    def feed(self, data: bytes, at: float) -> list[Any]:
        """Take the next bytes; return what they end."""


@dataclass(frozen=True)
class Wire:
    """One format: its codec, random frames of it, and how they look on the wire."""

    name: str
    start: Callable[[], Feed]
    frames: st.SearchStrategy[Any]
    build: Callable[[Any], bytes]
    #: The card that a frame tells of, or None.
    card: Callable[[Any], CardReport | None]
    #: A byte that every frame has to have, and noise may lack.
    mark: bytes = b""

    def __repr__(self) -> str:
        return self.name


CRC = twn4.Mode(ascii_hex=False, crc=True)
HEX_CRC = twn4.Mode(ascii_hex=True, crc=True)

em4100_cards = st.binary(min_size=5, max_size=5).map(
    lambda card: CardReport(card, Technology.EM4100)
)
uids = st.sampled_from([4, 7, 10]).flatmap(
    lambda length: st.binary(min_size=length, max_size=length)
)
# What the module sends: a card and its type, no card, or the firmware's name.
answers = (
    uids.map(lambda uid: sl032.Answer(0x01, 0x00, uid + b"\x09"))
    | st.sampled_from([0x01, 0x0A]).map(lambda no: sl032.Answer(0x01, no, b""))
    | st.binary(max_size=11).map(lambda name: sl032.Answer(0xF0, 0x00, name))
)
payloads = st.binary(min_size=1, max_size=40) | uids.map(
    lambda uid: bytes([0, 1, 0x80, 8 * len(uid), len(uid)]) + uid
)
responses = uids.map(
    lambda uid: bytes.fromhex("D54B01010044 00") + bytes([len(uid)]) + uid
) | st.binary(max_size=40).map(lambda data: b"\xd5\x4b" + data)


def card_of_answer(answer: sl032.Answer) -> CardReport | None:
    """Do what the driver does with an answer of the SL032."""
    if answer.command != sl032.SELECT_CARD:
        return None
    with suppress(FrameError):
        return sl032.parse_card(answer)
    return None


def card_of_payload(payload: bytes) -> CardReport | None:
    """Do what the driver does with an answer of the TWN4."""
    if payload[0] != twn4.ERR_NONE:
        return None
    with suppress(FrameError):
        return twn4.parse_card(payload[1:])
    return None


def card_of_response(frame: Frame) -> CardReport | None:
    """Do what the driver does with a response of the PN532."""
    if isinstance(frame, Signal) or not frame.startswith(b"\xd5\x4b"):
        return None
    with suppress(FrameError):
        return pn532.parse_type_a(frame[2:])
    return None


def wire_of_twn4(name: str, mode: twn4.Mode, mark: bytes) -> Wire:
    """Describe one mode of the TWN4."""
    return Wire(
        name,
        lambda: Deframer(lambda data: twn4.cut_payload(data, mode)),
        payloads,
        lambda payload: twn4.build_frame(payload, mode),
        card_of_payload,
        mark,
    )


WIRES = [
    Wire(
        "rdm6300",
        rdm6300.codec,
        em4100_cards,
        lambda report: em4100.build(report.uid, rdm6300.TAIL),
        lambda report: report,
        em4100.STX,
    ),
    Wire(
        "id12",
        id12.codec,
        em4100_cards,
        lambda report: em4100.build(report.uid, id12.TAIL),
        lambda report: report,
        em4100.STX,
    ),
    Wire(
        "sl032",
        lambda: Deframer(sl032.cut_answer),
        answers,
        lambda one: build_sl032_answer(one.command, one.status, one.data),
        card_of_answer,
        sl032.MODULE,
    ),
    wire_of_twn4("twn4", CRC, b""),
    wire_of_twn4("twn4-ascii", HEX_CRC, b"\r"),
    Wire(
        "pn532",
        lambda: Deframer(pn532_frames.cut),
        responses,
        pn532_frames.build,
        card_of_response,
        b"\xff",
    ),
]


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut bytes anywhere; what is not inside is folded into it."""
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(bounds)]


def feed(codec: Feed, pieces: Iterable[bytes], *, at: float = 0.0) -> list[Any]:
    """Feed pieces that come 10 ms apart; return all that came out."""
    found = []
    for number, piece in enumerate(pieces):
        found += codec.feed(piece, at + number / 100)
    return found
