"""What is said of a serial reader in the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from drivers.errors import UnsupportedDeviceError
from drivers.readers.formats import ascii as lines_of_text
from drivers.readers.formats import id12, pn532, rdm6300, sl032, twn4, wiegand
from drivers.serial_url import check_port

if TYPE_CHECKING:
    from collections.abc import Iterable


class Format(StrEnum):
    """What the reader speaks."""

    RDM6300 = "rdm6300"
    ID12 = "id12"
    WIEGAND = "wiegand"
    WIEGAND_RAW = "wiegand-raw"
    ASCII = "ascii"
    TWN4 = "twn4"
    TWN4_ASCII = "twn4-ascii"
    SL032 = "sl032"
    PN532 = "pn532"


BAUDRATES: Final = {
    Format.RDM6300: rdm6300.BAUDRATE,
    Format.ID12: id12.BAUDRATE,
    Format.WIEGAND: wiegand.BAUDRATE,
    Format.WIEGAND_RAW: wiegand.BAUDRATE,
    Format.ASCII: lines_of_text.BAUDRATE,
    Format.TWN4: twn4.BAUDRATE,
    Format.TWN4_ASCII: twn4.BAUDRATE,
    Format.SL032: sl032.BAUDRATE,
    Format.PN532: pn532.BAUDRATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialReaderConfig:
    """`port`: the path of a tty, or `socket://host:port` of a serial server.

    `baudrate`: 0 for what the format's readers usually have. `pattern`: of format
    ascii, a regular expression for a whole line; its first group is the number in hex.
    `crc`: of the twn4 formats. `poll_every`: how often a module that has to be asked
    is asked. `held_for`: a card that was unseen for so long has left.
    """

    port: Annotated[
        str, Meta(min_length=1, description="a path, or socket://host:port")
    ]
    format: Format
    baudrate: Annotated[int, Meta(ge=0, description="bits per second")] = 0
    pattern: str = lines_of_text.HEX_LINE
    crc: bool = True
    poll_every: timedelta = timedelta(milliseconds=250)
    held_for: timedelta = timedelta(seconds=1)

    def __post_init__(self) -> None:
        check_port(self.port)
        try:
            lines_of_text.AsciiCodec(0.0, self.pattern)
        except UnsupportedDeviceError as err:
            raise ValueError(f"pattern: {err}") from err

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody."""
        return [self.port]
