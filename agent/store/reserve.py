"""Space that is kept free for stops: given up when the disk is full, and taken back.

On a full disk nothing new may begin, but what runs must end, and that is written down.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)

FILE: Final = "reserve"
SIZE_BYTES: Final = 1024 * 1024  # For the ends of some hundred sessions
#: Taken back only if so many times its size is free, so that nobody needs it then.
PLENTY: Final = 4


class Reserve:
    """A file of the state directory that holds space, and no data."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._held = self._is_whole()

    def hold(self) -> bool:
        """Take the space if there is plenty; say whether it is held."""
        if not self._held and self._is_plenty():
            self._held = self._take()
        return self._held

    def release(self) -> bool:
        """Give the space to whoever needs it now; say whether there was any."""
        if not self._held:
            return False
        try:
            self._path.unlink()
        except OSError as err:
            _LOGGER.warning("%s cannot be given up: %s", self._path, err.strerror)
            return False
        finally:
            self._held = False
        _LOGGER.warning("the disk is full; %s was given up for stops", self._path)
        return True

    def _is_whole(self) -> bool:
        try:
            return self._path.stat().st_blocks * 512 >= SIZE_BYTES
        except OSError:
            return False

    def _is_plenty(self) -> bool:
        try:
            disk = os.statvfs(self._path.parent)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize >= PLENTY * SIZE_BYTES

    def _take(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, SIZE_BYTES)
            finally:
                os.close(descriptor)
        except OSError:
            return False
        return True
