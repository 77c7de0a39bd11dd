"""What the name of a PC/SC reader tells; pure.

pcscd makes it of the device's name, that of its interface in brackets if it has one,
its serial number in parentheses, and two numbers.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

# The number of the reader and that of its slot.
_NUMBERS: Final = re.compile(r" [0-9A-F]{2} [0-9A-F]{2}\Z", re.ASCII)
_INTERFACE: Final = re.compile(r"\[([^\[\]]*)\]")
_SAM: Final = re.compile(r"\bSAM\b")
_CONTACTLESS: Final = re.compile(r"\b(PICC|CL|contactless)\b", re.IGNORECASE)


def matches(name: str, pattern: str) -> bool:
    """Whether a reader is meant by a pattern, or by its exact name.

    A slot for a security module is meant by its exact name only: no card reaches it.
    """
    # Real names contain brackets, which a pattern takes for a set of characters.
    return name == pattern or (fnmatchcase(name, pattern) and not is_sam_slot(name))


def is_sam_slot(name: str) -> bool:
    """Whether it is a slot for a security module, as far as the name tells.

    A device may be called "Contactless + SAM Reader", and so may each of its slots.
    """
    interfaces = _INTERFACE.findall(name)
    slot = interfaces[-1] if interfaces else name
    return bool(_SAM.search(slot)) and not _CONTACTLESS.search(slot)


def without_numbers(name: str) -> str:
    """Leave out what depends on what else is plugged in."""
    return _NUMBERS.sub("", name)
