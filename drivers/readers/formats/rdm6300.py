"""RDM6300, RDM630 and Grove 125 kHz readers: 14 bytes, sent on while a card is held."""

from __future__ import annotations

from typing import Final

from drivers.readers.formats.em4100 import ETX, Em4100Codec

BAUDRATE: Final = 9600
TAIL: Final = ETX


def codec() -> Em4100Codec:
    """Make a codec that has seen nothing yet."""
    return Em4100Codec(TAIL)
