"""The red LED of a StrongLink module; pure (SL032 user manual, Manage Red LED).

The green one is the module's own affair: it shines while a card is in the field.
"""

from __future__ import annotations

from typing import Final

from drivers.readers.formats.panel import Panel

RED: Final = "red"
RED_ON: Final = bytes.fromhex("40 01")
RED_OFF: Final = bytes.fromhex("40 00")


class Sl032Panel(Panel):
    """One lamp."""

    def __init__(self) -> None:
        super().__init__([RED])

    def switch(self, on: frozenset[str], before: frozenset[str] | None) -> list[bytes]:
        """Turn it on or off."""
        if on == before:
            return []
        return [RED_ON if RED in on else RED_OFF]
