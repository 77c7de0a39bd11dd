"""An indicator without hardware: one line per signal, appended to a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the configuration reads this annotation
from typing import TYPE_CHECKING

from drivers.errors import TransientDeviceError
from drivers.indicators.base import Indicator

if TYPE_CHECKING:
    from drivers.indicators.base import Signal


@dataclass(frozen=True, slots=True)
class FileIndicatorConfig:
    """`path`: the file, made when missing."""

    path: Path


class FileIndicator(Indicator):
    """Writes each signal's name as a line."""

    Config = FileIndicatorConfig

    def __init__(self, config: FileIndicatorConfig) -> None:
        self._path = config.path

    async def show(self, signal: Signal) -> None:
        """Append the signal; a few bytes, so the loop is not kept waiting."""
        try:
            with self._path.open("a", encoding="ascii") as file:
                file.write(f"{signal}\n")
        except OSError as err:
            raise TransientDeviceError(f"cannot write {self._path}: {err}") from err
