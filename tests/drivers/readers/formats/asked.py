"""Modules that have to be asked, each with its driver, on a line in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from drivers.readers.formats.pn532 import Pn532
from drivers.readers.formats.sl032 import Sl032
from drivers.readers.formats.twn4 import Mode, Twn4
from tests.drivers.readers.modules import Emulator, Sl032Emulator, Twn4Emulator
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.serial_bench import FakeLine, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drivers.readers.formats.dialogue import Module

UID: Final = bytes.fromhex("04A1B2C3D4E5F6")


@dataclass(frozen=True)
class Kind:
    """A kind of module: how to emulate it, how to talk to it, a command for a light."""

    name: str
    emulate: Callable[[], Emulator]
    drive: Callable[[FakeLine], Module]
    light: bytes

    def __repr__(self) -> str:
        return self.name


class Rig(NamedTuple):
    """A module at its line, and its driver."""

    device: Emulator
    line: FakeLine
    module: Module


async def start(kind: Kind, line: type[FakeLine] = FakeLine) -> Rig:
    """Build one, and start the driver."""
    device = kind.emulate()
    on_line = line(device)
    module = kind.drive(on_line)
    assert await module.start()
    return Rig(device, on_line, module)


def twn4(name: str, *, ascii_hex: bool, crc: bool) -> Kind:
    """Describe one mode of the TWN4."""
    return Kind(
        name,
        lambda: Twn4Emulator(ascii_hex=ascii_hex, crc=crc),
        lambda line: Twn4(line, now, Mode(ascii_hex=ascii_hex, crc=crc)),
        bytes.fromhex("0400070000"),
    )


SL032: Final = Kind(
    "sl032", Sl032Emulator, lambda line: Sl032(line, now), bytes.fromhex("4001")
)
PN532: Final = Kind(
    "pn532", Pn532Emulator, lambda line: Pn532(line, now), bytes.fromhex("0EBF84")
)
TWN4: Final = twn4("twn4", ascii_hex=False, crc=True)
TWN4_ASCII: Final = twn4("twn4-ascii", ascii_hex=True, crc=True)
#: Without a CRC nobody can see a bit that is wrong in each and every answer.
UNCHECKED: Final = (
    twn4("twn4-plain", ascii_hex=False, crc=False),
    twn4("twn4-ascii-plain", ascii_hex=True, crc=False),
)
#: Those whose lights are tried; a CRC makes no difference to them.
LIT: Final = (TWN4, TWN4_ASCII, PN532, SL032)
ALL: Final = (SL032, TWN4, TWN4_ASCII, *UNCHECKED, PN532)


def each(kinds: Iterable[Kind]) -> pytest.MarkDecorator:
    """Try a test on each of them."""
    return pytest.mark.parametrize("kind", kinds, ids=str)
