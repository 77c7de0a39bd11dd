"""The emulators know their modules' commands for lights, and nothing that is like them.

What they let pass, no test of the driver would find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.readers.formats.pn532 import Pn532
from drivers.readers.formats.sl032 import Sl032
from drivers.readers.formats.twn4 import Mode, Twn4
from tests.drivers.readers.modules import Sl032Emulator, Twn4Emulator
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.readers.formats.dialogue import Module

OUTPUTS = bytes.fromhex("0400070000")


def module_for(command: bytes) -> Module:
    """Make the driver and the emulator that know such commands."""
    match command[0]:
        case 0x04:
            mode = Mode(ascii_hex=False, crc=True)
            return Twn4(FakeLine(Twn4Emulator()), now, mode)
        case 0x0E:
            return Pn532(FakeLine(Pn532Emulator()), now)
        case _:
            return Sl032(FakeLine(Sl032Emulator()), now)


def wrong_lengths() -> Iterator[bytes]:
    """Cut and lengthen commands."""
    for command in ("0400070000", "040201", "0407646009C8000000", "0EBF84", "4001"):
        yield bytes.fromhex(command)[:-1]
        yield bytes.fromhex(command) + b"\x00"


@pytest.mark.parametrize(
    "command",
    [
        *wrong_lengths(),
        bytes.fromhex("040208"),  # No output was configured there
        bytes.fromhex("0400070300"),  # No such pull
        bytes.fromhex("0407656009C8000000"),  # 101 percent
        bytes.fromhex("040764F301C8000000"),  # 499 Hz
        bytes.fromhex("0EBF87"),  # Bits of P7 that are not used
    ],
    ids=bytes.hex,
)
def test_the_emulators_are_strict(command: bytes) -> None:
    """A command that is not as the manuals have it is refused."""

    async def main() -> None:
        module = module_for(command)
        await module.start()
        if isinstance(module, Twn4):
            await module.tell(OUTPUTS)
        with pytest.raises(TransientDeviceError, match=r"expected .*, got"):
            await module.tell(command)

    run_virtual(main())


def test_a_reserved_pin_of_a_pn532_hangs_it() -> None:
    """It is mute from then on, lights and cards."""

    async def main() -> None:
        for command in ("0EBB00", "0EAF00"):
            module = module_for(bytes.fromhex(command))
            await module.start()
            await module.tell(bytes.fromhex(command))
            with pytest.raises(TransientDeviceError, match="no answer"):
                await module.find()

    run_virtual(main())
