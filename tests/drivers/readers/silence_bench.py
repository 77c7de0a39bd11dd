"""Everything that a reader makes the agent say, searched for a card's number."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.card_readers import CardDesk, ReaderPort
from agent.domain.transforms import NOTHING, UidTransform
from agent.health import Health
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.domain.messages import Input
    from agent.domain.tokens import Token
    from agent.domain.uid import Uid
    from drivers.readers.base import Reader

#: So many bytes of a number in a row are taken for a part of it.
PART_BYTES = 3
_NO_DIGITS = re.compile(r"[\W_]+|0x|\\x", re.IGNORECASE)


class Overheard(logging.Handler):
    """Keeps all that is logged by anybody at any level, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line as it would be written, and what it was made of."""
        self.lines += [self.format(record), repr(record.args), repr(record.__dict__)]

    def note(self, *things: object) -> None:
        """Keep what these are shown as."""
        self.lines += [f"{thing!r} {thing}" for thing in things]


@contextmanager
def overhearing() -> Iterator[Overheard]:
    """Listen to all that is logged meanwhile."""
    root = logging.getLogger()
    level, heard = root.level, Overheard()
    root.addHandler(heard)
    root.setLevel(logging.NOTSET)
    try:
        yield heard
    finally:
        root.removeHandler(heard)
        root.setLevel(level)


def find_traces(text: str, uid: bytes) -> list[str]:
    """Find the number in a text: whole or in parts, in any spelling or order."""
    plain = _NO_DIGITS.sub("", text).upper()
    found = [spelling for spelling in _spellings(uid) if spelling and spelling in plain]
    listed = re.sub(r"\s", "", text)
    for part in _parts(uid):
        digits = ",".join(map(str, part))
        if re.search(rf"(?<!\d){digits}(?!\d)", listed):
            found.append(digits)
    return found


def _parts(uid: bytes) -> list[bytes]:
    return [
        order[at : at + PART_BYTES]
        for order in (uid, uid[::-1])
        for at in range(len(order) - PART_BYTES + 1)
    ]


def _spellings(uid: bytes) -> set[str]:
    whole = {
        str(int.from_bytes(order[at:]))
        for order in (uid, uid[::-1])
        for at in (0, max(len(uid) - 4, 0), max(len(uid) - 3, 0))
    }
    pieces = {part.hex().upper() for part in _parts(uid)}
    texts = {part.decode("latin-1").upper() for part in _parts(uid)}
    return whole | pieces | {text for text in texts if text.isalnum()}


class Station:
    """A reader at work as the agent has it; all that is said of it is kept."""

    def __init__(self, driver: Reader, transform: UidTransform = NOTHING) -> None:
        clock = FakeClock()
        self.health = Health(clock)
        self.inputs: list[Input] = []
        desk = CardDesk(
            find=self._find,
            on_damage=lambda: None,
            fingerprint=lambda _: "fingerprint",
            new_id=lambda: "tap",
            clock=clock,
            health=self.health,
        )
        self.port = ReaderPort(
            "front", driver, desk, self.inputs.append, self.health, transform=transform
        )

    @contextmanager
    def at_work(self, heard: Overheard) -> Iterator[None]:
        """Run it, with a loop that tells of every step; note what is there after it."""
        loop = asyncio.get_running_loop()
        loop.set_debug(enabled=True)
        loop.slow_callback_duration = 0
        task = asyncio.create_task(self.port.run())
        try:
            yield
        finally:
            heard.note(self.port, self.port.driver, task, *self.inputs)
            heard.note(*self.health.conditions())
            task.cancel()

    def _find(self, uid: Uid) -> list[Token]:
        del uid
        return []
