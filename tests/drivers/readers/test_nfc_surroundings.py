"""What `doctor` says of an NFC adapter's surroundings."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.errors import UnsupportedDeviceError
from drivers.readers.nfc import NfcConfig, NfcReader
from drivers.readers.nfc_place import parse_place
from drivers.readers.nfc_surroundings import Surroundings
from drivers.readers.nfc_usb import ACR122U, GRABBING_MODULES, KNOWN, UsbAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.findings import Finding

SHIPPED = Path(__file__).parents[3] / "systemd"
SCL3711 = "usb:04e6:5591"
SONY_PN531 = (0x054C, 0x0193)  # Not sold for many years; needs a rule by hand


@pytest.fixture
def quiet(tmp_path: Path) -> Surroundings:
    """Give a machine with an SCL3711, and nothing in its way."""
    (tmp_path / "modules").write_text("nfc_not 16384 0 - Live 0x0\n")
    plug(tmp_path, "1-2", "04e6", "5591", number=7)
    (tmp_path / "sysfs" / "1-2:1.0").mkdir()  # An interface has no ids
    return Surroundings(
        modules=tmp_path / "modules",
        sysfs=tmp_path / "sysfs",
        nodes=tmp_path / "nodes",
        load_libusb=lambda: None,
    )


def plug(root: Path, name: str, vendor_id: str, product_id: str, number: int) -> None:
    """Plug a USB device in."""
    entry = root / "sysfs" / name
    entry.mkdir(parents=True)
    for key, value in {
        "idVendor": vendor_id,
        "idProduct": product_id,
        "busnum": "1",
        "devnum": str(number),
    }.items():
        (entry / key).write_text(f"{value}\n")
    node = root / "nodes" / "001" / f"{number:03}"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()


@pytest.fixture
def tty() -> Iterator[str]:
    """Give a pseudo-terminal."""
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def problems(
    surroundings: Surroundings, device: str, *, reset: tuple[str, ...] = ()
) -> list[Finding]:
    """Give what is wrong."""
    return [one for one in surroundings.check(parse_place(device), reset) if not one.ok]


def test_nothing_is_wrong(quiet: Surroundings, tty: str) -> None:
    """What is as it should be is told of, without a problem."""
    for device in ("usb", SCL3711, "udp:localhost:54321", tty):
        found = list(quiet.check(parse_place(device), (sys.executable,)))
        assert found
        assert [one.problem for one in found if one.problem] == []


def test_drivers_of_the_kernel(quiet: Surroundings, tty: str) -> None:
    """The finding names the modules that are loaded, and how to get rid of them."""
    quiet.modules.write_text(
        "pn533_usb 20480 0 - Live 0x0\npn533 45056 1 pn533_usb, Live 0x0\n"
    )
    (finding,) = problems(quiet, "usb")
    assert finding.problem.endswith("modprobe -r pn533_usb pn533")
    assert "port100" not in finding.problem
    assert problems(quiet, tty) == []


def test_the_blacklist_that_is_shipped() -> None:
    """The file that the finding names keeps all of them out."""
    shipped = Path("systemd/rfid-agent-reader-blacklist.conf").read_text()
    assert [
        one for one in GRABBING_MODULES if f"blacklist {one}\n" not in shipped
    ] == []


@pytest.mark.parametrize("product", sorted(KNOWN.keys() - {ACR122U, SONY_PN531}))
def test_the_rule_that_is_shipped(product: tuple[int, int]) -> None:
    """What nfcpy knows is let in by the installed rule, spelled as in the finding."""
    shipped = (SHIPPED / "60-rfid-agent.rules").read_text()
    rule = UsbAdapter(product, Path("/dev/null")).udev_rule()
    assert rule.removeprefix('SUBSYSTEM=="usb", ') in shipped


def test_a_kernel_without_modules(quiet: Surroundings) -> None:
    """Nothing is loaded where nothing can be."""
    quiet.modules.unlink()
    assert problems(quiet, "usb") == []


@pytest.mark.parametrize("device", ["usb:054c:06c3", "/dev/serial/by-id/usb-none"])
def test_a_device_that_is_missing(quiet: Surroundings, device: str) -> None:
    """The finding names the device."""
    (finding,) = problems(quiet, device)
    assert finding.what == f"device {device}"
    assert "is not there" in finding.problem


def test_no_usb_at_all(quiet: Surroundings, tmp_path: Path) -> None:
    """A machine without USB has no adapter."""
    surroundings = Surroundings(
        quiet.modules, tmp_path / "no", load_libusb=lambda: None
    )
    (finding,) = problems(surroundings, "usb")
    assert "is not there" in finding.problem


def test_permissions_of_usb(
    quiet: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finding gives the udev rule of this very adapter."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    (finding,) = problems(quiet, "usb")
    assert str(quiet.nodes / "001" / "007") in finding.problem
    assert 'ATTR{idVendor}=="04e6", ATTR{idProduct}=="5591"' in finding.problem


def test_permissions_of_a_tty(
    quiet: Surroundings, tty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finding says what would let us in."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    (finding,) = problems(quiet, tty)
    assert " us in " in finding.problem


def test_libusb_is_missing(quiet: Surroundings, tty: str) -> None:
    """The finding names the package; a serial adapter does not need it."""

    def load() -> None:
        raise UnsupportedDeviceError("install the package libusb-1.0-0")

    surroundings = replace(quiet, load_libusb=load)
    (finding,) = problems(surroundings, "usb")
    assert (finding.what, "libusb-1.0-0" in finding.problem) == ("libusb", True)
    assert problems(surroundings, tty) == []


def test_an_acr122u_belongs_to_pcsc(quiet: Surroundings, tmp_path: Path) -> None:
    """It is known to nfcpy, and better off elsewhere."""
    plug(tmp_path, "1-3", "072f", "2200", number=8)
    (finding,) = problems(quiet, "usb")
    assert "driver pcsc" in finding.problem


def test_a_reset_command_that_is_not_there(quiet: Surroundings) -> None:
    """It would be missed at the worst moment."""
    (finding,) = problems(quiet, "usb", reset=("/no/such/command", "1-2"))
    assert finding.what == "reset command /no/such/command"


def test_the_reader_checks_its_own_device(quiet: Surroundings, tty: str) -> None:
    """The driver looks at what its configuration names."""
    reader = NfcReader(NfcConfig(device=tty), surroundings=quiet)
    assert [finding.what for finding in reader.check()] == [f"device {tty}"]
