"""What a keyboard-wedge reader types, key by key; pure.

Linux names keys by their place on a US keyboard, whatever the layout, so this does.
Codes and names are those of linux/input-event-codes.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.errors import FrameError
from drivers.readers.formats.framing import FORGET_S

if TYPE_CHECKING:
    from collections.abc import Callable

EV_SYN: Final = 0
EV_KEY: Final = 1
SYN_DROPPED: Final = 3  # The kernel's queue was full: keys are missing from here on

_PRESSED: Final = 1  # 0 is a release; 2 a repeat, which holding a key makes

KEY_A: Final = 30
KEY_B: Final = 48
KEY_C: Final = 46
KEY_D: Final = 32
KEY_E: Final = 18
KEY_F: Final = 33
KEY_TAB: Final = 15
KEY_ENTER: Final = 28
KEY_KPENTER: Final = 96

_MAIN_ROW: Final = range(2, 12)  # KEY_1 to KEY_9, then KEY_0
_KEYPAD: Final = (71, 72, 73, 75, 76, 77, 79, 80, 81, 82)  # KEY_KP7 to KEY_KP3, KP0
CHARACTERS: Final = {
    **dict(zip(_MAIN_ROW, "1234567890", strict=True)),
    **dict(zip(_KEYPAD, "7894561230", strict=True)),
    **dict(zip((KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F), "ABCDEF", strict=True)),
    12: "-",  # KEY_MINUS
    39: ":",  # KEY_SEMICOLON
    52: ".",  # KEY_DOT
    57: " ",  # KEY_SPACE
}
ENDS: Final = frozenset({KEY_ENTER, KEY_KPENTER, KEY_TAB})
#: Both of Shift, Ctrl, Alt and Meta, CapsLock and NumLock: they type nothing.
MODIFIERS: Final = frozenset({42, 54, 29, 97, 56, 100, 125, 126, 58, 69})

#: A pause that no reader makes within a number.
PAUSE_S: Final = 0.3
MAX_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One event of an input device; `at` is monotonic seconds, by the kernel."""

    type: int
    code: int
    value: int
    at: float

    def __repr__(self) -> str:
        """Tell no code: together they are a card number."""
        return f"KeyEvent(at={self.at})"


@dataclass(frozen=True, slots=True)
class Typed:
    """A number was typed to its end."""

    uid: bytes
    at: float

    def __repr__(self) -> str:
        """Name everything but the card number."""
        return f"Typed({len(self.uid)} bytes, at={self.at})"


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something else was typed to its end; `reason` repeats nothing of it."""

    reason: str
    at: float


class KeyDecoder:
    """Puts keys together; `parse` reads what was typed, or raises FrameError.

    A number of which a key is wrong, missing or too many is garbled as a whole: what is
    left of it could be another card's. So is one with a pause of over PAUSE_S in it,
    and one that may have begun before `opened_at`. What is not gone on with for
    FORGET_S is forgotten.
    """

    def __init__(self, parse: Callable[[str], bytes], opened_at: float) -> None:
        self._parse = parse
        self._typed = ""
        self._spoiled = "its beginning may be missing"
        self._begun = False
        self._last_at = opened_at

    def feed(self, event: KeyEvent) -> Typed | Garbled | None:
        """Take the next event; return what it ends, if it ends anything."""
        if event.type == EV_SYN and event.code == SYN_DROPPED:
            self._continue(event.at)
            self._spoil("the kernel lost keys of it")
            return None
        if event.type != EV_KEY or event.value != _PRESSED or event.code in MODIFIERS:
            return None
        self._continue(event.at)
        if event.code in ENDS:
            return self._end(event.at)
        if (character := CHARACTERS.get(event.code)) is None:
            self._spoil("a key was typed that no number has")
        elif len(self._typed) == MAX_CHARACTERS:
            self._spoil(f"expected at most {MAX_CHARACTERS} keys, got more")
        else:
            self._begun = True
            self._typed += character
        return None

    def _continue(self, at: float) -> None:
        pause_s = at - self._last_at
        self._last_at = at
        if pause_s <= PAUSE_S:
            return
        if self._begun and pause_s <= FORGET_S:
            self._spoil("its keys came with a pause in between")
        else:
            self._clear()

    def _spoil(self, reason: str) -> None:
        self._begun = True
        self._spoiled = self._spoiled or reason

    def _end(self, at: float) -> Typed | Garbled | None:
        typed, spoiled, begun = self._typed, self._spoiled, self._begun
        self._clear()
        if not begun:
            return None  # Some readers end with two keys
        if spoiled:
            return Garbled(spoiled, at)
        try:
            return Typed(self._parse(typed), at)
        except FrameError as err:
            return Garbled(str(err), at)

    def _clear(self) -> None:
        self._typed = self._spoiled = ""
        self._begun = False
