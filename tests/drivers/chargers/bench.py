"""A bench for simulated chargers: their files, their clocks, what they tell."""

from __future__ import annotations

import json
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from drivers.chargers.base import Charging, Meter
from drivers.chargers.simulated import SimulatedCharger, SimulatedChargerConfig
from tests.drivers.pipes import write

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from drivers.chargers.base import ChargerEvent

CAR = "draw 7400\nplug\n"


class Bench:
    """A charger's files and clocks, and chargers started on them."""

    def __init__(self, folder: Path) -> None:
        self.config = SimulatedChargerConfig(folder / "control", folder / "log")
        self.monotonic = 100.0
        self.wall = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def start(self, interval_s: float = 1000.0) -> SimulatedCharger:
        """Start a charger, as a start of the agent does."""
        return SimulatedCharger(
            self.config,
            interval_s=interval_s,
            monotonic=lambda: self.monotonic,
            wall=lambda: self.wall,
        )

    @asynccontextmanager
    async def charging(
        self, charger: SimulatedCharger
    ) -> AsyncIterator[AsyncGenerator[ChargerEvent]]:
        """Listen to a charger that has just begun to charge a car at 7400 W."""
        async with aclosing(charger.events()) as events:
            await anext(events)
            self.control(CAR)
            await charger.enable()
            assert await change(events) == (0, Charging())
            yield events

    def let_pass(self, seconds: float) -> None:
        """Move both clocks."""
        self.monotonic += seconds
        self.wall += timedelta(seconds=seconds)

    def control(self, lines: str) -> None:
        """Write to the control pipe."""
        write(self.config.control, lines)

    def log(self) -> list[dict[str, Any]]:
        """Return the log."""
        return [json.loads(line) for line in self.config.log.read_text().splitlines()]


async def change(events: AsyncIterator[ChargerEvent]) -> tuple[int, ChargerEvent]:
    """Return the next event that is no reading, and the reading before it."""
    meter = await anext(events)
    assert isinstance(meter, Meter), "a reading comes before each change"
    while isinstance(event := await anext(events), Meter):
        meter = event
    return meter.wh, event
