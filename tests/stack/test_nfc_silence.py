"""nfcpy's real PN532 driver says nothing of a card, whatever becomes of its frames."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent.domain.messages import CardTapped
from tests.drivers.readers.silence_bench import Station, find_traces, overhearing
from tests.stack import nfc_chip
from tests.stack.nfc_bench import LIST, make_reader, run
from tests.stack.nfc_pty import Pn532OnPty

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stack.nfc_chip import Fault

pytestmark = pytest.mark.stack

#: A number that shows as text, too.
UID = b"\x04QZKWJX"


def missing_a_byte(frame: bytes) -> bytes:
    """Lose a byte in the middle."""
    return frame[:8] + frame[9:]


@pytest.mark.parametrize(
    "fault", [nfc_chip.bad_checksum, nfc_chip.truncated, missing_a_byte]
)
def test_no_frame_is_repeated(fault: Fault, tmp_path: Path) -> None:
    """A card is read, then each frame of a look is spoilt, then it is unplugged."""

    async def main() -> None:
        with Pn532OnPty(tmp_path / "usb") as pn532, overhearing() as heard:
            station = Station(make_reader(pn532))
            with station.at_work(heard):
                pn532.lay(UID)
                while not station.inputs:  # noqa: ASYNC110 - a thread reports
                    await asyncio.sleep(0.01)
                pn532.chip.faulty, pn532.chip.fault = LIST, fault
                while not _is_down(station):  # noqa: ASYNC110 - a thread reports
                    await asyncio.sleep(0.01)
                pn532.unplug()
                await asyncio.sleep(1)
        assert isinstance(station.inputs[0], CardTapped)
        assert find_traces("\n".join(heard.lines), UID) == []

    run(main())


def _is_down(station: Station) -> bool:
    return not station.health.is_good("reader front")
