"""nfcpy as the driver uses it, with a device in the place of a real one."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import nfc.clf
import pytest

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers import nfc_frontend
from drivers.readers.nfc_field import Sighting
from drivers.readers.nfc_frontend import open_frontend, read_target
from drivers.readers.nfc_place import UsbPlace
from drivers.readers.nfc_usb import UsbAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

USB = UsbPlace((0x04E6, 0x5591))
SCL3711 = UsbAdapter((0x04E6, 0x5591), Path("/dev/bus/usb/001/004"))
UID = bytes.fromhex("04A1B2C3D4E5F6")


class FakeTransport:
    """Notes that it was closed."""

    closed = False

    def close(self) -> None:
        """Close, badly: the device may be gone."""
        self.closed = True
        raise OSError(errno.ENODEV, "gone")


class FakeChipset:
    """Has the transport."""

    def __init__(self) -> None:
        self.transport = FakeTransport()


class FakeDevice:
    """A device of nfcpy; `found` is what is in its field, or what it raises."""

    def __init__(self) -> None:
        self.chipset = FakeChipset()
        self.found: dict[str, object] = {}
        self.at_close: Exception | None = None
        self.asked: list[str] = []

    def __str__(self) -> str:
        return "SCM SCL3711 PN533v2.7 at usb:001:004"

    def mute(self) -> None:
        """Switch the field off."""

    def sense_tta(self, target: nfc.clf.RemoteTarget) -> object:
        """Look for type A."""
        return self._sense(target)

    def sense_ttb(self, target: nfc.clf.RemoteTarget) -> object:
        """Look for type B."""
        return self._sense(target)

    def close(self) -> None:
        """Close, if it can be."""
        if self.at_close:
            raise self.at_close

    def _sense(self, target: nfc.clf.RemoteTarget) -> object:
        self.asked.append(target.brty)
        found = self.found.get(target.brty)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    """Let nfcpy find a device on USB, by the path that it understands."""
    fake = FakeDevice()
    connect = {"usb:04e6:5591": fake}.get
    monkeypatch.setattr("nfc.clf.device.connect", connect)
    return fake


def type_a(uid: bytes) -> nfc.clf.RemoteTarget:
    """Make a target as nfcpy finds it."""
    return nfc.clf.RemoteTarget(
        "106A", sens_res=bytearray(b"\x44\x00"), sel_res=bytearray(1), sdd_res=uid
    )


def test_an_adapter_on_usb(device: FakeDevice) -> None:
    """It is found by vendor and product, and asked for both types once each."""
    frontend = open_frontend(USB)
    assert frontend.name == "SCM SCL3711 PN533v2.7 at usb:001:004"
    assert frontend.look() is None
    assert device.asked == ["106A", "106B"]
    device.found["106A"] = type_a(UID)
    assert frontend.look() == Sighting(UID)
    frontend.close()
    assert device.chipset.transport.closed


def test_targets() -> None:
    """Type A has its uid, type B its PUPI, and a type 1 tag nothing of the kind."""
    atqb = bytearray.fromhex("50 5A6B7C8D 00000000 008171")
    type_b = nfc.clf.RemoteTarget("106B", sensb_res=atqb)
    type_1 = nfc.clf.RemoteTarget(
        "106A", sens_res=bytearray(b"\x00\x0c"), rid_res=bytearray(6)
    )
    assert read_target(type_a(UID)) == Sighting(UID)
    assert read_target(type_b) == Sighting(bytes.fromhex("5A6B7C8D"), is_type_b=True)
    assert read_target(type_1) == Sighting(b"")


LOOKS: list[tuple[Exception, type[DriverError]]] = [
    (OSError(errno.EIO, "x"), TransientDeviceError),
    (OSError(errno.ENODEV, "x"), DeviceGoneError),
    (TimeoutError(errno.ETIMEDOUT, "x"), TransientDeviceError),
    (IndexError("x"), TransientDeviceError),
    (AssertionError(), TransientDeviceError),
    (AttributeError("x"), TransientDeviceError),
    (nfc.clf.pn532.Chipset.Error(1, "x"), TransientDeviceError),
]


@pytest.mark.parametrize(("err", "kind"), LOOKS)
def test_what_a_look_throws(
    device: FakeDevice, err: Exception, kind: type[DriverError]
) -> None:
    """Whatever it is, it becomes an error of ours with its cause."""
    frontend = open_frontend(USB)
    device.found["106B"] = err
    with pytest.raises(kind) as caught:
        frontend.look()
    assert caught.value.__cause__ is err


@pytest.mark.parametrize("err", [nfc.clf.ProtocolError("x"), nfc.clf.TimeoutError("x")])
def test_a_card_that_answers_badly(device: FakeDevice, err: Exception) -> None:
    """It is the card's fault and not the adapter's, so there is just no card."""
    device.found["106A"] = err
    assert open_frontend(USB).look() is None


@pytest.mark.parametrize(
    "err", [OSError(errno.EIO, "x"), AttributeError("x"), RuntimeError("x")]
)
def test_closing_never_fails(device: FakeDevice, err: Exception) -> None:
    """The transport is closed even if nfcpy has given up before it came to that."""
    frontend = open_frontend(USB)
    device.at_close = err
    frontend.close()
    assert device.chipset.transport.closed


def refuse(err: Exception) -> Callable[[str], object]:
    """Make an opening that fails."""

    def connect(_: str) -> object:
        raise err

    return connect


@pytest.mark.parametrize(
    ("err", "kind"),
    [
        (OSError(errno.EACCES, "x"), AccessDeniedError),
        (OSError(errno.EBUSY, "x"), TransientDeviceError),
        (OSError(errno.ENODEV, "x"), DeviceGoneError),
        (AttributeError("x"), TransientDeviceError),
    ],
)
def test_what_opening_throws(
    err: Exception, kind: type[DriverError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes an error of ours with its cause."""
    monkeypatch.setattr("nfc.clf.device.connect", refuse(err))
    with pytest.raises(kind) as caught:
        open_frontend(USB)
    assert caught.value.__cause__ is err


