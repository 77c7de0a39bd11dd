"""Escape commands through the real pcscd, to a reader driver written for it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from drivers.errors import UnsupportedDeviceError
from drivers.indicators.acs import AcsIndicator, AcsIndicatorConfig
from drivers.indicators.acs_commands import Model
from drivers.indicators.base import Signal
from tests.conftest import PCSCD_TIMEOUT_S
from tests.drivers.indicators.showing import Screen
from tests.stack.pcscd import READER_CONF, Pcscd, alone

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.stack, pytest.mark.timeout(PCSCD_TIMEOUT_S)]

DRIVER: Final = Path(__file__).parent / "acs_driver.c"
HEADERS: Final = Path("/usr/include/PCSC")
#: Red, and then dark.
COMMANDS: Final = ["FF00400D0400000000", "FF00400C0400000000"]


@contextmanager
def acr122u(directory: Path, codes: str) -> Iterator[Path]:
    """Run pcscd with the reader; give the file of what came as an escape."""
    if not shutil.which("gcc") or not HEADERS.is_dir():
        pytest.skip("no compiler, or no headers (packages gcc, libpcsclite-dev)")
    library, commands = directory / "acs.so", directory / "commands"
    build = ["gcc", "-shared", "-fPIC", f"-I{HEADERS}", "-o", str(library), str(DRIVER)]
    subprocess.run(build, check=True)
    config = READER_CONF.format(
        name="ACS ACR122U PICC Interface", port=0, library=library
    ).replace("/dev/null:0x0", f"{commands}:{codes}")
    with alone():
        pcscd = Pcscd(directory / "pcscd", pairs=0)
        (directory / "pcscd" / "reader.conf.d" / "acs").write_text(config)
        with pcscd:
            yield commands


@pytest.mark.parametrize("codes", ["allowed", "open"])
def test_the_driver_is_asked_for_its_code(tmp_path: Path, codes: str) -> None:
    """Without a card, and whichever code it is: libccid's, or that of ACS's own."""
    indicator = Screen(AcsIndicator(AcsIndicatorConfig(model=Model.ACR122U)))

    async def main() -> None:
        await indicator.show(Signal.ERROR)
        await indicator.close()

    with acr122u(tmp_path, codes) as commands:
        asyncio.run(main())
        assert commands.read_text().split() == COMMANDS


def test_a_driver_that_does_not_allow_it(tmp_path: Path) -> None:
    """Nothing is sent, and the error says what to change."""
    indicator = Screen(AcsIndicator(AcsIndicatorConfig(model=Model.ACR122U)))
    with acr122u(tmp_path, "refused") as commands:
        with pytest.raises(UnsupportedDeviceError, match="set ifdDriverOptions"):
            asyncio.run(indicator.show(Signal.ERROR))
        assert not commands.exists()
