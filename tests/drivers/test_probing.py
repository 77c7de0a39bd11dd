"""What is attached, and what to configure for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.probing import Found, Surroundings, find_readers
from drivers.readers.pcsc_names import matches
from tests.drivers.readers.wedge_bench import SYC, InputTree

if TYPE_CHECKING:
    from pathlib import Path

ACR122U = "ACS ACR122U PICC Interface 00 00"
ACR1252 = "ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 01 00"
ACR1252_SAM = "ACS ACR1252 Dual Reader [ACR1252 Dual Reader SAM] 02 00"


class Machine:
    """A machine in a folder, on which nothing is attached yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inputs = InputTree(folder)
        self.pcsc: list[str] = []
        self.modules = folder / "modules"

    def find(self) -> list[Found]:
        """Look at it."""
        return find_readers(
            Surroundings(
                self.folder / "dev",
                self.folder / "sys",
                self.modules,
                lambda: self.pcsc,
            )
        )

    def find_one(self) -> Found:
        """Look at it; there is one thing."""
        (found,) = self.find()
        return found

    def plug_usb(self, name: str, vendor_id: int, product_id: int) -> Path:
        """Plug a USB device in; return its folder in sysfs."""
        device = self.folder / "sys/devices/usb1" / name
        device.mkdir(parents=True)
        (device / "idVendor").write_text(f"{vendor_id:04x}\n")
        (device / "idProduct").write_text(f"{product_id:04x}\n")
        (device / "product").write_text(f"product {name}\n")
        (device / "busnum").write_text("1\n")
        (device / "devnum").write_text("7\n")
        link = self.folder / "sys/bus/usb/devices" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(device)
        return device

    def plug_serial(self, node: str, usb: Path | None = None, by_id: str = "") -> Path:
        """Plug a serial port in, which may be part of a USB device."""
        path = self.folder / "dev" / node
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if usb is not None:
            inside = usb / "1-1:1.0" / node
            inside.mkdir(parents=True)
            tty = self.folder / "sys/class/tty" / node
            tty.mkdir(parents=True)
            (tty / "device").symlink_to(inside)
        if by_id:
            link = self.folder / "dev/serial/by-id" / by_id
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../../{node}")
            return link
        return path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a machine to which nothing is attached."""
    return Machine(tmp_path)


def test_nothing_is_attached(machine: Machine) -> None:
    """Neither a device nor a place where one could be."""
    assert machine.find() == []


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        (ACR122U, "ACS ACR122U PICC Interface*"),
        (ACR1252, "ACS ACR1252 Dual Reader [[]ACR1252 Dual Reader PICC]*"),
        ("Odd * name? 0A 01", "Odd [*] name[?]*"),
        ("No numbers", "No numbers*"),
    ],
)
def test_a_pcsc_reader_is_meant_whatever_its_numbers(
    machine: Machine, name: str, pattern: str
) -> None:
    """They change with what else is plugged in; its brackets are no pattern."""
    machine.pcsc = [name]
    found = machine.find_one()
    assert (found.what, found.driver) == (f"PC/SC reader {name}", "pcsc")
    assert found.options == {"match": pattern}
    assert matches(name, pattern)
    assert not matches("ACS ACR38U 00 00", pattern)


def test_equal_pcsc_readers_are_told_apart(machine: Machine) -> None:
    """By their whole names, with a warning."""
    machine.pcsc = [ACR122U, ACR122U.replace("00 00", "01 00")]
    found = machine.find()
    assert [one.options["match"] for one in found] == machine.pcsc
    assert all("may change" in one.note for one in found)


def test_a_slot_for_a_sam_is_no_reader(machine: Machine) -> None:
    """It is named, and nothing is proposed for it."""
    machine.pcsc = [ACR1252, ACR1252_SAM]
    reader, sam = machine.find()
    assert reader.driver == "pcsc"
    assert (sam.driver, sam.options) == ("", {})


def test_a_reader_with_a_sam_is_no_slot_for_one(machine: Machine) -> None:
    """What its whole device is called does not say which of its slots it is."""
    device = "Identive CLOUD 4510 F Contactless + SAM Reader"
    machine.pcsc = [
        f"{device} [CLOUD 4510 F Contactless Reader] 00 00",
        f"{device} [CLOUD 4510 F SAM Reader] 01 00",
    ]
    reader, sam = machine.find()
    assert reader.driver == "pcsc"
    assert "SAM, which no card reaches" in sam.note


def test_pcscd_cannot_be_asked(machine: Machine) -> None:
    """It says why, and the rest is found all the same."""
    machine.inputs.plug(0)

    def refuse() -> list[str]:
        raise TransientDeviceError("pcscd is not running")

    around = Surroundings(machine.folder / "dev", machine.folder / "sys")
    pcsc, wedge = find_readers(
        Surroundings(around.dev, around.sysfs, machine.modules, refuse)
    )
    assert pcsc == Found("PC/SC", note="cannot be asked: pcscd is not running")
    assert wedge.driver == "wedge"


def test_nfc_adapters(machine: Machine) -> None:
    """Those that nfcpy knows, but for the one that pcscd serves better."""
    machine.plug_usb("1-1", 0x054C, 0x06C3)
    machine.plug_usb("1-2", 0x072F, 0x2200)
    machine.plug_usb("1-3", 0x1D6B, 0x0002)
    assert machine.find() == [
        Found("NFC adapter RC-S380 (054c:06c3)", "nfc", {"device": "usb:054c:06c3"})
    ]
    machine.plug_usb("1-4", 0x054C, 0x06C3)
    assert all("of which the first" in one.note for one in machine.find())


def test_a_known_wedge(machine: Machine) -> None:
    """By its ids, whatever it calls itself; with its path, if udev made one."""
    machine.inputs.plug(0, name="HID 0035")
    found = machine.find_one()
    assert found.what == "keyboard HID 0035 (ffff:0035)"
    assert (found.driver, found.options) == ("wedge", {"device": "ffff:0035"})
    machine.inputs.plug(1, (0x046D, 0xC31C), "Logitech")
    machine.inputs.link("usb-Logitech-event-kbd", 1)
    assert "path" not in machine.find_one().note
    link = machine.inputs.link("usb-Sycreader-event-kbd", 0)
    assert str(link) in machine.find_one().note


@pytest.mark.parametrize(
    ("product", "name", "is_reader"),
    [
        ((0x09D8, 0x0410), "OEM RFID Device (Keyboard)", True),
        ((0x09D8, 0x0411), "", True),
        ((0x08FF, 0x0009), "USB Reader", True),
        ((0x1234, 0x5678), "Acme RFID Reader", True),
        ((0x1234, 0x5678), "ACME CARD READER", True),
        ((0x1234, 0x5678), "Acme NFC", True),
        ((0x1234, 0x5678), "Sycreader R60D", True),
        ((0x1234, 0x5678), "Acme Barcode Card Reader", False),
        ((0x1234, 0x5678), "Magnetic Card Reader", False),
        ((0x046D, 0xC31C), "Logitech USB Keyboard", False),
        ((0x1234, 0x5678), "Confcard", False),
        ((0xFFFF, 0x0036), "USB Keyboard", False),
    ],
)
def test_keyboards_of_people_are_not_proposed(
    machine: Machine, product: tuple[int, int], name: str, *, is_reader: bool
) -> None:
    """Only what says that it is a card reader."""
    machine.inputs.plug(0, product, name)
    assert bool(machine.find()) is is_reader


def test_equal_wedges_get_their_ports(machine: Machine) -> None:
    """As the driver wants them; another product needs none."""
    machine.inputs.plug(0, phys="usb-1.1/input0")
    machine.inputs.plug(1, phys="usb-1.2/input0")
    machine.inputs.plug(2, (0x08FF, 0x0009), "USB Reader", "usb-1.3/input0")
    assert [one.options for one in machine.find()] == [
        {"device": "ffff:0035", "usb_port": "usb-1.1/input0"},
        {"device": "ffff:0035", "usb_port": "usb-1.2/input0"},
        {"device": "08ff:0009"},
    ]
    assert SYC == (0xFFFF, 0x0035)


def test_a_serial_adapter(machine: Machine) -> None:
    """By its lasting name; nobody can see what is behind it."""
    usb = machine.plug_usb("1-1", 0x0403, 0x6001)
    link = machine.plug_serial("ttyUSB0", usb, "usb-FTDI_A1-if00-port0")
    found = machine.find_one()
    assert found.what == (
        f"serial adapter by FTDI (product 1-1) at {machine.folder}/dev/ttyUSB0"
    )
    assert found.driver == "serial"
    assert found.options == {"port": str(link), "format": "rdm6300"}
    assert "may be a charger" in found.note
    assert "after the next boot" not in found.note


def test_an_elatec_reader(machine: Machine) -> None:
    """Its maker is known, and what it speaks unless it was told otherwise."""
    usb = machine.plug_usb("1-1", 0x09D8, 0x0420)
    port = machine.plug_serial("ttyACM0", usb)
    found = machine.find_one()
    assert found.what == f"ELATEC reader (product 1-1) at {port}"
    assert found.options == {"port": str(port), "format": "twn4-ascii"}
    assert "after the next boot" in found.note


def test_serial_devices_of_unknown_make(machine: Machine) -> None:
    """One is on USB, the other tells nothing; both are named."""
    usb = machine.plug_usb("1-1", 0x1234, 0x5678)
    first = machine.plug_serial("ttyUSB0", usb)
    (usb / "product").unlink()
    second = machine.plug_serial("ttyUSB1")
    assert [one.what for one in machine.find()] == [
        f"serial device at {first}",
        f"serial device at {second}",
    ]


def test_modules_that_hide_readers(machine: Machine) -> None:
    """They are named with the remedy; others are nobody's business."""
    machine.modules.write_text(
        "pn533_usb 20480 0 - Live 0x0\nnfc 94208 2 pn533, Live 0x0\nusbhid 1 0 -\n"
    )
    found = machine.find_one()
    assert (found.what, found.driver) == ("kernel modules pn533_usb", "")
    assert "rfid-agent-reader-blacklist.conf" in found.note
    machine.modules.write_text("nfc 94208 2 pn533, Live 0x0\n")
    assert machine.find() == []
