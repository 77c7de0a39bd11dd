"""Where a card number must not be: looking for it in every spelling."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SEPARATORS: Final = re.compile(r"[ :.\-]")


def find_in_text(text: str, uids: Iterable[str]) -> list[str]:
    """Return the lines that hold one of the uids, in whatever spelling."""
    numbers = {spelling for uid in uids for spelling in _spellings(uid)}
    return [
        line
        for line in text.splitlines()
        if any(number in _SEPARATORS.sub("", line).upper() for number in numbers)
    ]


def find_in_files(paths: Iterable[Path], uids: Iterable[str]) -> list[str]:
    """Return the names of the files that hold one of the uids, as text or bytes."""
    needles = [needle for uid in uids for needle in _encodings(uid)]
    found = []
    for path in paths:
        content = path.read_bytes()
        if any(needle in content for needle in needles):
            found.append(path.name)
    return found


def _spellings(uid: str) -> Iterator[str]:
    """Yield hex in both byte orders, and each of them in decimal."""
    raw = bytes.fromhex(uid)
    for order in (raw, raw[::-1]):
        yield order.hex().upper()
        yield str(int.from_bytes(order, "big"))


def _encodings(uid: str) -> Iterator[bytes]:
    raw = bytes.fromhex(uid)
    yield from (raw, raw[::-1])
    for spelling in _spellings(uid):
        yield spelling.encode()
        yield spelling.lower().encode()
