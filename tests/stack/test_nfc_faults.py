"""The NFC reader with nfcpy's real PN532 driver, and a chip that misbehaves."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.readers import nfc_line
from drivers.readers.base import CardLeft, ReaderUp
from drivers.readers.nfc_worker import MAX_FAULTS
from tests.stack import nfc_chip
from tests.stack.nfc_bench import (
    LIST,
    OTHER_UID,
    UID,
    arrival,
    failure,
    following,
    listening,
    make_reader,
    run,
)
from tests.stack.nfc_pty import Pn532OnPty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stack.nfc_chip import Fault

pytestmark = pytest.mark.stack

# The emulated chip is a thread, which a busy machine may forget for a while.
PATIENT_S = 1.0


@pytest.fixture
def pn532(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pn532OnPty]:
    """Plug a PN532 in, under a name that udev would give it."""
    monkeypatch.setattr(nfc_line, "LEAST_WAIT_S", PATIENT_S)
    with Pn532OnPty(tmp_path / "usb-1a86_USB_Serial-if00-port0") as plugged:
        yield plugged


FAULTS: list[tuple[Fault, frozenset[int]]] = [
    (nfc_chip.mute, frozenset()),
    (nfc_chip.mute, LIST),
    (nfc_chip.bad_checksum, LIST),
    (nfc_chip.truncated, LIST),
]


@pytest.mark.parametrize(("fault", "faulty"), FAULTS)
def test_a_chip_that_fails(
    pn532: Pn532OnPty, fault: Fault, faulty: frozenset[int]
) -> None:
    """It is closed after some tries; opened again when it works, it is as it was."""

    async def main() -> None:
        reader = make_reader(pn532)
        async with listening(reader) as events:
            pn532.lay(UID)
            assert await arrival(events) == UID
            pn532.chip.faulty, pn532.chip.fault = faulty, fault
            error = await failure(events)
            assert isinstance(error, TransientDeviceError)
            assert error.__cause__ is not None
        pn532.chip.fault = None
        pn532.lay(OTHER_UID)
        async with aclosing(reader.events()) as events:
            assert isinstance(await following(events), ReaderUp)
            assert isinstance(await following(events), CardLeft)
            assert await arrival(events) == OTHER_UID

    run(main())


@pytest.mark.parametrize(("fault", "faulty"), FAULTS)
def test_a_glitch(pn532: Pn532OnPty, fault: Fault, faulty: frozenset[int]) -> None:
    """A bad frame now and then costs neither the reader nor its card."""

    async def main() -> None:
        reader = make_reader(pn532, held_for=timedelta(seconds=10))
        async with listening(reader) as events:
            pn532.lay(UID)
            assert await arrival(events) == UID
            chip = pn532.chip
            chip.faults_left, chip.faulty, chip.fault = MAX_FAULTS - 1, faulty, fault
            pn532.wait_for_looks(MAX_FAULTS + 3)
            assert chip.faults_left == 0
            pn532.lay(OTHER_UID)
            assert isinstance(await following(events), CardLeft)
            assert await arrival(events) == OTHER_UID

    run(main())


def test_garbage_before_every_frame(pn532: Pn532OnPty) -> None:
    """A line with a bad start is a line all the same."""
    pn532.chip.fault = nfc_chip.after_garbage

    async def main() -> None:
        async with listening(make_reader(pn532)) as events:
            pn532.lay(UID)
            assert await arrival(events) == UID

    run(main())


def test_a_chip_that_refuses(pn532: Pn532OnPty) -> None:
    """An error frame is no card."""

    async def main() -> None:
        async with listening(make_reader(pn532)) as events:
            pn532.chip.refused = LIST
            assert isinstance(await failure(events), TransientDeviceError)

    run(main())


@pytest.mark.parametrize(
    "fault", [nfc_chip.mute, nfc_chip.bad_checksum, nfc_chip.truncated]
)
def test_a_chip_that_fails_from_the_start(pn532: Pn532OnPty, fault: Fault) -> None:
    """The message says what to look at, and nothing stays open."""
    pn532.chip.fault = fault

    async def main() -> None:
        error = await failure(make_reader(pn532).events())
        assert isinstance(error, TransientDeviceError)
        assert "check its wiring" in str(error)

    run(main())
