"""Keyboards of the kernel that type what a test says (uinput)."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evdev import UInput, ecodes

from tests.guest.plugged import Plugged

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Vendor and product of a common wedge reader.
SYC: Final = (0xFFFF, 0x0035)
OFFICE: Final = (0x046D, 0xC31C)
PORT: Final = "usb-0000:01:00.0-1.2/input0"

_EVENT: Final = struct.Struct("@llHHi")  # struct input_event; the kernel sets its time
#: Between two keys of a reader on USB, whose host asks for them every so often.
PACE_S: Final = 0.008
_SYN: Final = _EVENT.pack(0, 0, ecodes.EV_SYN, ecodes.SYN_REPORT, 0)
_ROW: Final = {str(digit): f"KEY_{digit}" for digit in range(10)}
_PAD: Final = {str(digit): f"KEY_KP{digit}" for digit in range(10)}
_LETTERS: Final = {letter: f"KEY_{letter.upper()}" for letter in "abcdefgh"}
_OTHERS: Final = {
    "-": "KEY_MINUS",
    ":": "KEY_SEMICOLON",
    ".": "KEY_DOT",
    " ": "KEY_SPACE",
    "\n": "KEY_ENTER",
    "\r": "KEY_KPENTER",
    "\t": "KEY_TAB",
}
_SHIFTED: Final = ":"


class Keyboard(Plugged):
    """Plugged in from the start until unplug(); a context manager."""

    def __init__(
        self,
        ids: tuple[int, int] = SYC,
        *,
        name: str = "SYC ID&IC USB Reader",
        port: str = PORT,
        repeats: bool = False,
    ) -> None:
        events: dict[int, Sequence[int]] = {ecodes.EV_KEY: _codes()}
        if repeats:
            events[ecodes.EV_REP] = ()
        vendor_id, product_id = ids
        self._device = UInput(
            events, name, vendor=vendor_id, product=product_id, phys=port
        )
        self.node = Path(os.fsdecode(self._device.device.path))
        # Opened by evdev to look at it, and in the way of whoever counts files.
        self._device.device.close()

    def type(self, text: str, *, keypad: bool = False, pause_s: float = 0) -> None:
        """Type; capitals and colons with Shift, a newline is Enter."""
        keys = _ROW | _LETTERS | _OTHERS | (_PAD if keypad else {})
        for character in text:
            stroke = press(keys[character.lower()])
            if character.isupper() or character in _SHIFTED:
                shift = ecodes.KEY_LEFTSHIFT
                stroke = change(shift, 1) + stroke + change(shift, 0)
            self.write(stroke)
            time.sleep(pause_s)

    def write(self, events: bytes) -> None:
        """Have events happen."""
        os.write(self._device.fd, events)

    def unplug(self) -> None:
        """Take it away; harmless when it is."""
        self._device.close()


def _codes() -> list[int]:
    names = {*_ROW.values(), *_PAD.values(), *_LETTERS.values(), *_OTHERS.values()}
    return [ecodes.ecodes[name] for name in sorted(names | {"KEY_LEFTSHIFT"})]


def press(key: str) -> bytes:
    """Build what pressing and releasing a key causes."""
    code = ecodes.ecodes[key]
    return change(code, 1) + change(code, 0)


def change(code: int, value: int) -> bytes:
    """Build what one change of a key causes."""
    return _EVENT.pack(0, 0, ecodes.EV_KEY, code, value) + _SYN
