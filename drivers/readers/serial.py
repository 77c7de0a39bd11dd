"""Card readers on a serial line, in all the formats that `formats` knows."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from drivers.readers.base import Reader, ReaderEvent, ReaderUp
from drivers.readers.formats import (
    ascii as lines_of_text,
)
from drivers.readers.formats import (
    id12,
    pn532,
    rdm6300,
    sl032,
    twn4,
    wiegand,
)
from drivers.readers.formats.dialogue import UnreadableCardError
from drivers.readers.presence import Presence
from drivers.serial_check import check_serial_port
from drivers.serial_port import SerialPort

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from drivers.findings import Finding
    from drivers.readers.formats.dialogue import Line, Module
    from drivers.readers.formats.framing import Codec

_LOGGER = logging.getLogger(__name__)

# What has come by now would be a card or two, were it of the right format and speed.
GARBAGE_BYTES: Final = 48
# A loop that was held up may find a reader's bytes only after the time was over.
GRACE_S: Final = 0.02


class Format(StrEnum):
    """What the reader speaks."""

    RDM6300 = "rdm6300"
    ID12 = "id12"
    WIEGAND = "wiegand"
    WIEGAND_RAW = "wiegand-raw"
    ASCII = "ascii"
    TWN4 = "twn4"
    TWN4_ASCII = "twn4-ascii"
    SL032 = "sl032"
    PN532 = "pn532"


BAUDRATES: Final = {
    Format.RDM6300: rdm6300.BAUDRATE,
    Format.ID12: id12.BAUDRATE,
    Format.WIEGAND: wiegand.BAUDRATE,
    Format.WIEGAND_RAW: wiegand.BAUDRATE,
    Format.ASCII: lines_of_text.BAUDRATE,
    Format.TWN4: twn4.BAUDRATE,
    Format.TWN4_ASCII: twn4.BAUDRATE,
    Format.SL032: sl032.BAUDRATE,
    Format.PN532: pn532.BAUDRATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialReaderConfig:
    """`port`: the path of a tty, or `socket://host:port` of a serial server.

    `baudrate`: 0 for what the format's readers usually have. `pattern`: of format
    ascii, a regular expression for a whole line; its first group is the number in hex.
    `crc`: of the twn4 formats. `poll_every`: how often a module that has to be asked
    is asked. `held_for`: a card that was unseen for so long has left.
    """

    port: Annotated[
        str, Meta(min_length=1, description="a path, or socket://host:port")
    ]
    format: Format
    baudrate: Annotated[int, Meta(ge=0, description="bits per second")] = 0
    pattern: str = lines_of_text.HEX_LINE
    crc: bool = True
    poll_every: timedelta = timedelta(milliseconds=200)
    held_for: timedelta = timedelta(seconds=1)


class SerialReader(Reader):
    """Reads one card at a time; `monotonic` dates them, `open_port` is for tests."""

    Config = SerialReaderConfig

    def __init__(
        self,
        config: SerialReaderConfig,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        open_port: Callable[[str, int], AbstractAsyncContextManager[Line]] = SerialPort,
    ) -> None:
        self._config = config
        self._monotonic = monotonic
        self._open_port = open_port
        self._presence = Presence(config.held_for.total_seconds())

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield events; when to expect a CardLeft after a failure: see presence."""
        config = self._config
        baudrate = config.baudrate or BAUDRATES[config.format]
        async with self._open_port(config.port, baudrate) as port:
            source = self._source(port)
            device = await source.start()
            self._presence.connected(self._monotonic())
            yield ReaderUp(f"{device} at {port.name}")
            while True:
                for event in await source.next_events():
                    yield event

    def check(self) -> Iterable[Finding]:
        """Look at the port; the reader is not asked."""
        yield check_serial_port(self._config.port)

    def _source(self, port: Line) -> _Source:
        module = make_module(self._config, port, self._monotonic)
        if module:
            every_s = self._config.poll_every.total_seconds()
            return _Polled(module, every_s, self._presence, self._monotonic)
        codec = make_codec(self._config, self._monotonic())
        name = self._config.format.value
        return _Heard(port, codec, name, self._presence, self._monotonic)


def make_codec(config: SerialReaderConfig, at: float) -> Codec:
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


def make_module(
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


class _Source(ABC):
    """Where events come from while the line is open."""

    @abstractmethod
    async def start(self) -> str:
        """Get ready; return what is there."""

    @abstractmethod
    async def next_events(self) -> list[ReaderEvent]:
        """Wait for something, which may be nothing to tell of."""


class _Heard(_Source):
    """A reader that reports by itself, mostly on and on while a card is held."""

    def __init__(
        self,
        port: Line,
        codec: Codec,
        name: str,
        presence: Presence,
        monotonic: Callable[[], float],
    ) -> None:
        self._port = port
        self._codec = codec
        self._name = name
        self._presence = presence
        self._monotonic = monotonic
        self._garbage_bytes = 0

    async def start(self) -> str:
        """Say what should be there: nobody can ask."""
        return f"{self._name} reader"

    async def next_events(self) -> list[ReaderEvent]:
        leaves_at = self._presence.leaves_at()
        data = await self._read(leaves_at)
        at = self._monotonic()
        reports = self._codec.feed(data, at)
        self._look_for_garbage(len(data), found=bool(reports))
        events = []
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

    def _look_for_garbage(self, count: int, *, found: bool) -> None:
        """Warn once if the format cannot be right: nothing else would tell."""
        if self._garbage_bytes > GARBAGE_BYTES:
            return
        self._garbage_bytes = 0 if found else self._garbage_bytes + count
        if self._garbage_bytes > GARBAGE_BYTES:
            _LOGGER.warning(
                "%s: %d bytes and no %s frame in them; check format and baudrate",
                self._port.name,
                self._garbage_bytes,
                self._name,
            )


class _Polled(_Source):
    """A module that is asked every so often."""

    def __init__(
        self,
        module: Module,
        every_s: float,
        presence: Presence,
        monotonic: Callable[[], float],
    ) -> None:
        self._module = module
        self._every_s = every_s
        self._presence = presence
        self._monotonic = monotonic
        self._pause_s = 0.0

    async def start(self) -> str:
        return await self._module.start()

    async def next_events(self) -> list[ReaderEvent]:
        await asyncio.sleep(self._pause_s)
        self._pause_s = self._every_s
        try:
            card = await self._module.find()
        except UnreadableCardError as err:
            return self._presence.unreadable(str(err), self._monotonic())
        at = self._monotonic()
        if card is None:
            return self._presence.unseen(at)
        return self._presence.saw(card, at)
