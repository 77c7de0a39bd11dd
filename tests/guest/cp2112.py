"""A CP2112, whose eight GPIO lines the kernel knows as a chip: its firmware, emulated.

The kernel's own driver (hid-cp2112) talks to it through /dev/uhid as it would over USB.
Reports are those of Silicon Labs AN495, as far as that driver uses them; the bus that
the real one has besides is not emulated. The kernel asks for the levels every ten
ticks once somebody waits for edges: that is how edges come about.
"""

from __future__ import annotations

import os
import select
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.waiting import until
from tests.guest.plugged import Plugged

LABEL: Final = "cp2112_gpio"
LINES: Final = 8

# linux/uhid.h
_DESTROY: Final = 1
_GET_REPORT: Final = 9
_GET_REPORT_REPLY: Final = 10
_CREATE2: Final = 11
_SET_REPORT: Final = 13
_SET_REPORT_REPLY: Final = 14
_CREATE: Final = struct.Struct("<I128s64s64sHHIIII")
_EVENT_BYTES: Final = 4380  # struct uhid_event
_BUS_USB: Final = 3
_SILICON_LABS: Final = 0x10C4
_PRODUCT: Final = 0xEA90
_EIO: Final = 5

# Reports (AN495): number, and bytes behind it.
_GPIO_CONFIG: Final = 0x02
_GPIO_GET: Final = 0x03
_GPIO_SET: Final = 0x04
_VERSION: Final = 0x05
_SMBUS_CONFIG: Final = 0x06
_LOCK_BYTE: Final = 0x20
_USB_CONFIG: Final = 0x21
_FEATURES: Final = {
    _GPIO_CONFIG: 4,
    _GPIO_GET: 1,
    _GPIO_SET: 2,
    _VERSION: 2,
    _SMBUS_CONFIG: 13,
    _LOCK_BYTE: 1,
    _USB_CONFIG: 9,
}


@dataclass
class Board:
    """What lasts while the chip is unplugged: it has a supply of its own.

    Bits are lines. `outputs` are driven by the chip to their `latch`, all others by
    `outside`.
    """

    outputs: int = 0
    latch: int = 0xFF
    outside: int = 0xFF
    #: Every level that a line was driven to, in order: the line and its level.
    history: list[tuple[int, bool]] = field(default_factory=list)

    @property
    def levels(self) -> int:
        """What the lines are at."""
        return self.latch & self.outputs | self.outside & ~self.outputs & 0xFF

    def is_high(self, line: int) -> bool:
        """Whether a line is high."""
        return bool(self.levels >> line & 1)

    def configure(self, outputs: int) -> None:
        """Make lines inputs or outputs."""
        self._note(outputs & ~self.outputs, self.latch)
        self.outputs = outputs

    def switch(self, values: int, mask: int) -> None:
        """Set the latch of some lines."""
        self.latch = self.latch & ~mask | values & mask
        self._note(mask & self.outputs, self.latch)

    def _note(self, lines: int, levels: int) -> None:
        for line in range(LINES):
            if lines >> line & 1:
                self.history.append((line, bool(levels >> line & 1)))


class Cp2112(Plugged):
    """Plugged in from the start until unplug(); a context manager."""

    def __init__(self, board: Board | None = None) -> None:
        self.label = LABEL
        self.board = board or Board()
        #: Whether it answers everything with an error, as a loose cable does.
        self.fails = False
        before = nodes()
        self._polls = 0
        self._uhid = os.open("/dev/uhid", os.O_RDWR | os.O_CLOEXEC)
        self._woken = os.eventfd(0, os.EFD_CLOEXEC)
        descriptor = _report_descriptor()
        self._write(
            _CREATE.pack(
                _CREATE2,
                b"Silicon Labs CP2112 HID USB-to-SMBus Bridge",
                b"usb-emulated-1/input0",
                b"00123456",
                len(descriptor),
                _BUS_USB,
                _SILICON_LABS,
                _PRODUCT,
                0,
                0,
            )
            + descriptor.ljust(4096, b"\0")
        )
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        try:
            #: Where the kernel has put it.
            (self.node,) = until(lambda: nodes() - before, "a chip")
        except BaseException:
            self.unplug()
            raise

    def is_high(self, line: int) -> bool:
        """Whether a line is high."""
        return self.board.is_high(line)

    def drive(self, line: int, *, high: bool) -> None:
        """Put a line at a level from outside, and wait until the kernel has seen it.

        Somebody has to wait for edges.
        """
        bit = 1 << line
        self.board.outside = self.board.outside & ~bit | (bit if high else 0)
        # The answer that was on its way may have been the old level.
        enough = self._polls + 2
        until(lambda: self._polls >= enough, "the kernel to look")

    def unplug(self) -> None:
        """Take it away; harmless when it is."""
        if self._uhid < 0:
            return
        self._write(struct.pack("<I", _DESTROY))
        os.eventfd_write(self._woken, 1)
        self._thread.join()
        os.close(self._woken)
        os.close(self._uhid)
        self._uhid = -1

    # ---- the firmware ---------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._uhid, self._woken], [], [])
            if self._woken in ready:
                return
            event = os.read(self._uhid, _EVENT_BYTES)
            kind, number, report = struct.unpack_from("<IIB", event)
            if kind == _GET_REPORT:
                content = b"" if self.fails else self._get(report)
                self._reply(_GET_REPORT_REPLY, number, content)
            elif kind == _SET_REPORT:
                (size,) = struct.unpack_from("<H", event, 10)
                if not self.fails:
                    self._set(event[12 : 12 + size])
                self._reply(_SET_REPORT_REPLY, number)

    def _get(self, report: int) -> bytes:
        board = self.board
        known = {
            _GPIO_CONFIG: bytes([board.outputs, 0xFF, 0, 0]),
            _GPIO_GET: bytes([board.levels]),
            _VERSION: b"\x0c\x02",
            _LOCK_BYTE: b"\xff",
        }
        self._polls += report == _GPIO_GET
        return bytes([report]) + known.get(report, bytes(_FEATURES[report]))

    def _set(self, content: bytes) -> None:
        if content[0] == _GPIO_CONFIG:
            self.board.configure(content[1])
        elif content[0] == _GPIO_SET:
            self.board.switch(content[1], content[2])

    def _reply(self, kind: int, number: int, content: bytes = b"") -> None:
        error = _EIO if self.fails else 0
        reply = struct.pack("<IIH", kind, number, error)
        if kind == _GET_REPORT_REPLY:
            reply += struct.pack("<H", len(content)) + content
        # Who has asked is gone once it is unplugged.
        with suppress(OSError):
            self._write(reply)

    def _write(self, event: bytes) -> None:
        os.write(self._uhid, event)


def nodes() -> set[Path]:
    """Name the GPIO chips that there are."""
    return set(Path("/dev").glob("gpiochip*"))


def _report_descriptor() -> bytes:
    """Describe each report as so many bytes that only its vendor understands."""
    collection = bytes.fromhex("0600ff 0901 a101")
    reports = (
        bytes([0x85, number, *bytes.fromhex("0901 1500 26ff00 7508 95"), size, 0xB1, 2])
        for number, size in _FEATURES.items()
    )
    return collection + b"".join(reports) + b"\xc0"
