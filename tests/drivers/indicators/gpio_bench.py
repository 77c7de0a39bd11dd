"""Lamps and a buzzer on a chip in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from drivers.gpio import OutputLine
from drivers.indicators.gpio import GpioIndicator, GpioIndicatorConfig
from tests.drivers.gpio_fake import FakeChip
from tests.drivers.indicators.showing import Screen

if TYPE_CHECKING:
    from drivers.indicators.base import Signal

LINES = {
    name: OutputLine(line=number)
    for number, name in enumerate(("red", "green", "blue", "buzzer"))
}


class Bench:
    """An indicator on a chip in memory."""

    def __init__(self, **config: Any) -> None:  # noqa: ANN401 - any key
        self.chip = FakeChip()
        self.indicator = Screen(
            GpioIndicator(
                GpioIndicatorConfig(chip="pinctrl", **(LINES | config)),
                take_lines=self.chip.open,
            )
        )

    async def show(self, *signals: Signal) -> None:
        """Show signals without a pause."""
        for signal in signals:
            await self.indicator.show(signal)

    def on(self) -> set[str]:
        """Name what is on."""
        return {name for name, active in self.chip.outputs.items() if active}

    async def watch(self, seconds: float, name: str) -> list[float]:
        """Let time pass; return when an output changed, from now, rounded to ms."""
        loop = asyncio.get_running_loop()
        began, was = loop.time(), self.chip.outputs[name]
        self.chip.history.clear()
        await asyncio.sleep(seconds)
        times = []
        for at, changed, active in self.chip.history:
            if changed == name and active is not was:
                times.append(round(at - began, 3))
                was = active
        return times
