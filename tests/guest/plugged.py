"""Devices of the guest that come with a context, and go with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Plugged(ABC):
    """There from the start until unplug(); a context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    @abstractmethod
    def unplug(self) -> None:
        """Take it away; harmless when it is."""
