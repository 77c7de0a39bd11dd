"""The PC/SC reader driver without pcscd: what is pure, and failures at its seam."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from datetime import timedelta
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import (
    AccessDeniedError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers import pcsc_card, pcsc_scard, pcsc_watcher
from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderDown,
    ReaderEvent,
    ReaderUp,
    Technology,
)
from drivers.readers.pcsc import PcscConfig, PcscReader
from drivers.readers.pcsc_card import (
    read_uid,
    technology_of,
)
from drivers.readers.pcsc_codes import Code, ScardError, error_for, explain
from drivers.readers.pcsc_scard import Scard
from drivers.readers.pcsc_session import MAX_STUCK, QUEUE_SIZE, Session
from drivers.readers.pcsc_slot import Slot
from drivers.readers.pcsc_states import CHANGED, Edge, edges, settled
from drivers.readers.pcsc_watcher import PNP
from drivers.readers.uids import UnreadableCardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

READER: Final = "Virtual [Contactless] 00 00"
UID: Final = bytes.fromhex("04A1B2C3D4E5F6")
NO_SERVICE: Final = Code.SCARD_E_NO_SERVICE
REFUSED: Final = Code.SCARD_W_SECURITY_VIOLATION

LOST, EMPTIED, INSERTED = Edge.LOST, Edge.EMPTIED, Edge.INSERTED


# State words and their edges


@pytest.mark.parametrize(
    ("previous", "state", "expected"),
    [
        # At first sight
        (None, 0x0001_0022, (LOST, INSERTED)),
        (None, 0x0000_0012, (LOST, EMPTIED)),
        (None, 0x0000_0002, ()),
        # In use
        (0x0000_0010, 0x0001_0022, (INSERTED,)),
        (0x0001_0020, 0x0002_0012, (EMPTIED,)),
        (0x0001_0020, 0x0001_0122, ()),
        (0xFFFF_0020, 0x0000_0012, (EMPTIED,)),
        # A swap, and a tap too short to be seen
        (0x0001_0020, 0x0003_0022, (EMPTIED, INSERTED)),
        (0x0002_0010, 0x0004_0012, (INSERTED, EMPTIED)),
        # pcscd shows what happened, and counts it a moment later
        (0x0004_0010, 0x0004_0022, (INSERTED,)),
        (0x0004_0020, 0x0005_0022, (LOST, INSERTED)),
        (0x0005_0020, 0x0005_0012, (EMPTIED,)),
        (0x0005_0010, 0x0006_0012, (LOST, EMPTIED)),
        (0xFFFF_0010, 0x0000_0012, (LOST, EMPTIED)),
        # The reader goes, and comes back counting from the beginning
        (0x0006_0010, 0x0000_000E, (LOST,)),
        (0x0000_000C, 0x0001_0022, (LOST, INSERTED)),
        (0x0005_0020, 0x0001_0022, (LOST, INSERTED)),
        (0x0006_0010, 0x0000_0012, (LOST, EMPTIED)),
    ],
)
def test_edges(previous: int | None, state: int, expected: tuple[Edge, ...]) -> None:
    """Each pair of state words has its edges."""
    assert edges(previous, state) == expected


def words() -> st.SearchStrategy[int]:
    """Build state words: a counter, and any of the bits."""
    return st.builds(
        lambda count, bits: count << 16 | bits,
        st.integers(0, 0xFFFF),
        st.integers(0, 0x7FF),
    )


def history(states: Sequence[int]) -> list[Edge]:
    """Give all edges of a reader's life."""
    before: list[int | None] = [None, *map(settled, states)]
    pairs = zip(before, states, strict=False)
    return [edge for previous, state in pairs for edge in edges(previous, state)]


@given(st.lists(words(), max_size=12))
def test_no_edge_comes_twice(states: list[int]) -> None:
    """No insertion follows another, and no removal, without something between."""
    told = history(states)
    assert all(
        later is LOST or later is not earlier for earlier, later in pairwise(told)
    )


