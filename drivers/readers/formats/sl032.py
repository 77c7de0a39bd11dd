"""StrongLink SL032 and SL025 on their serial line: one question, one answer.

Host `BA Len Cmd Data CK`, module `BD Len Cmd Status Data CK`; Len counts Cmd to CK, and
CK is the XOR of all bytes before it (SL032 user manual, communication format).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Final

from drivers.errors import FrameError
from drivers.readers.base import Technology
from drivers.readers.formats.dialogue import Dialogue, Module
from drivers.readers.formats.framing import CardReport, Cut
from drivers.readers.uids import UnreadableCardError, find_flaw

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.formats.dialogue import Line

BAUDRATE: Final = 115200  # Of an SL025 by default; two resistors tell

HOST: Final = 0xBA
MODULE: Final = b"\xbd"
SELECT_CARD: Final = 0x01
GET_FIRMWARE: Final = 0xF0

OK: Final = 0x00
NO_TAG: Final = 0x01
COLLISION: Final = 0x0A

_MIN_LEN: Final = 3  # Cmd, Status, CK
_MAX_LEN: Final = 40  # Above all answers; a longer one is garbage


@dataclass(frozen=True, slots=True)
class Answer:
    """One valid frame of the module; `data` may hold a card number."""

    command: int
    status: int
    data: bytes

    def __repr__(self) -> str:
        """Name everything but the data."""
        return f"Answer({self.command:02X}, {self.status:02X}, {len(self.data)} bytes)"


class Sl032(Module):
    """Selects whatever card is in the field."""

    def __init__(self, line: Line, monotonic: Callable[[], float]) -> None:
        self._dialogue = Dialogue(line, cut_answer, monotonic)

    async def start(self) -> str:
        """Ask for the firmware's name, which tells the module as well."""
        answer = await self._dialogue.repeat(lambda: self._ask(GET_FIRMWARE))
        if answer.status != OK:
            return "StrongLink module"
        text = answer.data.decode("ascii", errors="replace")
        return "".join(char for char in text if char.isprintable()).strip()

    async def find(self) -> CardReport | None:
        """Ask once for the card in the field, None if there is none."""
        return await self._dialogue.repeat(self._select)

    async def tell(self, command: bytes) -> None:
        """Give a command that is a code and its data."""

        async def give() -> None:
            answer = await self._ask(command[0], command[1:])
            if answer.status != OK:
                raise FrameError(f"expected status 00, got {answer.status:02X}")

        await self._dialogue.once(give)

    async def _select(self) -> CardReport | None:
        return parse_card(await self._ask(SELECT_CARD))

    async def _ask(self, command: int, data: bytes = b"") -> Answer:
        await self._dialogue.say(build_request(command, data))
        while (answer := await self._dialogue.hear()).command != command:
            pass
        return answer


def build_request(command: int, data: bytes = b"") -> bytes:
    """Build a frame from the host."""
    body = bytes([HOST, len(data) + 2, command]) + data
    return body + bytes([reduce(xor, body)])


def cut_answer(data: bytes) -> Cut[Answer] | None:
    """Cut the first frame of the module off, or the garbage before it.

    What begins like a frame and is none is dropped with all that came: a number of a
    card may look like a frame itself, and the XOR would fit one time in 256.
    """
    start = data.find(MODULE)
    if start:
        return Cut(start if start > 0 else len(data))
    if len(data) < 2:  # noqa: PLR2004 - the preamble and Len
        return None
    if not _MIN_LEN <= data[1] <= _MAX_LEN:
        return Cut(len(data))
    end = 2 + data[1]
    if len(data) < end:
        return None
    frame = data[:end]
    if reduce(xor, frame):
        return Cut(len(data))
    return Cut(end, Answer(frame[2], frame[3], frame[4:-1]))


def parse_card(answer: Answer) -> CardReport | None:
    """Take the card out of an answer to SELECT_CARD; None if there is no single one.

    FrameError if the answer makes no sense, UnreadableCardError if the uid does not.
    """
    if answer.status in (NO_TAG, COLLISION):
        return None
    if answer.status != OK:
        raise FrameError(f"expected status 00, 01 or 0A, got {answer.status:02X}")
    uid = answer.data[:-1]  # The type of card comes last
    if flaw := find_flaw(uid):
        raise UnreadableCardError(flaw)
    return CardReport(uid, Technology.ISO14443)
