"""The wedge reader on a keyboard behind a USB port, with udev and our rules."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
)
from drivers.probing import find_readers
from drivers.readers.base import CardLeft, CardUnreadable, ReaderUp
from tests.guest import udev
from tests.guest.keyboards import OFFICE, Keyboard
from tests.guest.listening import run, told_by
from tests.guest.usb import PORT, UsbKeyboard
from tests.guest.users import AGENT, as_user
from tests.guest.wedge_bench import DEVICE, listening, the_card, wedge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.readers.wedge import WedgeReader

BY_ID = "/dev/input/by-id/usb-Sycreader_SYC_ID_IC_USB_Reader_08FF20140315-event-kbd"


@pytest.fixture(scope="module")
def plugged_in() -> Iterator[UsbKeyboard]:
    """Plug a reader in where udev runs."""
    with udev.running(), UsbKeyboard() as keyboard:
        udev.settle()
        yield keyboard


@pytest.fixture
def reader(plugged_in: UsbKeyboard) -> UsbKeyboard:
    """Plug it in again, if a test has pulled it out."""
    if not plugged_in.nodes():
        plugged_in.plug()
        udev.settle()
    return plugged_in


async def read_a_card(wedge: WedgeReader, keyboard: UsbKeyboard) -> str:
    """Type a number on it, and return what the driver has read."""
    async with listening(wedge) as events:
        typing = asyncio.to_thread(keyboard.type, "04A1b2c3D4e5F6\n")
        card, _ = await asyncio.gather(the_card(events), typing)
        return card


@pytest.mark.parametrize(
    ("device", "usb_port"),
    [
        (DEVICE, ""),
        (DEVICE, PORT),
        (DEVICE, PORT.partition("/")[0]),
        (BY_ID, ""),
    ],
)
def test_the_agent_reads_it_by_our_rules(
    reader: UsbKeyboard, device: str, usb_port: str
) -> None:
    """As its own user, who may read this keyboard and no other."""
    configured = wedge(device, usb_port=usb_port)
    card = as_user(AGENT, lambda: run(read_a_card(configured, reader)))
    assert card == "04A1B2C3D4E5F6"
    (finding,) = as_user(AGENT, lambda: list(configured.check()))
    assert finding.ok


def test_no_other_keyboard_is_open_to_the_agent(reader: UsbKeyboard) -> None:
    """What our rules do not name stays with the group input."""

    async def main() -> None:
        async with told_by(wedge("046d:c31c").events()) as events:
            await anext(events)

    with Keyboard(OFFICE) as office:
        udev.settle()
        assert office.node.group() == "input"
        assert [node.group() for node in reader.nodes()] == ["rfid-agent"]
        with pytest.raises(AccessDeniedError, match="usermod -aG input"):
            as_user(AGENT, lambda: run(main()))


def test_udev_is_slower_than_the_agent(reader: UsbKeyboard) -> None:
    """The kernel makes the node before: whoever is refused gets in a moment later."""

    async def open_until_it_works() -> set[type[DriverError]]:
        errors: set[type[DriverError]] = set()
        while True:
            try:
                async with told_by(wedge().events()) as events:
                    await anext(events)
                    return errors
            except DriverError as err:
                errors.add(type(err))

    reader.unplug()
    plugging = threading.Timer(0.5, reader.plug)
    plugging.start()
    errors = as_user(AGENT, lambda: run(open_until_it_works()))
    plugging.join()
    assert errors == {DeviceGoneError, AccessDeniedError}


def test_it_is_found(reader: UsbKeyboard) -> None:
    """With what to configure, by its name of udev if that helps."""
    (found,) = [one for one in find_readers() if one.driver == "wedge"]
    assert found.options == {"device": DEVICE}
    assert "SYC ID IC USB Reader" in found.what
    assert [Path(BY_ID).resolve()] == reader.nodes()


def test_ten_keys_are_kept_while_nobody_reads(reader: UsbKeyboard) -> None:
    """Six events each, of 64: a number of 4 bytes waits, one of 7 is told as lost."""

    async def main() -> None:
        async with listening(wedge()) as events:
            reader.type("04a1b2c3\n")
            assert await the_card(events) == "04A1B2C3"
            reader.type("04a1b2c3d4e5f6\n")
            unreadable = await anext(events)
            while isinstance(unreadable, CardLeft):
                unreadable = await anext(events)
            assert isinstance(unreadable, CardUnreadable)
            assert unreadable.reason == "the kernel lost keys of it"

    run(main())


def test_a_cable_that_is_pulled(reader: UsbKeyboard) -> None:
    """It is gone, in the middle of a number; plugged in again it reads as before."""

    async def main() -> None:
        configured = wedge()
        async with listening(configured) as events:
            reader.type("04a1")
            reader.unplug()
            with pytest.raises(DeviceGoneError):
                await anext(events)
        async with told_by(configured.events()) as events:
            with pytest.raises(DeviceGoneError, match="is the reader plugged in"):
                await anext(events)
        reader.plug()
        async with told_by(configured.events()) as events:
            assert isinstance(await anext(events), ReaderUp)
        assert await read_a_card(configured, reader) == "04A1B2C3D4E5F6"

    run(main())
