"""Where a serial reader's cards come from: what it says, or what it is asked."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from math import inf
from typing import TYPE_CHECKING, Final

from drivers.readers.base import ReaderUp
from drivers.readers.formats import ascii as lines_of_text
from drivers.readers.formats import id12, pn532, rdm6300, sl032, twn4, wiegand
from drivers.readers.serial_config import Format
from drivers.readers.uids import UnreadableCardError

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.base import ReaderEvent
    from drivers.readers.formats.dialogue import Line, Module
    from drivers.readers.formats.framing import Codec
    from drivers.readers.presence import Presence
    from drivers.readers.serial_config import SerialReaderConfig
    from drivers.readers.switchboard import Switchboard

_LOGGER = logging.getLogger(__name__)

# What has come by now would be three cards, were it of the right format and speed.
GARBAGE_BYTES: Final = 48
# Of lines that have 7 to 10 bytes.
SHORT_GARBAGE_BYTES: Final = 24
# Between two times that a format is called wrong: what makes noise and cards by turns
# would fill the log.
PUZZLED_EVERY_S: Final = 60.0
# Before each look at a line on which no number is believed: what a device on USB says
# in a second would take a processor a second to look at.
NOISY_PAUSE_S: Final = 0.05
# A loop that was held up may find a reader's bytes only after the time was over.
GRACE_S: Final = 0.02


def make_source(
    config: SerialReaderConfig,
    port: Line,
    presence: Presence,
    lights: Switchboard,
    monotonic: Callable[[], float],
) -> Source:
    """Make what the configured format needs."""
    if module := _make_module(config, port, monotonic):
        every_s = config.poll_every.total_seconds()
        return _Polled(module, every_s, presence, lights, monotonic)
    return _Heard(port, config, presence, monotonic)


def _make_codec(config: SerialReaderConfig, at: float) -> Codec:
    """Make the codec of a format that readers send by themselves, from `at` on."""
    match config.format:
        case Format.RDM6300:
            return rdm6300.codec()
        case Format.ID12:
            return id12.codec()
        case Format.WIEGAND | Format.WIEGAND_RAW:
            raw = config.format is Format.WIEGAND_RAW
            return wiegand.WiegandCodec(at, raw=raw)
        case _:
            return lines_of_text.AsciiCodec(at, config.pattern)


def _make_module(
    config: SerialReaderConfig, line: Line, monotonic: Callable[[], float]
) -> Module | None:
    """Make the module of a format that has to be asked for; None for the others."""
    match config.format:
        case Format.TWN4 | Format.TWN4_ASCII:
            ascii_hex = config.format is Format.TWN4_ASCII
            return twn4.Twn4(line, monotonic, twn4.Mode(ascii_hex, config.crc))
        case Format.SL032:
            return sl032.Sl032(line, monotonic)
        case Format.PN532:
            return pn532.Pn532(line, monotonic)
        case _:
            return None


class Source(ABC):
    """Where events come from while the line is open."""

    @abstractmethod
    async def start(self) -> str:
        """Get ready; return what is there."""

    @abstractmethod
    async def next_events(self) -> list[ReaderEvent]:
        """Wait for something, which may be nothing to tell of."""

    async def stop(self) -> None:  # noqa: B027 - who only listens leaves nothing on
        """Leave the device as it should be while nobody uses it; after `start`."""


class _Heard(Source):
    """A reader that reports by itself, mostly on and on while a card is held."""

    def __init__(
        self,
        port: Line,
        config: SerialReaderConfig,
        presence: Presence,
        monotonic: Callable[[], float],
    ) -> None:
        self._port = port
        self._format = config.format
        self._codec = _make_codec(config, monotonic())
        self._presence = presence
        self._monotonic = monotonic
        is_short = config.format in (Format.WIEGAND, Format.WIEGAND_RAW)
        self._most_garbage = SHORT_GARBAGE_BYTES if is_short else GARBAGE_BYTES
        self._garbage_bytes = 0
        self._is_puzzled = False
        self._patient_until = -inf

    async def start(self) -> str:
        """Say what should be there: nobody can ask."""
        return f"{self._format.value} reader"

    async def next_events(self) -> list[ReaderEvent]:
        if self._presence.is_noisy(self._monotonic()):
            await asyncio.sleep(NOISY_PAUSE_S)
        leaves_at = self._presence.leaves_at()
        data = await self._read(leaves_at)
        at = self._monotonic()
        reports = self._codec.feed(data, at)
        events = self._look_for_garbage(len(data), found=bool(reports))
        for report in reports:
            events += self._presence.saw(report, at)
        return events + self._presence.unseen(at)

    async def _read(self, until: float | None) -> bytes:
        """Wait for bytes, at most until this moment."""
        if until is None:
            return await self._port.read()
        wait_s = max(until - self._monotonic(), 0)
        return await self._read_within(wait_s) or await self._read_within(GRACE_S)

    async def _read_within(self, wait_s: float) -> bytes:
        try:
            async with asyncio.timeout(wait_s):
                return await self._port.read()
        except TimeoutError:
            return b""

    def _look_for_garbage(self, count: int, *, found: bool) -> list[ReaderEvent]:
        """Tell if the format cannot be right, until it was; nothing else would."""
        self._garbage_bytes = 0 if found else self._garbage_bytes + count
        device = f"{self._format.value} reader at {self._port.name}"
        if found and self._is_puzzled:
            self._is_puzzled = False
            return [ReaderUp(device)]
        now = self._monotonic()
        is_patient = self._is_puzzled or now < self._patient_until
        if is_patient or self._garbage_bytes <= self._most_garbage:
            return []
        self._is_puzzled = True
        self._patient_until = now + PUZZLED_EVERY_S
        is_text = self._format is Format.ASCII
        problem = (
            f"{self._garbage_bytes} bytes and no "
            f"{'line that fits' if is_text else f'{self._format.value} frame'} in "
            f"them; check format{', pattern' if is_text else ''} and baudrate"
        )
        _LOGGER.warning("%s: %s", self._port.name, problem)
        return [ReaderUp(f"{device}: {problem}")]


class _Polled(Source):
    """A module that is asked every so often."""

    def __init__(
        self,
        module: Module,
        every_s: float,
        presence: Presence,
        lights: Switchboard,
        monotonic: Callable[[], float],
    ) -> None:
        self._module = module
        self._every_s = every_s
        self._presence = presence
        self._lights = lights
        self._monotonic = monotonic
        self._pause_s = 0.0

    async def start(self) -> str:
        name = await self._module.start()
        self._lights.open(self._module)
        return name

    async def stop(self) -> None:
        await self._lights.close()

    async def next_events(self) -> list[ReaderEvent]:
        await self._lights.pass_time(self._pause_s)
        self._pause_s = self._every_s
        try:
            card = await self._module.find()
        except UnreadableCardError as err:
            return self._presence.unreadable(str(err), self._monotonic())
        at = self._monotonic()
        if card is None:
            return self._presence.unseen(at)
        return self._presence.saw(card, at)
