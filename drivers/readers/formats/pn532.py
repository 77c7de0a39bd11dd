"""The NXP PN532 on its serial line (HSU): cards of ISO/IEC 14443, types A and B.

The field stays on between two looks. Cards with a random uid keep it so while they lie
there, and are not taken for a new card each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from drivers.errors import FrameError
from drivers.readers.base import Technology
from drivers.readers.formats import pn532_frames as frames
from drivers.readers.formats.dialogue import Dialogue, Module
from drivers.readers.formats.framing import CardReport
from drivers.readers.formats.pn532_frames import Signal
from drivers.readers.uids import UnreadableCardError, find_flaw

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.formats.dialogue import Line

T = TypeVar("T")

BAUDRATE: Final = 115200

# A sleeping chip needs some bytes to wake up (6.2.1.3 HSU wake up).
WAKE_UP: Final = b"\x55\x55" + bytes(14)

# Commands with their parameters, as in the user manual, chapter 7.
GET_FIRMWARE_VERSION: Final = bytes.fromhex("02")
SAM_CONFIGURATION: Final = bytes.fromhex("14 01 00 00")  # Normal mode, no time-out
# No automatic RATS: a card that got one is deaf to the next look.
SET_PARAMETERS: Final = bytes.fromhex("12 04")
# MaxRetries: of ATR_REQ and PSL_REQ as after reset; of a look, 2. A card that was
# found last time answers the second try only.
RF_CONFIGURATION: Final = bytes.fromhex("32 05 FF 01 02")
LIST_TYPE_A: Final = bytes.fromhex("4A 01 00")
LIST_TYPE_B: Final = bytes.fromhex("4A 01 03 00")  # Of any application family
# ISO/IEC 14443-4 card presence detection, for the activated card.
DIAGNOSE_PRESENCE: Final = bytes.fromhex("00 06")

PRESENT: Final = b"\x00"  # The result of DIAGNOSE_PRESENCE; others are errors
ATQB: Final = 0x50  # First byte of the answer of a type B card

_ATQB_LENGTH: Final = 12
_PUPI_END: Final = 5
_TYPE_A_HEADER: Final = 6  # NbTg, Tg, SENS_RES of two bytes, SEL_RES, NFCIDLength


class Pn532(Module):
    """Looks for a type A card, and every other time for a type B card."""

    def __init__(self, line: Line, monotonic: Callable[[], float]) -> None:
        self._line = line
        self._dialogue = Dialogue(line, frames.cut, monotonic)
        self._type_b: CardReport | None = None
        self._is_turn_of_b = False

    async def start(self) -> str:
        """Wake the chip up and set it up for short looks."""
        self._type_b = None
        # The ACK ends what another program has left running.
        await self._line.write(WAKE_UP + frames.ACK)
        for setting in (SAM_CONFIGURATION, SET_PARAMETERS, RF_CONFIGURATION):
            await self._exchange(setting, bytes)
        return await self._exchange(GET_FIRMWARE_VERSION, describe)

    async def find(self) -> CardReport | None:
        """Ask once for the card in the field, None if there is none."""
        # A type B card is activated when it is found, and deaf to looks from then on.
        # A new look would also give another number to one that has random ones.
        if self._type_b:
            if await self._is_present():
                return self._type_b
            self._is_turn_of_b = False  # What took its place is likely of its kind
        self._type_b = None
        if card := await self._exchange(LIST_TYPE_A, parse_type_a):
            return card
        # Few cards are of type B: every other look spares an idle station a quarter.
        self._is_turn_of_b = not self._is_turn_of_b
        if not self._is_turn_of_b:
            return None
        self._type_b = await self._exchange(LIST_TYPE_B, parse_type_b)
        return self._type_b

    async def tell(self, command: bytes) -> None:
        """Give a command that has no result."""

        async def give() -> None:
            if result := await self._ask(command):
                raise FrameError(f"expected no result, got {len(result)} bytes")

        await self._dialogue.once(give, abort=frames.ACK)

    async def _exchange(self, command: bytes, parse: Callable[[bytes], T]) -> T:
        async def ask() -> T:
            return parse(await self._ask(command))

        return await self._dialogue.repeat(ask, abort=frames.ACK)

    async def _is_present(self) -> bool:
        async def ask() -> bool:
            try:
                return await self._ask(DIAGNOSE_PRESENCE) == PRESENT
            except FrameError:
                return False  # The next look tells

        return await self._dialogue.repeat(ask, abort=frames.ACK)

    async def _ask(self, command: bytes) -> bytes:
        """Return what follows the response code; FrameError if the chip refuses."""
        await self._dialogue.say(frames.build(bytes([frames.TO_CHIP]) + command))
        while await self._dialogue.hear() is not Signal.ACK:
            pass
        expected = bytes([frames.FROM_CHIP, command[0] + 1])
        while True:
            frame = await self._dialogue.hear()
            if isinstance(frame, Signal):
                raise FrameError(f"expected a response, got {frame.value}")
            if frame.startswith(expected):
                return frame[len(expected) :]


def describe(version: bytes) -> str:
    """Name the chip by its response to GetFirmwareVersion."""
    if len(version) < 3:  # noqa: PLR2004 - IC, Ver, Rev
        raise FrameError(f"expected 4 bytes of firmware version, got {len(version)}")
    chip, major, minor = version[:3]
    return f"PN5{chip:02X} firmware {major}.{minor}"


def parse_type_a(result: bytes) -> CardReport | None:
    """Parse the result of LIST_TYPE_A; UnreadableCardError without a uid."""
    if not _is_listed(result):
        return None
    if len(result) < _TYPE_A_HEADER:
        raise UnreadableCardError(f"expected a type A card, got {len(result)} bytes")
    length = result[_TYPE_A_HEADER - 1]
    uid = result[_TYPE_A_HEADER : _TYPE_A_HEADER + length]
    if len(uid) != length:
        raise UnreadableCardError(f"expected {length} bytes of uid, got {len(uid)}")
    if flaw := find_flaw(uid):
        raise UnreadableCardError(flaw)
    return CardReport(uid, Technology.ISO14443)


def parse_type_b(result: bytes) -> CardReport | None:
    """Parse the result of LIST_TYPE_B; UnreadableCardError without a uid."""
    if not _is_listed(result):
        return None
    atqb = result[2 : 2 + _ATQB_LENGTH]
    if len(atqb) != _ATQB_LENGTH or atqb[0] != ATQB:
        raise UnreadableCardError(f"expected an ATQB of 12 bytes, got {len(atqb)}")
    return CardReport(atqb[1:_PUPI_END], Technology.ISO14443)


def _is_listed(result: bytes) -> bool:
    """Whether one target was found; FrameError if the number makes no sense."""
    if not result or result[0] > 1:
        raise FrameError(f"expected one target or none, got {len(result)} bytes")
    return result[0] == 1