@given(words(), st.integers(0, 0x7FF))
def test_other_bits_are_no_edge(word: int, noise: int) -> None:
    """Use, exclusiveness, muteness and the changed bit tell nothing of the field."""
    assert edges(settled(word), word) in ((), (LOST,))
    seen = word & ~0x3F | 0x20
    assert edges(seen, seen | noise & ~0x3F | CHANGED) == ()


# A slot's events


card_events = st.one_of(
    st.sampled_from([b"\x01" * 4, b"\x02" * 4]).map(
        lambda uid: CardArrived(uid, Technology.ISO14443, 0, READER)
    ),
    st.just(CardUnreadable("mute", 0, READER)),
)
slot_inputs = st.one_of(
    st.sampled_from(["lost", "inserted", "emptied", "still_empty"]), card_events
)


def play(
    slot: Slot, inputs: Sequence[str | CardArrived | CardUnreadable]
) -> Iterator[ReaderEvent]:
    """Feed a slot as a session does, and give its events."""
    for item in inputs:
        match item:
            case "lost":
                slot.lost()
            case "inserted":
                slot.inserted()
            case "emptied":
                yield from slot.emptied(0)
            case "still_empty":
                if slot.in_doubt:
                    yield from slot.still_empty(0)
            case CardArrived() | CardUnreadable():
                if slot.reading:
                    yield from slot.read(item)


@given(st.lists(slot_inputs, max_size=20))
def test_arrivals_and_departures_alternate(
    inputs: list[str | CardArrived | CardUnreadable],
) -> None:
    """Every arrival is followed by one CardLeft before the next arrival."""
    slot = Slot(READER)
    told = list(play(slot, inputs))
    assert [isinstance(event, CardLeft) for event in told] == [
        bool(index % 2) for index in range(len(told))
    ]
    assert slot.holds_card == bool(len(told) % 2)


CARD: Final = CardArrived(UID, Technology.ISO14443, 1.0, READER)
OTHER: Final = CardArrived(UID[::-1], Technology.ISO14443, 2.0, READER)
MUTE: Final = CardUnreadable("mute", 2.0, READER)
LEFT: Final = CardLeft(2.0, READER)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (CARD, CARD, []),
        (CARD, MUTE, []),
        (CARD, OTHER, [LEFT, OTHER]),
        (MUTE, MUTE, []),
        (MUTE, OTHER, [LEFT, OTHER]),
    ],
)
def test_card_seen_again_after_the_reader_was_away(
    before: CardArrived | CardUnreadable,
    after: CardArrived | CardUnreadable,
    expected: list[ReaderEvent],
) -> None:
    """Only a card that proves to be another one is told of."""
    slot = Slot(READER)
    slot.inserted()
    assert slot.read(before) == [before]
    slot.lost()
    assert slot.emptied(1.5) == []
    slot.inserted()
    assert slot.read(after) == expected
    assert slot.emptied(3.0) == [CardLeft(3.0, READER)]


def test_card_gone_when_the_reader_is_back() -> None:
    """An empty field is believed once it stays empty."""
    slot = Slot(READER)
    slot.inserted()
    slot.read(CARD)
    slot.lost()
    assert slot.emptied(1.5) == []
    assert slot.in_doubt
    assert slot.still_empty(2.0) == [LEFT]
    assert not slot.holds_card


# Codes


def test_refused_access_names_the_rule() -> None:
    """A user whom polkit refuses learns which file grants which actions."""
    error = error_for("SCardEstablishContext", REFUSED, opening=True)
    assert isinstance(error, AccessDeniedError)
    for word in (
        "50-rfid-agent.rules",
        "org.debian.pcsc-lite.access_pcsc",
        "org.debian.pcsc-lite.access_card",
        "0x8010006A",
    ):
        assert word in str(error)


def test_connection_reset_is_no_refusal() -> None:
    """Inside an open context the code of a refusal means that pcscd went away."""
    error = error_for("SCardGetStatusChange", REFUSED, opening=False)
    assert isinstance(error, ScardError)
    assert explain(error.code) == explain(NO_SERVICE)


@pytest.mark.parametrize("code", [code for code in Code if code])
def test_every_code_has_a_message(code: Code) -> None:
    """A message names the code, or says how to start pcscd."""
    message = str(error_for("SCardConnect", code, opening=True))
    assert message.startswith("SCardConnect: ")
    assert f"{code.name}, 0x{code:08X}" in message or "systemctl start" in message


