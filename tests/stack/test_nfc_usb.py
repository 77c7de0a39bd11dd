"""The NFC reader with nfcpy's real PN533 driver, and a chip in the place of libusb."""

from __future__ import annotations

import errno
import os
from contextlib import aclosing
from datetime import timedelta
from typing import ClassVar

import nfc.clf.transport
import pytest

from drivers.errors import DeviceGoneError
from drivers.readers import nfc_frontend
from drivers.readers.base import CardArrived, CardLeft, ReaderUp
from drivers.readers.nfc import NfcConfig, NfcReader
from tests.stack.nfc_bench import OTHER_UID, UID, arrival, failure, following, run
from tests.stack.nfc_chip import Chip, EmulatedCard

pytestmark = pytest.mark.stack

SCL3711 = (0x04E6, 0x5591)


class FakeUsb:
    """nfcpy's transport, with one adapter plugged in."""

    TYPE = "USB"
    chip = Chip()
    in_use: ClassVar[set[FakeUsb]] = set()

    def __init__(self, bus: int, number: int) -> None:
        assert (bus, number) == (1, 4)
        self.in_use.add(self)
        self._sent: list[bytes] = []

    @classmethod
    def find(cls, path: str) -> list[tuple[int, int, int, int]] | None:
        """List what is plugged in and meant by this path."""
        if not path.startswith("usb"):
            return None
        return [(*SCL3711, 1, 4)] if path in ("usb", "usb:04e6:5591") else []

    def write(self, frame: bytes) -> None:
        """Ask the chip."""
        if not self.chip.awake:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        self._sent += self.chip.hear(bytes(frame))

    def read(self, timeout: int = 0) -> bytearray:
        """Take its next frame."""
        assert timeout > 0
        if not self._sent:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        return bytearray(self._sent.pop(0))

    def close(self) -> None:
        """Let it go."""
        self.in_use.discard(self)


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Chip:
    """Plug an SCL3711 in."""
    plugged = Chip(is_pn533=True, awake=True)
    monkeypatch.setattr(FakeUsb, "chip", plugged)
    monkeypatch.setattr(FakeUsb, "in_use", set())
    monkeypatch.setattr(nfc.clf.transport, "USB", FakeUsb)
    monkeypatch.setattr(nfc_frontend, "load_libusb", lambda: None)
    monkeypatch.setattr(os, "access", lambda *_: True)
    return plugged


@pytest.mark.parametrize("device", ["usb", "usb:04e6:5591"])
def test_cards_come_and_go(chip: Chip, device: str) -> None:
    """It is found, and sees cards of both types; unplugged, it is gone and closed."""
    config = NfcConfig(
        device=device,
        poll_every=timedelta(milliseconds=2),
        held_for=timedelta(milliseconds=50),
    )

    async def main() -> None:
        async with aclosing(NfcReader(config).events()) as events:
            up = await following(events)
            assert isinstance(up, ReaderUp)
            assert len(FakeUsb.in_use) == 1
            assert up.device.endswith("PN533v2.7 at usb:001:004")
            chip.card = EmulatedCard(UID)
            assert await arrival(events) == UID
            chip.card = EmulatedCard(OTHER_UID[:4], is_type_b=True)
            assert isinstance(await following(events), CardLeft)
            came = await following(events)
            assert isinstance(came, CardArrived)
            assert came.uid == OTHER_UID[:4]
            chip.awake = False
            assert isinstance(await failure(events), DeviceGoneError)
        assert FakeUsb.in_use == set()

    run(main())


def test_an_adapter_that_is_not_there(chip: Chip) -> None:
    """Another product is not taken for the one that is wanted."""
    del chip

    async def main() -> None:
        error = await failure(NfcReader(NfcConfig(device="usb:054c:06c3")).events())
        assert isinstance(error, DeviceGoneError)
        assert "usb:054c:06c3" in str(error)

    run(main())


def test_a_silent_adapter_does_not_block_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where nfcpy waits without a limit, ours has one; a limit of its own stays."""
    asked: list[int] = []

    class Recorder(nfc_frontend.BoundedUsb):
        def __init__(self) -> None:
            """Open nothing."""

        def __del__(self) -> None:
            """Close nothing."""

    parent = nfc_frontend.BoundedUsb.__mro__[1]
    monkeypatch.setattr(parent, "read", lambda _, timeout: asked.append(timeout))
    monkeypatch.setattr(parent, "write", lambda _, __, timeout: asked.append(timeout))
    usb = Recorder()
    usb.read()
    usb.read(100)
    usb.write(b"")
    usb.write(b"", 30)
    limit = nfc_frontend.USB_TIMEOUT_MS
    assert asked == [limit, 100, limit, 30]


def test_nfcpy_takes_the_bounded_one() -> None:
    """The class is where nfcpy looks for it when it opens a device."""
    assert nfc.clf.transport.USB is nfc_frontend.BoundedUsb
