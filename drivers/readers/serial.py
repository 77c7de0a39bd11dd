"""Card readers on a serial line, in all the formats that `formats` knows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from drivers.readers.base import Reader, ReaderEvent, ReaderUp
from drivers.readers.presence import Presence
from drivers.readers.serial_config import BAUDRATES, Format, SerialReaderConfig
from drivers.readers.serial_sources import make_source
from drivers.readers.switchboard import Switchboard
from drivers.serial_check import check_serial_port
from drivers.serial_port import SerialPort

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from drivers.findings import Finding
    from drivers.readers.formats.dialogue import Line

__all__ = ["Format", "SerialReader", "SerialReaderConfig"]


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
        #: The lights of the module itself, while it is open; see indicators.module.
        self.lights: Final = Switchboard(monotonic)

    @property
    def format(self) -> Format:
        """What it is configured to speak."""
        return self._config.format

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield events; when to expect a CardLeft after a failure: see presence."""
        config = self._config
        baudrate = config.baudrate or BAUDRATES[config.format]
        async with self._open_port(config.port, baudrate) as port:
            source = make_source(
                config, port, self._presence, self.lights, self._monotonic
            )
            device = await source.start()
            self._presence.connected(self._monotonic())
            try:
                yield ReaderUp(f"{device} at {port.name}")
                while True:
                    for event in await source.next_events():
                        yield event
            finally:
                await source.stop()

    def check(self) -> Iterable[Finding]:
        """Look at the port; the reader is not asked."""
        yield check_serial_port(self._config.port)
