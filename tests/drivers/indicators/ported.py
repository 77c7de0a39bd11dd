"""Indicators at the agent's own port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agent.actuators import IndicatorPort
from agent.domain import outcomes
from agent.health import Health
from tests.fakes.clock import FakeClock
from tests.fakes.loop_clock import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.indicators.base import Indicator, Signal


class Ported:
    """An indicator whose signal is shown again when it has failed."""

    def __init__(self, indicator: Indicator) -> None:
        self._health = Health(FakeClock())
        self.port = IndicatorPort("front", indicator, self._health)

    def show(self, signal: Signal) -> None:
        """Have it shown."""
        self.port.show(outcomes.Signal(signal.value))

    def problem(self) -> str:
        """Tell what `status` has to say; nothing if all is well."""
        (condition,) = self._health.conditions()
        assert condition.ok is not bool(condition.detail)
        return condition.detail


@asynccontextmanager
async def ported(indicator: Indicator) -> AsyncIterator[Ported]:
    """Run the port of an indicator."""
    one = Ported(indicator)
    async with running(one.port.run()):
        yield one