def test_unknown_code() -> None:
    """A code without a name is shown as it is."""
    assert explain(0x801000FF) == "unknown PC/SC result 0x801000FF"


# Card answers


def test_uid_is_the_answer_without_its_status() -> None:
    """GET DATA gives the uid, then 90 00."""
    assert read_uid(lambda _: UID + b"\x90\x00") == UID


def test_wrong_le_is_corrected() -> None:
    """A reader that wants the exact length is asked again with it."""
    answers = {
        bytes.fromhex("FFCA000000"): bytes.fromhex("6C07"),
        bytes.fromhex("FFCA000007"): UID + b"\x90\x00",
    }
    assert read_uid(answers.__getitem__) == UID


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "torn"),
        (b"\x90", "got 90"),
        (b"\x90\x00", "90 00 alone"),
        (b"\x63\x00", "got 63 00"),
        (b"\x6c\x07", "got 6C 07"),
        (UID, "got 7 other bytes"),
    ],
)
def test_answer_without_a_uid(answer: bytes, reason: str) -> None:
    """What came instead is named, but never by bytes that may be a card number."""
    with pytest.raises(UnreadableCardError, match=reason):
        read_uid(lambda _: answer)


@given(st.binary(min_size=3, max_size=12).filter(lambda a: a[-2:] != b"\x90\x00"))
def test_no_message_shows_the_answer(answer: bytes) -> None:
    """An answer that may hold a uid is in no message."""
    with pytest.raises(UnreadableCardError, match=f"got {len(answer)} other bytes$"):
        read_uid(lambda _: answer)


@pytest.mark.parametrize(
    ("atr", "technology"),
    [
        ("3B8F8001804F0CA000000306030001000000006A", Technology.ISO14443),
        ("3B8F8001804F0CA0000003060B00140000000077", Technology.ISO15693),
        ("3B8F8001804F0CA0000003060C00000000000064", Technology.ISO15693),
        ("3B8F8001804F0CA000000306", Technology.ISO14443),
        ("3B8180018080", Technology.ISO14443),
        ("", Technology.ISO14443),
    ],
)
def test_technology_of_an_atr(atr: str, technology: Technology) -> None:
    """Only a storage card's ATR names another standard than ISO/IEC 14443."""
    assert technology_of(bytes.fromhex(atr)) is technology


# The seam: pyscard replaced


def pyscard(
    *,
    establish: Callable[[], int] = lambda: 0,
    connect: int = 0,
    answer: bytes = UID + b"\x90\x00",
) -> ModuleType:
    """Build a pyscard whose pcscd has one reader with a card on it."""
    cancelled = threading.Event()

    def wait(
        _context: int, timeout_ms: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        if (READER, 0) in states:
            return 0, [(READER, 0x0001_0022, []), (PNP, 0, [])]
        cancelled.wait(timeout_ms / 1000)
        return Code.SCARD_E_CANCELLED, []

    module = ModuleType("scard")
    constants = "SCOPE_SYSTEM SHARE_SHARED LEAVE_CARD PROTOCOL_T0 PROTOCOL_T1"
    vars(module).update(
        {f"SCARD_{name}": number for number, name in enumerate(constants.split())},
        SCARD_PCI_T0=1,
        SCARD_PCI_T1=2,
        SCardEstablishContext=lambda _scope: (establish(), 1),
        SCardReleaseContext=lambda _context: 0,
        SCardListReaders=lambda _context, _groups: (0, [READER]),
        SCardGetStatusChange=wait,
        SCardCancel=lambda _context: cancelled.set(),
        SCardConnect=lambda *_: (connect, 2, 3),
        SCardStatus=lambda _card: (0, READER, 0, 3, [0x3B, 0x00]),
        SCardTransmit=lambda *_: (0, list(answer)),
        SCardDisconnect=lambda *_: 0,
    )
    return module


def collect(config: PcscConfig, count: int) -> list[ReaderEvent]:
    """Give the driver's first events."""

    async def scenario() -> list[ReaderEvent]:
        async with aclosing(PcscReader(config).events()) as events:
            return [await anext(events) for _ in range(count)]

    return asyncio.run(scenario())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcsc_watcher, "RETRY_S", 0.01)
    monkeypatch.setattr(pcsc_card, "RETRY_S", 0.01)


