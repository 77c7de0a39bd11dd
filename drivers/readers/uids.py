"""What is a card's number, and what is none (ISO/IEC 14443-3, ISO/IEC 15693); pure."""

from __future__ import annotations

from typing import Final

from drivers.errors import FrameError
from drivers.readers.base import Technology

UID_LENGTHS: Final = (4, 7, 10)  # Bytes of type A: single, double and triple size
CASCADE_TAG: Final = 0x88  # Illegal as the first byte of a uid
ISO15693_FIRST: Final = 0xE0


class UnreadableCardError(FrameError):
    """There is a card, and what was read of it is no card's number.

    The message never shows what it was.
    """


def find_flaw(uid: bytes) -> str:
    """Say why this is no uid of type A; nothing if it is one."""
    if len(uid) not in UID_LENGTHS:
        return f"expected 4, 7 or 10 bytes of uid, got {len(uid)}"
    if uid[0] == CASCADE_TAG:
        return "expected a whole uid, got a part that begins with 88"
    return ""


def byte_0_first(uid: bytes, technology: Technology) -> bytes:
    """Turn an ISO/IEC 15693 uid that is as sent over the air, so that E0 is first."""
    is_as_sent = uid[0] != ISO15693_FIRST == uid[-1]
    return uid[::-1] if technology is Technology.ISO15693 and is_as_sent else uid
