"""ID-12, ID-20 and their LA kin in ASCII mode: 16 bytes, sent once per arrival."""

from __future__ import annotations

from typing import Final

from drivers.readers.formats.em4100 import ETX, Em4100Codec

BAUDRATE: Final = 9600
TAIL: Final = b"\r\n" + ETX


def codec() -> Em4100Codec:
    """Make a codec that has seen nothing yet."""
    return Em4100Codec(TAIL)
