"""What tests of keyboard-wedge readers need: a keyboard, and the kernel's list."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from drivers.readers.wedge_keys import CHARACTERS, EV_KEY, EV_SYN, KEY_ENTER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVENT = struct.Struct("@llHHi")  # struct input_event where long has the time's size
KEYS = {character: code for code, character in CHARACTERS.items()}
SHIFT = 42
DIGITS = "100000 0 0 7ffffffe"  # The keys of a keyboard, as the kernel writes them
SYC = (0xFFFF, 0x0035)
LINK = "usb-Sycreader_USB_Reader_08FF20150112-event-kbd"


def build_event(kind: int, code: int, value: int, at: float) -> bytes:
    """Build an event as the kernel does."""
    return EVENT.pack(int(at), round(at % 1 * 1e6), kind, code, value)


def press(code: int, at: float) -> bytes:
    """Build what a key makes that is pressed and released."""
    return b"".join(
        build_event(EV_KEY, code, value, at) + build_event(EV_SYN, 0, 0, at)
        for value in (1, 0)
    )


def type_out(text: str, at: float, end: int = KEY_ENTER) -> bytes:
    """Build what a reader types for a number, at one moment."""
    codes = [KEYS[character.upper()] for character in text]
    return b"".join(press(code, at) for code in (*codes, end))


class RawEvent(NamedTuple):
    """An event as evdev tells it."""

    sec: int
    usec: int
    type: int
    code: int
    value: int


@dataclass
class Ids:
    """What a device says of itself."""

    vendor: int
    product: int


class FakeKeyboard:
    """Stands in for evdev's InputDevice; its descriptor is a real one."""

    def __init__(self, product: tuple[int, int] = SYC) -> None:
        self.name = "SYC ID&IC USB Reader"
        # evdev takes the numbers for signed ones.
        vendor_id, product_id = (
            number - 0x10000 if number > 0x7FFF else number for number in product
        )
        self.info = Ids(vendor_id, product_id)
        self.grabs = 0
        self.opened: list[Path] = []
        self.refuse_open: int = 0
        self.refuse_grab: int = 0
        self._ours: socket.socket | None = None
        self._theirs: socket.socket | None = None
        self._gone = False

    def open(self, path: Path) -> FakeKeyboard:
        """Stand in for what opens a device; it can be opened again."""
        if self.refuse_open:
            raise OSError(self.refuse_open, os.strerror(self.refuse_open))
        self.opened.append(path)
        self._gone = False
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        return self

    @property
    def is_open(self) -> bool:
        """Whether somebody holds it."""
        return self._ours is not None

    def fileno(self) -> int:
        """Tell the descriptor."""
        assert self._ours is not None
        return self._ours.fileno()

    def grab(self) -> None:
        """Count how often it was asked for, and grant it perhaps."""
        if self.refuse_grab:
            raise OSError(self.refuse_grab, os.strerror(self.refuse_grab))
        self.grabs += 1

    def read(self) -> Iterator[RawEvent]:
        """Read what is there, lazily as evdev does."""
        assert self._ours is not None
        data = self._ours.recv(64 * EVENT.size)
        if self._gone and not data:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        for values in EVENT.iter_unpack(data):
            yield RawEvent(*values)

    def close(self) -> None:
        """Give it back."""
        for end in (self._ours, self._theirs):
            if end is not None:
                end.close()
        self._ours = self._theirs = None

    def send(self, data: bytes) -> None:
        """Let the kernel have these events for us."""
        assert self._theirs is not None
        self._theirs.sendall(data)

    def type_out(self, text: str) -> None:
        """Let it type a number now."""
        self.send(type_out(text, asyncio.get_running_loop().time()))

    def unplug(self) -> None:
        """Take it away: what was typed can be read still, and then error 19."""
        assert self._theirs is not None
        self._gone = True
        self._theirs.close()


def load(keyboard: FakeKeyboard) -> Callable[[], Callable[[Path], FakeKeyboard]]:
    """Stand in for what loads evdev."""
    return lambda: keyboard.open


@dataclass
class InputTree:
    """A /sys/class/input and a /dev/input in a folder."""

    folder: Path

    @property
    def sysfs(self) -> Path:
        """Where the kernel lists them."""
        return self.folder / "sys/class/input"

    @property
    def nodes(self) -> Path:
        """Where they are opened."""
        return self.folder / "dev/input"

    def plug(
        self,
        number: int,
        product: tuple[int, int] = SYC,
        name: str = "SYC ID&IC USB Reader",
        phys: str = "usb-0000:00:14.0-1/input0",
        keys: str = DIGITS,
    ) -> Path:
        """Plug one in; return its node."""
        device = self.sysfs / f"event{number}" / "device"
        files = {
            "id/vendor": f"{product[0]:04x}",
            "id/product": f"{product[1]:04x}",
            "name": name,
            "phys": phys,
            "capabilities/key": keys,
        }
        for file, text in files.items():
            path = device / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        node = self.nodes / f"event{number}"
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch()
        return node

    def unplug(self, node: Path) -> None:
        """Take it out: its node and its entry are gone."""
        node.unlink()
        shutil.rmtree(self.sysfs / node.name)

    def link(self, name: str, number: int) -> Path:
        """Give a device the name that udev would."""
        link = self.nodes / "by-id" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../event{number}")
        return link
