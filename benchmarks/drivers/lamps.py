"""Indicators as a process of their own opens them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.drivers.openers import make
from drivers.gpio import OutputLine
from drivers.indicators.acs import AcsIndicator, AcsIndicatorConfig
from drivers.indicators.acs_commands import Model
from drivers.indicators.acs_link import Way
from drivers.indicators.acs_scard import EscapingScard, NotEscapedError
from drivers.indicators.base import Signal
from drivers.indicators.file import FileIndicator, FileIndicatorConfig
from drivers.indicators.gpio import GpioIndicator, GpioIndicatorConfig
from drivers.indicators.module import ModuleIndicator
from drivers.indicators.module_panels import ModuleIndicatorConfig
from drivers.indicators.none import NoIndicator, NoIndicatorConfig
from drivers.readers.serial import SerialReader
from tests.drivers.gpio_fake import FakeChip
from tests.drivers.indicators.acs_readers import Acr122u
from tests.drivers.indicators.showing import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.drivers.openers import Tell
    from drivers.indicators.base import Indicator
    from drivers.readers.pcsc_scard import Context


class Shown:
    """The signal is shown."""


async def show(tell: Tell, *, kind: str, path: str = "", match: str = "") -> None:
    """Show `ready` until cancelled."""
    screen = Screen(_make(kind, path, match))
    await screen.show(Signal.READY)
    tell(Shown())
    try:
        await asyncio.Event().wait()
    finally:
        await screen.close()


async def show_on_module(tell: Tell, **options: Any) -> None:  # noqa: ANN401 - any key
    """Show `ready` on a serial reader, and look for cards all the time."""
    reader = make(SerialReader, options)
    indicator = ModuleIndicator(ModuleIndicatorConfig())
    indicator.attach(reader)
    screen = Screen(indicator)
    async with aclosing(reader.events()) as events:
        await anext(events)
        coming = asyncio.ensure_future(anext(events))
        try:
            await screen.show(Signal.READY)
            tell(Shown())
            await coming
        finally:
            await screen.close()
            coming.cancel()
            await asyncio.wait({coming})


def _make(kind: str, path: str, match: str) -> Indicator:
    match kind:
        case "file":
            return FileIndicator(FileIndicatorConfig(Path(path)))
        case "gpio":
            red, green, buzzer = (OutputLine(line=line) for line in range(3))
            config = GpioIndicatorConfig(
                chip="pinctrl", red=red, green=green, buzzer=buzzer
            )
            return GpioIndicator(config, take_lines=FakeChip().open)
        case "acs":
            acs = AcsIndicatorConfig(model=Model.ACR122U, match=match, way=Way.ESCAPE)
            return AcsIndicator(acs, load=_EscapedScard.load)
        case _:
            return NoIndicator(NoIndicatorConfig())


class _EscapedScard(EscapingScard):
    """Escapes go to a real reader, which knows none; another one answers them."""

    __slots__ = ()

    @contextmanager
    def escaping(
        self, context: Context, reader: str
    ) -> Iterator[Callable[[bytes], bytes]]:
        """Give the call that sends an escape command."""
        device = Acr122u()
        with super().escaping(context, reader) as exchange:

            def answer(command: bytes) -> bytes:
                try:
                    return exchange(command)
                except NotEscapedError:
                    return device.answer(command)

            yield answer
