"""Attached readers, as the tables of the configuration that would use them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from drivers.probing import Found

#: Said behind a value that only a person can know.
_COMMENTS: Final = {
    ("serial", "format"): "or id12, wiegand, wiegand-raw, ascii, twn4, twn4-ascii, "
    "sl032, pn532",
}


def name_readers(found: Iterable[Found]) -> Iterator[tuple[Found, str]]:
    """Give each reader a name that no other has; nothing else gets one.

    A name is the driver's, with a number from the second on.
    """
    seen: dict[str, int] = {}
    for one in found:
        if not one.driver:
            yield one, ""
            continue
        count = seen[one.driver] = seen.get(one.driver, 0) + 1
        yield one, one.driver if count == 1 else f"{one.driver}-{count}"


def build_rows(found: Iterable[Found]) -> list[dict[str, Any]]:
    """Build what --json prints; `toml` is empty where nothing can be configured."""
    return [
        {
            "what": one.what,
            "driver": one.driver,
            "options": one.options,
            "note": one.note,
            "toml": build_toml(one, name),
        }
        for one, name in name_readers(found)
    ]


def build_text(found: Iterable[Found]) -> str:
    """Build what people read: comments and tables, so that all of it can be pasted."""
    return "\n".join(_build_block(one, name) for one, name in name_readers(found))


def build_toml(found: Found, name: str) -> str:
    """Build the [[reader]] table; empty for what is no reader."""
    if not found.driver:
        return ""
    values = {"name": name, "driver": found.driver, **found.options}
    lines = ["[[reader]]"]
    for key, value in values.items():
        comment = _COMMENTS.get((found.driver, key), "")
        lines.append(f"{key} = {_quote(value)}" + (comment and f"  # {comment}"))
    return "\n".join(lines) + "\n"


def _build_block(found: Found, name: str) -> str:
    lines = [found.what, found.note] if found.note else [found.what]
    comments = "".join(f"# {_one_line(line)}\n" for line in lines)
    return comments + build_toml(found, name)


def _quote(text: str) -> str:
    """Write a TOML string: JSON's escapes are TOML's."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    """Take control characters out, which devices may have in their names."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
