"""Contacts bounce: a level counts once it has lasted; pure.

The kernel does this by itself on most chips, and not on those behind I2C, SPI or USB.
"""

from __future__ import annotations


class Contact:
    """One input. `level` is what counts; moments are seconds of one clock."""

    def __init__(self, *, level: bool, lasting_s: float) -> None:
        self.level = level
        self._lasting_s = lasting_s
        self._felt = level
        self._felt_since = 0.0

    def feel(self, at: float, *, level: bool) -> bool:
        """Take what it is from this moment on; tell whether `level` changed before."""
        has_changed = self.settle(at)
        if level is not self._felt:
            self._felt = level
            self._felt_since = at
        return has_changed

    def settle(self, now: float) -> bool:
        """Let what was felt count if it has lasted; tell whether `level` changed."""
        due_at = self.due_at()
        if due_at is None or now < due_at:
            return False
        self.level = self._felt
        return True

    def due_at(self) -> float | None:
        """When `level` changes if nothing more is felt."""
        if self._felt is self.level:
            return None
        return self._felt_since + self._lasting_s
