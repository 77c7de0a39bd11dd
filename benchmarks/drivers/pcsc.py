"""PC/SC readers, and the lamps of one, on the real pcscd with virtual cards."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from benchmarks.drivers import lamps
from benchmarks.drivers.peers import Stamp
from benchmarks.drivers.subject import NS_PER_MS, Subject
from drivers.readers.pcsc import PcscReader
from tests.stack.pcscd import Pcscd, why_unavailable
from tests.stack.virtual_card import GET_UID, VirtualCard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.drivers.process import DriverProcess

_PAIRS: Final = 4
_LAYINGS: Final = 5  # pcscd looks at each virtual reader every 0.4 s


class _StampedCard(VirtualCard):
    """A card that notes when it tells its number."""

    def __init__(self, number: int, port: int) -> None:
        super().__init__(b"\x04" + number.to_bytes(6), port=port)
        self.stamp = Stamp()

    def _answer(self, message: bytes) -> bytes | None:
        answer = super()._answer(message)
        if message.startswith(GET_UID):
            self.stamp.note()
        return answer


class Bench:
    """pcscd, if it can be had; else `problem` says why not."""

    def __init__(self, directory: Path) -> None:
        self.problem = why_unavailable()
        self._pcscd = None if self.problem else Pcscd(directory, pairs=_PAIRS)

    @contextmanager
    def running(self) -> Iterator[list[AbstractContextManager[Subject]]]:
        """Run it; give what there is to measure."""
        with ExitStack() as stack:
            if self._pcscd is not None:
                # Also if Ctrl-C comes while it starts.
                stack.callback(self._pcscd.kill)
                try:
                    stack.enter_context(self._pcscd)
                except (OSError, RuntimeError) as err:
                    self.problem = f"pcscd does not start: {err}"
            if self._pcscd is None or self.problem:
                yield []
                return
            # One slot of each pair: the other one shares its library's state.
            slots = {one.reader: one.port for one in self._pcscd.slots[::2]}
            yield [nullcontext(_reader(slots)), nullcontext(_lamps(next(iter(slots))))]


def _reader(slots: dict[str, int]) -> Subject:
    return Subject(
        what="reader pcsc",
        driver=PcscReader,
        ready="ReaderUp",
        idles="asks pcscd every 5 s",
        sample=lambda process, number: _lay_cards(process, number, slots),
        samples=_LAYINGS,
        path="answer to event",
        note="through a virtual reader and pcscd",
    )


def _lamps(reader: str) -> Subject:
    return Subject(
        what="indicator acs",
        opener=lamps.show,
        options={"kind": "acs", "match": reader},
        ready=lamps.Shown.__name__,
        idles="a blink every 3 s, through pcscd",
    )


def _lay_cards(
    process: DriverProcess, number: int, slots: dict[str, int]
) -> list[float]:
    """Lay a card on each reader, and lift all of them."""
    took: list[float] = []
    with ExitStack() as stack:
        cards = {
            reader: stack.enter_context(_StampedCard(number, port))
            for reader, port in slots.items()
        }
        for _ in cards:
            arrived = process.wait_for("CardArrived")
            told_ns = cards[arrived.slot].stamp.at_ns
            took.append((arrived.at_ns - told_ns) / NS_PER_MS)
    for _ in slots:
        process.wait_for("CardLeft")
    return took
