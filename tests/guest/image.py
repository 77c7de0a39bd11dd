"""The first file system of the guest: a shell, modules, and a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.guest import cpio

if TYPE_CHECKING:
    from tests.guest.packages import Unpacked

_DIRECTORIES: Final = (
    "bin",
    "dev",
    "extra",
    "host",
    "layer",
    "modules",
    "proc",
    "sysroot",
    "sys",
)


def build(parts: Unpacked) -> bytes:
    """Pack it."""
    files = dict.fromkeys(_DIRECTORIES, (cpio.DIRECTORY, b""))
    files["bin/busybox"] = (cpio.PROGRAM, parts.busybox.read_bytes())
    for number, (name, content) in enumerate(parts.modules()):
        files[f"modules/{number:02d}-{name}.ko"] = (cpio.FILE, content)
    files["init"] = (cpio.PROGRAM, Path(__file__).with_name("init").read_bytes())
    return cpio.build(files)
