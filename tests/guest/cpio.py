"""Archives that the kernel unpacks into its first file system (cpio, "newc")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY: Final = 0o040755
FILE: Final = 0o100644
PROGRAM: Final = 0o100755
_MAGIC: Final = b"070701"
_LAST: Final = "TRAILER!!!"


def build(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Pack entries, each a mode and a content; directories before what is in them."""
    entries = {**files, _LAST: (0, b"")}
    return b"".join(
        _entry(number, name, mode, content)
        for number, (name, (mode, content)) in enumerate(entries.items(), 1)
    )


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    path = name.encode() + b"\0"
    # Owner, group, links, time, size, device (two numbers), the same of a node, name,
    # checksum.
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    header = _MAGIC + b"".join(b"%08x" % field for field in fields)
    return _padded(header + path) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)
