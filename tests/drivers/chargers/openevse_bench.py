"""A bench for the OpenEVSE driver: a controller, a line, and what the driver tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drivers.chargers.base import ChargerUp, Meter
from drivers.chargers.openevse import OpenEvseCharger, OpenEvseConfig
from tests.drivers.chargers.listening import ListeningBench
from tests.drivers.chargers.rapi_emulator_lines import MemoryLine

if TYPE_CHECKING:
    from drivers.chargers.base import ChargerEvent
    from tests.drivers.chargers.rapi_emulator import Build

WATTS = 7200  # 2 Wh per second


class Bench(ListeningBench):
    """A driver on a line in memory, listened to as the agent does; virtual time.

    `told` and later() leave the readings out.
    """

    FOUND_S: ClassVar[float] = 0.2
    LATER_S: ClassVar[float] = 1.0

    def __init__(self, build: Build | None = None, **config: Any) -> None:  # noqa: ANN401 - any key
        self.line = MemoryLine(build)
        self.evse = self.line.emulator
        super().__init__(
            OpenEvseCharger(
                OpenEvseConfig(port="/dev/memory", **config), open_port=self.line.open
            )
        )
        self.meter: list[int] = []
        #: Whether energy that is on at the start is to be off, as without a session.
        self.obey = True

    async def settle(self) -> None:
        """Wait until the charger was found, which is no news."""
        await self.news(self.FOUND_S)

    async def take(self, event: ChargerEvent) -> None:
        """Take one event; a charger found delivering with no session is stopped."""
        if isinstance(event, Meter):
            self.meter.append(event.wh)
            return
        is_first = not self.told
        await super().take(event)
        if isinstance(event, ChargerUp):
            if event.state.wh is not None:
                self.meter.append(event.state.wh)
            if self.obey and is_first and event.state.enabled:
                await self.charger.disable()
