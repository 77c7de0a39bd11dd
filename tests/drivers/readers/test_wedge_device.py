"""A keyboard that nobody else hears: opened, grabbed, read and given back."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers.wedge_device import GrabbedKeyboard, load_evdev
from drivers.readers.wedge_keys import KEY_ENTER, KeyEvent
from tests.drivers.pipes import open_files, run
from tests.drivers.readers.wedge_bench import (
    SYC,
    FakeKeyboard,
    Ids,
    build_event,
    press,
)
from tests.fakes.virtual_loop import run_virtual

NODE = Path("/dev/input/event3")


def test_keys_are_read_as_they_come() -> None:
    """With the kernel's moments, and only after the keyboard is ours."""

    async def main() -> None:
        fake = FakeKeyboard()
        with GrabbedKeyboard(NODE, SYC, fake.open) as keyboard:
            assert (fake.opened, fake.grabs) == ([NODE], 1)
            assert keyboard.name == "SYC ID&IC USB Reader"
            reading = asyncio.create_task(keyboard.read(None))
            await asyncio.sleep(0)
            fake.send(press(2, 12.25))
            assert await reading == [
                KeyEvent(1, 2, 1, 12.25),
                KeyEvent(0, 0, 0, 12.25),
                KeyEvent(1, 2, 0, 12.25),
                KeyEvent(0, 0, 0, 12.25),
            ]
        assert not fake.is_open

    run(main())


def test_waiting_ends_in_time() -> None:
    """Nothing was typed; what came in the last moment is read all the same."""

    async def main() -> None:
        fake = FakeKeyboard()
        loop = asyncio.get_running_loop()
        with GrabbedKeyboard(NODE, None, fake.open) as keyboard:
            assert await keyboard.read(1.5) == []
            assert loop.time() == 1.5
            fake.send(build_event(1, KEY_ENTER, 1, 1.5))
            assert await keyboard.read(0) == [KeyEvent(1, KEY_ENTER, 1, 1.5)]

    run_virtual(main())


def test_a_cancelled_read_loses_nothing() -> None:
    """The next one has what came meanwhile."""

    async def main() -> None:
        fake = FakeKeyboard()
        with GrabbedKeyboard(NODE, None, fake.open) as keyboard:
            reading = asyncio.create_task(keyboard.read(None))
            await asyncio.sleep(0)
            fake.send(press(2, 1.0))
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert len(await keyboard.read(None)) == 4

    run(main())


def test_unplugging_is_noticed() -> None:
    """By error 19, after what was typed before; the descriptor is closed."""

    async def main() -> None:
        before = open_files()
        fake = FakeKeyboard()
        with GrabbedKeyboard(NODE, SYC, fake.open) as keyboard:
            fake.send(press(2, 1.0))
            fake.unplug()
            assert len(await keyboard.read(None)) == 4
            with pytest.raises(DeviceGoneError, match="No such device"):
                await keyboard.read(None)
        assert not fake.is_open
        assert open_files() == before

    run(main())


def test_an_end_of_file_does_not_spin() -> None:
    """A device that is readable for ever and has nothing is gone."""

    async def main() -> None:
        fake = FakeKeyboard()
        with GrabbedKeyboard(NODE, SYC, fake.open) as keyboard:
            fake.unplug()
            fake._gone = False
            with pytest.raises(DeviceGoneError, match="unplugged"):
                await keyboard.read(None)

    run(main())


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (errno.EACCES, AccessDeniedError, "usermod -aG input "),
        (errno.EPERM, AccessDeniedError, "make install EXTRAS=wedge"),
        (errno.ENOENT, DeviceGoneError, "is not there"),
        (errno.ENODEV, DeviceGoneError, "is not there"),
        (errno.ENOTTY, UnsupportedDeviceError, "is no input device"),
        (errno.EMFILE, TransientDeviceError, "Too many open files"),
    ],
)
def test_why_it_cannot_be_opened(
    number: int, error: type[DriverError], says: str
) -> None:
    """Each cause has its class, and what to do about it; a refused grab is alike."""

    async def main() -> None:
        fake = FakeKeyboard()
        fake.refuse_open = number
        with pytest.raises(error, match=says), GrabbedKeyboard(NODE, SYC, fake.open):
            pass
        fake.refuse_open, fake.refuse_grab = 0, number
        with pytest.raises(error, match=says), GrabbedKeyboard(NODE, SYC, fake.open):
            pass
        assert not fake.is_open

    run(main())


