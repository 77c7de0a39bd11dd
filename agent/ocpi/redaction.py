"""Other people's words, made fit for a message: short, one line, no card numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_READ_CHARS = 4096
_MAX_QUOTED_CHARS = 300
# Four bytes in hex, however separated: the shortest card number there is. Dates and
# other ids that look alike disappear too, which is the right side to err on.
_CARD_NUMBER = re.compile(r"(?:[0-9A-Fa-f]{2}[ :.-]?){4,}")


def redact(text: str, private: Iterable[str]) -> str:
    """Quote `text` without the `private` values, whatever their case."""
    text = " ".join(text[:_MAX_READ_CHARS].split())
    text = "".join(char for char in text if char.isprintable())
    # Longest first: a value must not survive because a part of it was replaced.
    for value in sorted(filter(None, private), key=len, reverse=True):
        text = re.sub(re.escape(value), "…", text, flags=re.IGNORECASE)
    text = _CARD_NUMBER.sub("…", text)
    return text if len(text) <= _MAX_QUOTED_CHARS else text[:_MAX_QUOTED_CHARS] + "…"