@pytest.mark.parametrize("pattern", [READER, "*", "Virtual*"])
def test_reader_name_or_pattern(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    """A name with brackets matches itself, as it does a pattern."""
    monkeypatch.setattr(Scard, "load", lambda: Scard(pyscard()))
    up, arrived = collect(PcscConfig(pattern), 2)
    assert up == ReaderUp(READER)
    assert isinstance(arrived, CardArrived)
    assert (arrived.uid, arrived.slot) == (UID, READER)


def test_access_denied_to_pcscd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may not use pcscd gets the error that is not worth retrying."""
    monkeypatch.setattr(
        Scard, "load", lambda: Scard(pyscard(establish=lambda: REFUSED))
    )
    with pytest.raises(AccessDeniedError, match="access_pcsc"):
        collect(PcscConfig(), 1)


def test_access_denied_to_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may use pcscd, but no card, gets it with the first card."""
    monkeypatch.setattr(Scard, "load", lambda: Scard(pyscard(connect=REFUSED)))
    assert collect(PcscConfig(), 1) == [ReaderUp(READER)]
    with pytest.raises(AccessDeniedError, match="access_card"):
        collect(PcscConfig(), 2)


def test_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One refusal may come from a pcscd that stops; it is tried again."""
    codes = iter([NO_SERVICE, REFUSED, NO_SERVICE, REFUSED])
    library = pyscard(establish=lambda: next(codes, 0))
    monkeypatch.setattr(Scard, "load", lambda: Scard(library))
    down, up = collect(PcscConfig(), 2)
    assert isinstance(down, ReaderDown)
    assert up == ReaderUp(READER)


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the PC/SC library the error names the package."""
    monkeypatch.setattr(pcsc_scard, "PCSC_LIBRARY", "libpcsclite-missing.so.1")
    with pytest.raises(UnsupportedDeviceError, match="libpcsclite1"):
        collect(PcscConfig(), 1)


def threads_of_cards() -> set[threading.Thread]:
    """Give the threads that read a card on the reader now."""
    return {one for one in threading.enumerate() if one.name.endswith(READER)}


def test_reader_that_hangs() -> None:
    """Cards on a reader that never answers block few threads, then are refused."""
    answers = threading.Event()
    before = threads_of_cards()  # Those of another test may just be ending

    def hang(*_: object) -> tuple[int, list[int]]:
        answers.wait()
        return 0, []

    async def scenario() -> list[str]:
        library = pyscard()
        vars(library).update(SCardTransmit=hang)
        session = Session(Scard(library), "none", timedelta(seconds=9), lambda: 0.0)
        try:
            for edge in (INSERTED, EMPTIED) * (MAX_STUCK + 1):
                session._on_edge(READER, edge)
            stuck = threads_of_cards() - before
            assert len(stuck) == MAX_STUCK
            told = [await session.next_event() for _ in range(2 * MAX_STUCK + 2)]
        finally:
            await session.close()
        return [card.reason for card in told if isinstance(card, CardUnreadable)]

    try:
        *torn, last = asyncio.run(scenario())
    finally:
        answers.set()
    assert all("torn" in reason for reason in torn)
    assert "hangs" in last


def test_events_that_nobody_takes() -> None:
    """A consumer that stands still is told so after what it missed."""

    async def scenario() -> list[ReaderEvent]:
        library = pyscard(establish=lambda: NO_SERVICE)
        session = Session(Scard(library), "*", timedelta(seconds=1), lambda: 0.0)
        try:
            session._put(*[LEFT] * QUEUE_SIZE * 2)
            taken = [await session.next_event() for _ in range(QUEUE_SIZE)]
            with pytest.raises(TransientDeviceError, match="not taken"):
                await session.next_event()
        finally:
            await session.close()
        return taken

    assert asyncio.run(scenario()) == [LEFT] * QUEUE_SIZE
