"""One PC/SC call at a time, where the library of pcscd cannot stand two."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Final

from drivers.indicators.acs_scard import EscapingScard
from drivers.readers import pcsc_turns
from drivers.readers.pcsc_turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

PATIENCE_S: Final = 10.0
#: How long something is watched that must not happen.
WATCHED_S: Final = 0.05
THREADS: Final = 8
#: A driver's list of what it can do: escapes.
FEATURES: Final = [0x13, 4, 0x42, 0, 0, 1]


@contextmanager
def thread(work: Callable[[], None]) -> Iterator[None]:
    """Run a thread, and wait for its end."""
    running = threading.Thread(target=work)
    running.start()
    try:
        yield
    finally:
        running.join(PATIENCE_S)
        assert not running.is_alive()


class Visitor:
    """A thread's stay in a turn: it leaves when it is told to."""

    def __init__(self, turns: Turns, at_most_s: float) -> None:
        self.is_in = threading.Event()
        self.may_leave = threading.Event()
        self._turns = turns
        self._at_most_s = at_most_s

    def stay(self) -> None:
        """Be the thread."""
        with self._turns.take(self._at_most_s):
            self.is_in.set()
            self.may_leave.wait(PATIENCE_S)


def test_nobody_is_let_in_beside_another() -> None:
    """The second waits until the first has left."""
    turns = Turns()
    first, second = Visitor(turns, PATIENCE_S), Visitor(turns, PATIENCE_S)
    with thread(first.stay):
        assert first.is_in.wait(PATIENCE_S)
        with thread(second.stay):
            assert not second.is_in.wait(WATCHED_S)
            first.may_leave.set()
            assert second.is_in.wait(PATIENCE_S)
            second.may_leave.set()


def test_who_hangs_is_overtaken() -> None:
    """It is let in when the time of the one inside is over, and then has its own."""
    turns = Turns()
    hanging, second, third = (Visitor(turns, s) for s in (0.01, PATIENCE_S, PATIENCE_S))
    with thread(hanging.stay):
        assert hanging.is_in.wait(PATIENCE_S)
        with thread(second.stay):
            assert second.is_in.wait(PATIENCE_S)
            # That the first one leaves at last ends nobody else's turn.
            hanging.may_leave.set()
            with thread(third.stay):
                assert not third.is_in.wait(WATCHED_S)
                second.may_leave.set()
                assert third.is_in.wait(PATIENCE_S)
                third.may_leave.set()


class Crowded:
    """A pyscard that notes when two threads are in its calls with handles."""

    def __init__(self) -> None:
        self.crowds = 0
        self.calls: dict[str, int] = {}
        self._inside = 0
        self.module = ModuleType("scard")
        constants = "SCOPE_SYSTEM SHARE_SHARED SHARE_DIRECT LEAVE_CARD PROTOCOL_T0"
        vars(self.module).update(
            {f"SCARD_{name}": number for number, name in enumerate(constants.split())},
            SCARD_PROTOCOL_T1=2,
            SCARD_PCI_T0=1,
            SCARD_PCI_T1=2,
            SCARD_CTL_CODE=lambda code: code,
            SCardEstablishContext=lambda _scope: (0, 1),
            SCardReleaseContext=self._call("SCardReleaseContext", 0),
            SCardConnect=self._call("SCardConnect", (0, 2, 2)),
            SCardStatus=self._call("SCardStatus", (0, "", 0, 2, [0x3B, 0])),
            SCardTransmit=self._call("SCardTransmit", (0, [0x90, 0])),
            SCardControl=self._call("SCardControl", (0, FEATURES)),
            SCardDisconnect=self._call("SCardDisconnect", 0),
        )

    def _call(self, name: str, result: object) -> Callable[..., object]:
        def call(*_: object) -> object:
            self._inside += 1
            time.sleep(0)  # Lets another thread run
            self.crowds += self._inside > 1
            self._inside -= 1
            self.calls[name] = self.calls.get(name, 0) + 1
            return result

        return call


def test_readers_and_indicators_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever several threads do with cards, the library sees one after the other."""
    # No time passes: whom a busy machine holds up inside is not overtaken.
    monkeypatch.setattr(pcsc_turns, "time", SimpleNamespace(monotonic=lambda: 0.0))
    crowded = Crowded()
    scard = EscapingScard(crowded.module)

    def use(_: int) -> None:
        with scard.context() as context:
            with scard.card(context, "reader") as card:
                assert card.transmit(b"\xff") == b"\x90\x00"
            with scard.escaping(context, "reader") as exchange:
                assert exchange(b"\xff") == bytes(FEATURES)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(use, range(THREADS * 20)))
    assert crowded.crowds == 0
    assert set(crowded.calls) == {
        "SCardReleaseContext",
        "SCardConnect",
        "SCardStatus",
        "SCardTransmit",
        "SCardControl",
        "SCardDisconnect",
    }
