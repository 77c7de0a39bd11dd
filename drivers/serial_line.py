"""What every kind of serial line can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

#: At most so many bytes are read at a time.
READ_BYTES: Final = 4096


class Line(ABC):
    """An open line; one task may read while another writes."""

    @abstractmethod
    async def read(self) -> bytes:
        """Wait for bytes; DeviceGoneError when there will be none."""

    @abstractmethod
    async def read_now(self) -> bytes:
        """Return what has come already, which may be nothing."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Write all of it, however long that takes."""

    @abstractmethod
    async def close(self) -> None:
        """Close it at once; never fails."""
