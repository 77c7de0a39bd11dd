"""The gpio charger's table of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path  # noqa: TC003 - the configuration reads this annotation
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from drivers.gpio import ChipId, InputLine, OutputLine, PulseLine, lines_taken

if TYPE_CHECKING:
    from collections.abc import Iterator

PulsesPerKwh = Annotated[
    int, Meta(ge=1, le=100_000, description="a whole number, printed on the meter")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterLine(PulseLine):
    """An S0 output. `register`: the file that keeps what was counted.

    The register is written, and the station hears of it, at most every `save_every`
    and at each change.
    """

    pulses_per_kwh: PulsesPerKwh
    register: Path
    save_every: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioChargerConfig:
    """`relay` lets energy flow; `vehicle` tells that one is plugged in.

    `always_connected` takes the place of `vehicle` where nothing can tell: a vehicle
    then counts as plugged in at all times, and no session ends by unplugging.
    """

    chip: ChipId
    relay: OutputLine
    vehicle: InputLine | None = None
    always_connected: bool = False
    fault: InputLine | None = None
    meter: MeterLine | None = None

    def __post_init__(self) -> None:
        if (self.vehicle is None) is not self.always_connected:
            raise ValueError(
                'vehicle: expected a table such as { line = "GPIO27" }, or '
                "always_connected = true, and not both"
            )

    def takes(self) -> Iterator[str]:
        """Name what is not shared with anybody."""
        yield from lines_taken(self.chip, self.lines())
        if self.meter is not None:
            yield str(self.meter.register)

    def lines(self) -> dict[str, OutputLine | InputLine]:
        """Name the lines by their tasks."""
        inputs = {"vehicle": self.vehicle, "fault": self.fault, "meter": self.meter}
        return {"relay": self.relay} | {
            name: line for name, line in inputs.items() if line is not None
        }
