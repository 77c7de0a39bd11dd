"""The PC/SC reader driver without pcscd: what it tells, and failures at its seam."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from datetime import timedelta
from typing import Final

import pytest

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
)
from drivers.readers.pcsc import PcscConfig, PcscReader
from drivers.readers.pcsc_codes import Code
from drivers.readers.pcsc_scard import Scard
from drivers.readers.pcsc_session import MAX_STUCK, QUEUE_SIZE, Session
from drivers.readers.pcsc_states import Edge
from tests.drivers.readers.pcsc_bench import READER, UID, put_in_place, pyscard

NO_SERVICE: Final = Code.SCARD_E_NO_SERVICE
REFUSED: Final = Code.SCARD_W_SECURITY_VIOLATION
LEFT: Final = CardLeft(2.0, READER)


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
    put_in_place(monkeypatch, pyscard())
    up, arrived = collect(PcscConfig(pattern), 2)
    assert up == ReaderUp(READER)
    assert isinstance(arrived, CardArrived)
    assert (arrived.uid, arrived.slot) == (UID, READER)


def test_access_denied_to_pcscd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may not use pcscd gets the error that is not worth retrying."""
    put_in_place(monkeypatch, pyscard(establish=lambda: REFUSED))
    with pytest.raises(AccessDeniedError, match="access_pcsc"):
        collect(PcscConfig(), 1)


def test_access_denied_to_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may use pcscd, but no card, gets it with the first card."""
    put_in_place(monkeypatch, pyscard(connect=REFUSED))
    assert collect(PcscConfig(), 1) == [ReaderUp(READER)]
    put_in_place(monkeypatch, pyscard(connect=REFUSED))
    with pytest.raises(AccessDeniedError, match="access_card"):
        collect(PcscConfig(), 2)


def test_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One refusal may come from a pcscd that stops; it is tried again."""
    codes = iter([NO_SERVICE, REFUSED, NO_SERVICE, REFUSED])
    put_in_place(monkeypatch, pyscard(establish=lambda: next(codes, 0)))
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
            for edge in (Edge.INSERTED, Edge.EMPTIED) * (MAX_STUCK + 1):
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
