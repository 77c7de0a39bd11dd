"""Serial readers with lights of their own: module, line, reader and indicator."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drivers.errors import DriverError
from drivers.gpio import OutputLine
from drivers.indicators.module import ModuleIndicator
from drivers.indicators.module_panels import ModuleIndicatorConfig
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from tests.drivers.indicators.showing import Screen
from tests.drivers.readers.modules import Emulator, Sl032Emulator, Twn4Emulator
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.serial_bench import FakeLine, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from drivers.readers.base import ReaderEvent

#: How the tests wire a PN532: most to the supply, one to the ground.
PINS = {
    "red": OutputLine(line="P72", active_low=True),
    "green": OutputLine(line="P30", active_low=True),
    "blue": OutputLine(line="P71"),
    "buzzer": OutputLine(line="P35", active_low=True),
}


@dataclass(frozen=True, eq=False)
class Make:
    """A kind of module, and how it is used in the tests."""

    format: Format
    emulator: Callable[[], Emulator]
    #: What commands for its lights begin with.
    command: bytes
    lamps: frozenset[str]
    options: dict[str, Any] = field(default_factory=dict)
    crc: bool = True

    def __repr__(self) -> str:
        return self.format.value + ("" if self.crc else "-plain")


COLOURS = frozenset({"red", "green", "yellow"})
TWN4 = Make(Format.TWN4, Twn4Emulator, b"\x04", COLOURS)
TWN4_PLAIN = Make(
    Format.TWN4, lambda: Twn4Emulator(crc=False), b"\x04", COLOURS, crc=False
)
TWN4_ASCII = Make(
    Format.TWN4_ASCII, lambda: Twn4Emulator(ascii_hex=True), b"\x04", COLOURS
)
PN532 = Make(
    Format.PN532, Pn532Emulator, b"\x0e", frozenset(PINS) - {"buzzer"}, dict(PINS)
)
SL032 = Make(Format.SL032, Sl032Emulator, b"\x40", frozenset({"red"}))
ALL = (TWN4, TWN4_PLAIN, TWN4_ASCII, PN532, SL032)


def lit(device: Emulator) -> set[str]:
    """Name what is on at a module that is wired as above."""
    match device:
        case Twn4Emulator():
            shining = device.high & device.outputs
            return {
                name
                for bit, name in enumerate(("red", "green", "yellow"))
                if shining >> bit & 1
            }
        case Pn532Emulator():
            levels = {
                "red": not device.p7 & 0x04,
                "green": not device.p3 & 0x01,
                "blue": bool(device.p7 & 0x02),
                "buzzer": not device.p3 & 0x20,
            }
            return {name for name, is_on in levels.items() if is_on}
        case Sl032Emulator():
            return {"red"} if device.red else set()
    raise AssertionError(device)


class WatchedLine(FakeLine):
    """Notes when something went on or off; `delay` says how long an answer takes.

    Answers come in order: one that takes long holds up those that follow.
    """

    def __init__(self, device: Emulator) -> None:
        super().__init__()
        self.device = device
        self.history: list[tuple[float, frozenset[str]]] = []
        self.delay: Callable[[bytes], float] = lambda _: 0.0
        #: Let each byte of an answer come by itself.
        self.split = False
        self._last_at = 0.0

    async def write(self, data: bytes) -> None:
        """Let the device hear it, and look at its lamps."""
        self._check()
        asked = len(self.device.asked)
        for answer in self.device.hear(data):
            at = max(now() + self.delay(self.device.asked[-1]), self._last_at)
            if at > now():
                self._last_at = at + 0.0001
                asyncio.get_running_loop().call_at(at, self._answer, answer)
            else:
                self._answer(answer)
        shining = frozenset(lit(self.device))
        if len(self.device.asked) > asked and (
            not self.history or self.history[-1][1] != shining
        ):
            self.history.append((now(), shining))

    def _answer(self, answer: bytes) -> None:
        if self.gone:
            return
        for part in [bytes([byte]) for byte in answer] if self.split else [answer]:
            self.send(part)


class Bench:
    """A module of this make at a reader with an indicator that is told signals."""

    def __init__(self, make: Make, **options: Any) -> None:  # noqa: ANN401 - any key
        self.make = make
        self.device = make.emulator()
        self.line = WatchedLine(self.device)
        self.events: list[ReaderEvent] = []
        self.failure: DriverError | None = None
        config = SerialReaderConfig(port="/dev/fake", format=make.format, crc=make.crc)
        self.reader = SerialReader(config, monotonic=now, open_port=self.line.open)
        indicator = ModuleIndicator(ModuleIndicatorConfig(**(make.options | options)))
        indicator.attach(self.reader)
        self.indicator = Screen(indicator)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Take the reader's events, once it is up and for as long as it lives."""
        up = asyncio.Event()
        reading = asyncio.create_task(self._read(up))
        try:
            await up.wait()
            yield
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    def plug_in(self) -> None:
        """Plug another one in: it has forgotten all that the first was told."""
        self.device = self.line.device = self.make.emulator()
        self.line.gone = False

    def on(self) -> set[str]:
        """Name what is on."""
        return lit(self.device)

    def orders(self) -> list[bytes]:
        """Return the commands for the lights, oldest first."""
        return [one for one in self.device.asked if one.startswith(self.make.command)]

    def looks(self) -> int:
        """Count the questions for a card."""
        card = {Format.PN532: b"\x4a\x01\x00", Format.SL032: b"\x01"}
        asked = card.get(self.make.format, b"\x05\x00")
        return sum(one.startswith(asked) for one in self.device.asked)

    async def watch(self, seconds: float, name: str) -> list[float]:
        """Let time pass; return when an output changed, from now, in whole 10 ms."""
        began, was = now(), name in self.on()
        self.line.history.clear()
        await asyncio.sleep(seconds)
        times = []
        for at, shining in self.line.history:
            if (name in shining) is not was:
                times.append(round(at - began, 2))
                was = not was
        return times

    async def _read(self, up: asyncio.Event) -> None:
        try:
            async with aclosing(self.reader.events()) as events:
                async for event in events:
                    self.events.append(event)
                    up.set()
        except DriverError as err:
            self.failure = err
            up.set()
