"""ELATEC TWN4 with the Simple Protocol: one question, one answer.

Binary: length of what follows (16 bits), payload, CRC (16 bits), low byte first.
ASCII: payload and CRC in hex, then CR. Which of them, and whether with the CRC, is
compiled into the device's app; as its maker has it, it is ASCII without.
"""

from __future__ import annotations

from binascii import crc_hqx, unhexlify
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from drivers.errors import FrameError, TransientDeviceError
from drivers.readers.base import Technology
from drivers.readers.formats.dialogue import Dialogue, Module
from drivers.readers.formats.framing import CardReport, Cut
from drivers.readers.uids import UnreadableCardError, byte_0_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.formats.dialogue import Line

BAUDRATE: Final = 9600  # Of its UART, unless the app says otherwise

# Functions, and their parameters as the Simple Protocol packs them.
GET_VERSION: Final = bytes.fromhex("00 04 FF")
SEARCH_TAG: Final = bytes.fromhex("05 00 0A")  # At most ten bytes, the longest uid
# Which tags are looked for: bit (type & 1F) of the LF and of the HF mask.
SET_TAG_TYPES: Final = bytes.fromhex("05 02 01000000 07000000")

LFTAG_EM4102: Final = 0x40
HFTAG_MIFARE: Final = 0x80  # All of ISO/IEC 14443 type A
HFTAG_ISO14443B: Final = 0x81
HFTAG_ISO15693: Final = 0x82
_TECHNOLOGIES: Final = {
    LFTAG_EM4102: Technology.EM4100,
    HFTAG_MIFARE: Technology.ISO14443,
    HFTAG_ISO14443B: Technology.ISO14443,
    HFTAG_ISO15693: Technology.ISO15693,
}

ERR_NONE: Final = 0x00
MAX_PAYLOAD: Final = 260  # The answer to GET_VERSION with 255 characters fits
_TAG_HEADER: Final = 4  # Found, tag type, bit count, byte count
_CRC_BYTES: Final = 2
_REFLECTED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Mode:
    """How the device is set up to speak."""

    ascii_hex: bool
    crc: bool


class Twn4(Module):
    """Searches for tags of the kinds that charging cards are.

    With a `mode` that has a CRC, a device that has none will do as well.
    """

    def __init__(self, line: Line, monotonic: Callable[[], float], mode: Mode) -> None:
        self._mode = mode
        self._dialogue = Dialogue(
            line, lambda data: cut_payload(data, self._mode), monotonic
        )

    async def start(self) -> str:
        """Ask for the version, and say which tags are wanted."""
        wanted = self._mode
        version = await self._get_version()
        await self._dialogue.repeat(lambda: self._ask(SET_TAG_TYPES))
        name = f"TWN4 {describe(version)}".rstrip()
        return name if self._mode == wanted else f"{name}, without CRC"

    async def _get_version(self) -> bytes:
        """Ask with the CRC that is expected, and else once without."""
        try:
            return await self._dialogue.repeat(lambda: self._ask(GET_VERSION))
        except TransientDeviceError:
            if not self._mode.crc:
                raise
            expected = self._mode
            self._mode = replace(expected, crc=False)
            await self._dialogue.settle()
            try:
                return await self._dialogue.repeat(
                    lambda: self._ask(GET_VERSION), tries=1
                )
            except TransientDeviceError:
                self._mode = expected
            raise

    async def find(self) -> CardReport | None:
        """Ask once for the card in the field, None if there is none."""
        return await self._dialogue.repeat(self._search)

    async def tell(self, command: bytes) -> None:
        """Call a function that has no result."""

        async def call() -> None:
            if result := await self._ask(command):
                raise FrameError(f"expected no result, got {len(result)} bytes")

        await self._dialogue.once(call)

    async def _search(self) -> CardReport | None:
        card = parse_card(await self._ask(SEARCH_TAG))
        if card is None or self._mode.crc:
            return card
        # Nothing but a second look tells a number that the line has changed.
        return card if parse_card(await self._ask(SEARCH_TAG)) == card else None

    async def _ask(self, function: bytes) -> bytes:
        """Return the result of a function; FrameError if the device refuses it."""
        await self._dialogue.say(build_frame(function, self._mode))
        payload = await self._dialogue.hear()
        if payload[0] != ERR_NONE:
            raise FrameError(f"expected error code 00, got {payload[0]:02X}")
        return payload[1:]


