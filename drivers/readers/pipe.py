"""A reader without hardware: cards are lines written to a named pipe.

`04A1B2C3D4E5F6` is a tap, `+04A1B2C3D4E5F6` a card laid on, `-` the card lifted. A
number may follow `ISO14443:` (what it is otherwise), `ISO15693:` or `EM4100:`.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the configuration reads this annotation
from typing import TYPE_CHECKING, Final

from drivers.errors import FrameError
from drivers.fifo import LineFifo
from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    Reader,
    ReaderUp,
    Technology,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from drivers.readers.base import ReaderEvent

_CARD: Final = re.compile(
    rf"(?:({'|'.join(Technology)})\s*:\s*)?([0-9A-F]{{2}}(?:[ :.-]?[0-9A-F]{{2}})*)",
    re.ASCII | re.IGNORECASE,
)
_SEPARATORS: Final = str.maketrans("", "", " :.-")


def parse_card(text: str) -> tuple[Technology, bytes]:
    """Parse a number in any case and with separators; raise FrameError if it is none.

    How many bytes a card may have is not judged here, so that wrong ones can be
    tried.
    """
    if not (match := _CARD.fullmatch(text)):
        # The line may hold most of a card number: say what is right, not what came.
        raise FrameError("expected hex digits in pairs, as in 04A1B2C3D4E5F6")
    name, digits = match.groups(default=Technology.ISO14443)
    return Technology(name.upper()), bytes.fromhex(digits.translate(_SEPARATORS))


class CardProtocol:
    """What each line does to the one place where a card can lie.

    Whatever comes next lifts the card that lies there.
    """

    def __init__(self) -> None:
        self._lying = False

    def receive(self, line: str, at: float) -> Iterator[ReaderEvent]:
        """Yield what one line stands for; every arrival is followed by a CardLeft."""
        if self._lying:
            self._lying = False
            yield CardLeft(at)
        if line == "-":
            return
        try:
            technology, uid = parse_card(line.removeprefix("+").lstrip())
        except FrameError as err:
            yield CardUnreadable(str(err), at)
        else:
            yield CardArrived(uid, technology, at)
            self._lying = line.startswith("+")
        if not self._lying:
            yield CardLeft(at)


@dataclass(frozen=True, slots=True)
class PipeReaderConfig:
    """`path`: the named pipe, made when missing."""

    path: Path


class PipeReader(Reader):
    """Reads cards from a named pipe; `monotonic` dates them."""

    Config = PipeReaderConfig

    def __init__(
        self,
        config: PipeReaderConfig,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = config.path
        self._monotonic = monotonic

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield what is written to the pipe, ReaderUp first; no card lies on yet."""
        protocol = CardProtocol()
        with LineFifo(self._path) as fifo:
            yield ReaderUp(f"pipe {self._path}")
            async for line in fifo:
                for event in protocol.receive(line, self._monotonic()):
                    yield event
                # A full pipe has thousands of lines, and its writer fills it again:
                # all others would wait until he tires.
                await asyncio.sleep(0)
