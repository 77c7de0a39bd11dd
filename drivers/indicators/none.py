"""No indicator at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.indicators.base import Indicator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from drivers.indicators.base import Signal


@dataclass(frozen=True, slots=True)
class NoIndicatorConfig:
    """Nothing to configure."""


class NoIndicator(Indicator):
    """Shows nothing."""

    Config = NoIndicatorConfig

    def __init__(self, config: NoIndicatorConfig) -> None:
        del config

    async def show(self, signal: Signal) -> AsyncGenerator[None]:
        """Do nothing."""
        del signal
        yield
