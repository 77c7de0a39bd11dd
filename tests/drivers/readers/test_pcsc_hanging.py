"""A pcscd that is there and does not answer."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.findings import Finding
from drivers.indicators.acs import AcsIndicator, AcsIndicatorConfig
from drivers.indicators.acs_commands import Model
from drivers.readers import pcsc_listing, pcsc_session
from drivers.readers.base import ReaderDown, ReaderUp
from drivers.readers.pcsc import PcscConfig, PcscReader
from drivers.readers.pcsc_codes import Code, HangingPcscdError
from drivers.readers.pcsc_listing import list_readers
from drivers.readers.pcsc_watcher import PNP
from tests.drivers.readers.pcsc_bench import READER, put_in_place, pyscard

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 10.0
RESTART = "systemctl restart pcscd"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Have a pcscd that answers once this is set."""
    answering = threading.Event()

    def establish() -> int:
        answering.wait(PATIENCE_S)
        return 0

    put_in_place(monkeypatch, pyscard(establish=establish))
    monkeypatch.setattr(pcsc_listing, "ANSWERS_WITHIN_S", 0.01)
    yield answering
    answering.set()


def test_looking_at_readers_ends_in_time(
    answers: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who only wants to look is told what to do, and looks again when it answers."""
    with pytest.raises(HangingPcscdError, match=RESTART) as caught:
        list_readers()
    assert isinstance(caught.value, TransientDeviceError)
    answers.set()
    monkeypatch.setattr(pcsc_listing, "ANSWERS_WITHIN_S", PATIENCE_S)
    assert list_readers() == [READER]


@pytest.mark.usefixtures("answers")
def test_doctor_names_it() -> None:
    """Reader and indicator each say that pcscd hangs, and look no further."""
    reader = PcscReader(PcscConfig())
    lamps = AcsIndicator(AcsIndicatorConfig(model=Model.ACR122U))
    for findings in (reader.check(), lamps.check()):
        (finding,) = findings
        assert finding == Finding("pcscd", finding.problem)
        assert RESTART in finding.problem


def test_a_reader_is_down_while_pcscd_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once each way, though nothing is known but that time passes."""
    now = 0.0
    answering = threading.Event()
    cancelled = threading.Event()
    library = pyscard()

    def wait(*_: object) -> tuple[int, list[tuple[str, int, list[int]]]]:
        answering.wait(PATIENCE_S)
        if cancelled.is_set():
            return Code.SCARD_E_CANCELLED, []
        answering.clear()
        return 0, [(READER, 0x0000_0012, []), (PNP, 0, [])]

    def cancel(_context: int) -> None:
        cancelled.set()
        answering.set()

    vars(library).update(SCardGetStatusChange=wait, SCardCancel=cancel)
    put_in_place(monkeypatch, library)
    monkeypatch.setattr(pcsc_session, "LOOK_S", 0.01)

    async def scenario() -> None:
        nonlocal now
        reader = PcscReader(PcscConfig(), monotonic=lambda: now)
        async with aclosing(reader.events()) as events:
            assert await anext(events) == ReaderUp(READER)
            now = pcsc_session.SILENT_S + 1
            down = await anext(events)
            assert isinstance(down, ReaderDown)
            assert RESTART in down.reason
            answering.set()
            assert await anext(events) == ReaderUp(READER)
            now *= 2
            assert isinstance(await anext(events), ReaderDown)

    asyncio.run(scenario())