def describe(version: bytes) -> str:
    """Take the text out of the result of GET_VERSION; empty if that is none.

    Nothing in an answer tells what it is the answer to, and one to SEARCH_TAG that
    comes late holds a card's number.
    """
    length, text = version[:1], version[1:]
    is_text = length == bytes([len(text)]) and text.isascii()
    return "".join(filter(str.isprintable, text.decode("ascii"))) if is_text else ""


def compute_crc(data: bytes) -> int:
    """Compute the CRC: CCITT, reflected, from FFFF ("123456789" gives 6F91)."""
    # The library has it unreflected: so turn all bits, here and there.
    return int(f"{crc_hqx(data.translate(_REFLECTED), 0xFFFF):016b}"[::-1], 2)


def build_frame(payload: bytes, mode: Mode) -> bytes:
    """Build a frame; questions and answers look the same."""
    if mode.crc:
        payload += compute_crc(payload).to_bytes(_CRC_BYTES, "little")
    if mode.ascii_hex:
        return payload.hex().upper().encode("ascii") + b"\r"
    return len(payload).to_bytes(2, "little") + payload


def cut_payload(data: bytes, mode: Mode) -> Cut[bytes] | None:
    """Cut the first valid payload off, or the garbage before it."""
    if mode.ascii_hex:
        return _cut_line(data, mode)
    if not mode.crc:
        return _cut_first(data)
    # Nothing marks where a frame begins: it is where a CRC fits.
    for start in range(len(data)):
        body = _body(data[start:])
        if body and (payload := _checked(body)):
            return Cut(start + 2 + len(body), payload)
    spare = len(data) - (2 + MAX_PAYLOAD + _CRC_BYTES)
    return Cut(spare) if spare > 0 else None


def parse_card(result: bytes) -> CardReport | None:
    """Take the card out of the result of SEARCH_TAG; FrameError if it makes no sense.

    UnreadableCardError if the number does not. Tags of a kind that was not asked for
    are none.
    """
    if result == b"\x00":
        return None
    header, uid = result[:_TAG_HEADER], result[_TAG_HEADER:]
    if len(header) < _TAG_HEADER or header[0] != 1:
        raise FrameError(f"expected a tag or none, got {len(result)} bytes")
    _, kind, bits, length = header
    if length != len(uid) or (bits + 7) // 8 != length or not length:
        raise UnreadableCardError(
            f"expected {length} bytes of {bits} bits, got {len(uid)}"
        )
    technology = _TECHNOLOGIES.get(kind)
    if technology is None:
        return None
    return CardReport(byte_0_first(uid, technology), technology)


def _cut_line(data: bytes, mode: Mode) -> Cut[bytes] | None:
    end = data.find(b"\r")
    if end < 0:
        too_long = len(data) > 2 * (MAX_PAYLOAD + _CRC_BYTES)
        return Cut(len(data)) if too_long else None
    try:
        body = unhexlify(data[:end].strip())
    except ValueError:
        return Cut(end + 1)
    return Cut(end + 1, (_checked(body) if mode.crc else body) or None)


def _cut_first(data: bytes) -> Cut[bytes] | None:
    body = _body(data)
    if body is None:
        return Cut(1)
    return Cut(2 + len(body), body) if body else None


def _body(data: bytes) -> bytes | None:
    """Take what a length counts: empty if more has to come, None if it is no length."""
    length = int.from_bytes(data[:2], "little")
    if len(data) < 2:  # noqa: PLR2004 - the length itself
        return b""
    if not 1 <= length <= MAX_PAYLOAD + _CRC_BYTES:
        return None
    return data[2 : 2 + length] if len(data) >= 2 + length else b""


def _checked(body: bytes) -> bytes | None:
    payload, crc = body[:-_CRC_BYTES], body[-_CRC_BYTES:]
    valid = payload and compute_crc(payload).to_bytes(_CRC_BYTES, "little") == crc
    return payload if valid else None
