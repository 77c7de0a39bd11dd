"""Which keyboard is the reader, and that no other is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.errors import (
    DeviceGoneError,
    TransientDeviceError,
)
from drivers.readers.wedge_place import (
    ById,
    Keyboard,
    Place,
    Product,
    find_node,
    list_keyboards,
    parse_place,
)
from tests.drivers.readers.wedge_bench import SYC, InputTree

if TYPE_CHECKING:
    from pathlib import Path

LINK = "usb-Sycreader_USB_Reader_08FF20150112-event-kbd"
PERSON = (0x046D, 0xC31C)


@pytest.fixture
def tree(tmp_path: Path) -> InputTree:
    """Make a machine without input devices."""
    return InputTree(tmp_path)


def find(tree: InputTree, place: Place) -> tuple[Path, tuple[int, int] | None]:
    """Find a place in it."""
    return find_node(place, sysfs=tree.sysfs, nodes=tree.nodes)


@pytest.mark.parametrize(
    ("device", "usb_port", "place"),
    [
        ("ffff:0035", "", Product(SYC)),
        ("FFFF:0035", "usb-1.2", Product(SYC, "usb-1.2")),
        ("046d:C31C", "", Product(PERSON)),
        (f"/dev/input/by-id/{LINK}", "", ById(LINK)),
    ],
)
def test_places_are_parsed(device: str, usb_port: str, place: Place) -> None:
    """Ids in any case, and names of udev."""
    assert parse_place(device, usb_port) == place


@pytest.mark.parametrize(
    "device",
    [
        "",
        "keyboard",
        "ffff",
        "ffff:0035 ",
        "ffff:0035\n",
        "ffff:35",
        "fffg:0035",
        "/dev/input/event3",
        "/dev/input/by-path/platform-usb-0:1-event-kbd",
        "/dev/input/by-id/usb-Reader-mouse",
        "/dev/input/by-id/../event3-event-kbd",
        "/dev/input/by-id/usb\x00-event-kbd",
        "by-id/usb-Reader-event-kbd",
    ],
)
def test_what_may_be_another_keyboard_is_no_place(device: str) -> None:
    """Numbers change with every boot, and ports with every plug."""
    with pytest.raises(ValueError, match="ffff:0035"):
        parse_place(device)


def test_a_path_needs_no_port() -> None:
    """It says already which one it is."""
    with pytest.raises(ValueError, match="usb_port"):
        parse_place(f"/dev/input/by-id/{LINK}", "usb-1.2")


def test_the_product_is_found_among_others(tree: InputTree) -> None:
    """By its ids alone, in the order of the kernel's numbers."""
    person = tree.plug(2, PERSON, "Logitech", "usb-0000:00:14.0-3/input0")
    tree.plug(3, SYC, keys="1f 0 0 0")
    tree.plug(4, SYC, keys="")
    reader = tree.plug(10)
    (tree.sysfs / "mouse0").mkdir()
    (tree.sysfs / "event5").mkdir()
    assert list_keyboards(sysfs=tree.sysfs, nodes=tree.nodes) == [
        Keyboard(person, PERSON, "Logitech", "usb-0000:00:14.0-3/input0"),
        Keyboard(reader, SYC, "SYC ID&IC USB Reader", "usb-0000:00:14.0-1/input0"),
    ]
    assert find(tree, Product(SYC)) == (reader, SYC)


def test_nothing_is_there(tree: InputTree) -> None:
    """Neither the kernel's list nor the device."""
    assert list_keyboards(sysfs=tree.sysfs, nodes=tree.nodes) == []
    with pytest.raises(DeviceGoneError, match="ffff:0035: is the reader plugged in"):
        find(tree, Product(SYC))
    with pytest.raises(DeviceGoneError, match="is not there"):
        find(tree, ById(LINK))


def test_another_keyboard_does_not_stand_in(tree: InputTree) -> None:
    """Whatever else is there that types digits."""
    tree.plug(0, PERSON)
    tree.plug(1, (SYC[0], 0x0036))
    tree.plug(2, (0xFFFE, SYC[1]))
    with pytest.raises(DeviceGoneError, match="no keyboard ffff:0035"):
        find(tree, Product(SYC))


def test_equal_readers_are_told_apart_by_port(tree: InputTree) -> None:
    """None of them is guessed; a port is written with or without its interface."""
    near = tree.plug(0, phys="usb-0000:01:00.0-1.2/input0")
    far = tree.plug(1, phys="usb-0000:01:00.0-1.21/input0")
    with pytest.raises(TransientDeviceError) as caught:
        find(tree, Product(SYC))
    assert '"usb-0000:01:00.0-1.2/input0" or "usb-0000:01:00.0-1.21/' in str(
        caught.value
    )
    assert find(tree, Product(SYC, "usb-0000:01:00.0-1.2"))[0] == near
    assert find(tree, Product(SYC, "usb-0000:01:00.0-1.21/input0"))[0] == far
    with pytest.raises(DeviceGoneError, match=r"it is at usb-0000:01:00\.0-1\.2/"):
        find(tree, Product(SYC, "usb-0000:01:00.0-1"))


def test_two_interfaces_of_one_reader(tree: InputTree) -> None:
    """Both type digits as far as they say: somebody has to name one."""
    tree.plug(0, phys="usb-1.2/input0")
    second = tree.plug(1, phys="usb-1.2/input1")
    with pytest.raises(TransientDeviceError, match="2 keyboards are"):
        find(tree, Product(SYC, "usb-1.2"))
    assert find(tree, Product(SYC, "usb-1.2/input1"))[0] == second


def test_a_name_of_udev(tree: InputTree) -> None:
    """It is opened as it is, and may be any product."""
    tree.plug(0)
    link = tree.link(LINK, 0)
    assert find(tree, ById(LINK)) == (link, None)
    tree.nodes.joinpath("event0").unlink()
    with pytest.raises(DeviceGoneError):
        find(tree, ById(LINK))
