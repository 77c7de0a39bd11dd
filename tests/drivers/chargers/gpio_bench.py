"""A bench for the gpio charger: a chip in memory, and what the driver tells."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from drivers.chargers.gpio import GpioCharger, GpioChargerConfig
from drivers.chargers.gpio_config import MeterLine
from drivers.gpio import InputLine, OutputLine
from tests.drivers.chargers.listening import ListeningBench
from tests.drivers.gpio_fake import FakeChip

if TYPE_CHECKING:
    from pathlib import Path

RELAY = OutputLine(line="GPIO17", active_low=True)
VEHICLE = InputLine(line="GPIO27")
FAULT = InputLine(line=5)


class Bench(ListeningBench):
    """A driver on a chip in memory, listened to as the agent does; virtual time."""

    def __init__(self, folder: Path | None = None, **config: Any) -> None:  # noqa: ANN401 - any key
        self.chip = FakeChip()
        if folder is not None:
            self.register = folder / "register"
            config["meter"] = MeterLine(
                line="METER",
                pulses_per_kwh=1000,
                register=self.register,
                save_every=timedelta(seconds=30),
            )
        if not config.get("always_connected"):
            config.setdefault("vehicle", VEHICLE)
        config.setdefault("fault", FAULT)
        self.config = GpioChargerConfig(chip="pinctrl", relay=RELAY, **config)
        super().__init__(self.start())

    def start(self) -> GpioCharger:
        """Start a driver, as a start of the agent does."""
        charger = GpioCharger(self.config, take_lines=self.chip.open)
        self.charger = charger
        return charger

    def is_on(self) -> bool:
        """Whether energy can flow."""
        return self.chip.outputs["relay"]