ABSENCES: list[tuple[list[UsbAdapter], bool, type[DriverError], str]] = [
    # plugged in, may be opened, what is raised
    ([], True, DeviceGoneError, "there is no NFC adapter at usb:04e6:5591"),
    ([SCL3711], True, TransientDeviceError, "or a driver of the kernel, has it"),
    ([SCL3711], False, AccessDeniedError, 'ATTR{idVendor}=="04e6"'),
]


@pytest.mark.parametrize("row", ABSENCES)
def test_nothing_was_found(
    row: tuple[list[UsbAdapter], bool, type[DriverError], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the kernel lists says why; nfcpy does not."""
    adapters, allowed, kind, words = row
    monkeypatch.setattr("nfc.clf.device.connect", lambda _: None)
    monkeypatch.setattr(nfc_frontend, "find_adapters", lambda _: adapters)
    monkeypatch.setattr(os, "access", lambda *_: allowed)
    with pytest.raises(kind) as caught:
        open_frontend(USB)
    assert words in str(caught.value)


def test_libusb_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the package, and nobody tries again."""
    monkeypatch.setattr(
        "nfc.clf.transport.libusb.loadLibrary",
        lambda: refuse(OSError(errno.ENOENT, "no libusb"))(""),
    )
    with pytest.raises(UnsupportedDeviceError, match=r"libusb-1\.0-0"):
        open_frontend(USB)


def test_nfcpy_logs_nothing(
    device: FakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither at DEBUG nor below it: frames hold card numbers."""
    caplog.set_level(1)
    device.found["106A"] = type_a(UID)
    assert open_frontend(USB).look() == Sighting(UID)
    logging.getLogger("nfc.clf.transport").error("a frame: %s", UID.hex())
    assert caplog.text == ""