def test_a_keyboard_that_is_not_ours_alone_is_not_read() -> None:
    """Card numbers would be typed at the console, too."""

    async def main() -> None:
        fake = FakeKeyboard()
        fake.refuse_grab = errno.EBUSY
        with (
            pytest.raises(TransientDeviceError, match="held by another program"),
            GrabbedKeyboard(NODE, SYC, fake.open),
        ):
            pass
        assert not fake.is_open

    run(main())


@pytest.mark.parametrize("product", [(0x046D, 0xC31C), (0xFFFF, 0x0036)])
def test_another_keyboard_is_given_back_ungrabbed(product: tuple[int, int]) -> None:
    """The number in /dev/input may have changed hands since it was looked up."""

    async def main() -> None:
        fake = FakeKeyboard(product)
        with (
            pytest.raises(DeviceGoneError, match="another device by now"),
            GrabbedKeyboard(NODE, SYC, fake.open),
        ):
            pass
        assert (fake.grabs, fake.is_open) == (0, False)

    run(main())


def test_evdev_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "evdev", None)
    with pytest.raises(UnsupportedDeviceError, match=r"EXTRAS=wedge"):
        load_evdev()


def test_the_real_evdev_opens_input_devices_only(tmp_path: Path) -> None:
    """A plain file is none, and nothing stays open."""
    pytest.importorskip("evdev", reason="the extra wedge is not installed")
    path = tmp_path / "event0"
    path.touch()

    async def main() -> None:
        before = open_files()
        for place, error in (
            (path, UnsupportedDeviceError),
            (tmp_path / "none", DeviceGoneError),
        ):
            with pytest.raises(error), GrabbedKeyboard(place, None, load_evdev()):
                pass
        assert open_files() == before

    run(main())


class _OnSocket:
    """A device of the real evdev as far as reading goes; there is none to grab."""

    name = "socket"
    info = Ids(*SYC)

    def __init__(self, device: Any) -> None:  # noqa: ANN401 - evdev may be missing
        self.fileno = device.fileno
        self.read = device.read
        self.close = device.close

    def grab(self) -> None:
        pass


def test_the_real_evdev_reads_what_the_kernel_writes() -> None:
    """Its events are what this driver expects, and its silence is BlockingIOError."""
    evdev = pytest.importorskip("evdev", reason="the extra wedge is not installed")
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    # Without a device: what reads is taken alone, on a descriptor that is a socket.
    device = object.__new__(evdev.InputDevice)
    device.path, device.fd, device.name = "socket", ours.detach(), "socket"

    async def main() -> None:
        with GrabbedKeyboard(NODE, None, lambda _: _OnSocket(device)) as keyboard:
            assert await keyboard.read(0) == []
            theirs.sendall(press(2, 1700.5))
            assert (await keyboard.read(None))[0] == KeyEvent(1, 2, 1, 1700.5)
            theirs.close()
            with pytest.raises(DeviceGoneError):
                await keyboard.read(None)

    with closing(theirs):
        run(main())
    assert device.fd == -1


def test_python_and_the_kernel_mean_the_same_clock() -> None:
    """Moments of the kernel are compared with time.monotonic."""
    clock = time.get_clock_info("monotonic").implementation
    assert clock == "clock_gettime(CLOCK_MONOTONIC)"
