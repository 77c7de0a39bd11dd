"""A pcscd in memory for tests of the PC/SC driver: pyscard, replaced."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import TYPE_CHECKING, Final

from drivers.readers.pcsc_codes import Code
from drivers.readers.pcsc_scard import Scard
from drivers.readers.pcsc_watcher import PNP

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

READER: Final = "Virtual [Contactless] 00 00"
UID: Final = bytes.fromhex("04A1B2C3D4E5F6")


def pyscard(
    *,
    establish: Callable[[], int] = lambda: 0,
    connect: int = 0,
    answer: bytes = UID + b"\x90\x00",
) -> ModuleType:
    """Build a pyscard for one opening; its pcscd has one reader with a card on it."""
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


def put_in_place(monkeypatch: pytest.MonkeyPatch, library: ModuleType) -> None:
    """Let drivers load this one for the real pyscard."""
    monkeypatch.setattr(Scard, "load", lambda: Scard(library))
