"""What a process asks of the disk: every fsync, and every byte it hands over."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SYNCS = ("fsync", "fdatasync", "sync_file_range", "msync")
_WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range")
# A return of 0 from these is a change all the same, of what the directory says.
_NAMES = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat")
_LINKS = ("link", "linkat", "symlink", "symlinkat", "ftruncate", "fallocate")
# A file's number is followed by its path in angle brackets.
_CALL = re.compile(r"^(\w+)\((?:\d+<([^>]*)>)?.* = (\d+)$")
# Not "socket:[1]", "pipe:[2]", nor the terminal.
_LASTING = re.compile("/(?!dev/|proc/|sys/)")


@dataclass(frozen=True, slots=True)
class Wear:
    """Calls and bytes; `changes` are renames, truncations and their like."""

    syncs: float = 0
    written_bytes: float = 0
    changes: float = 0

    @property
    def kib(self) -> float:
        """What was handed over, in KiB."""
        return self.written_bytes / 1024

    def __add__(self, other: Wear) -> Wear:
        return Wear(
            self.syncs + other.syncs,
            self.written_bytes + other.written_bytes,
            self.changes + other.changes,
        )

    def __truediv__(self, times: float) -> Wear:
        return Wear(
            self.syncs / times, self.written_bytes / times, self.changes / times
        )


def why_not() -> str | None:
    """Say why nothing can be traced here, or None if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed; see system-packages.txt"
    probe = subprocess.run(
        ["strace", "-D", "-qq", "-o", "/dev/null", "true"],  # noqa: S607 - found on PATH on purpose
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return probe.stderr.strip() or None


class Trace:
    """Follows a process, all its threads and children; `prefix` names its files.

    Only files that last are counted: not sockets, pipes and devices, and not those
    that `is_ours` leaves out.
    """

    def __init__(self, prefix: Path, is_ours: Callable[[str], bool]) -> None:
        self._prefix = prefix
        self._is_ours = is_ours
        self._read_to: Counter[Path] = Counter()

    @property
    def command(self) -> list[str]:
        """What to put in front of a program; the process is the program's own."""
        # "?": some machines lack the older calls.
        calls = ",".join(f"?{name}" for name in (*_SYNCS, *_WRITES, *_NAMES, *_LINKS))
        return [
            *("strace", "-D", "-ff", "-qq", "-y", "-s", "0"),
            *("-e", f"trace={calls}", "-e", "signal=none"),
            *("-o", str(self._prefix)),
        ]

    def take(self) -> Wear:
        """Sum up what has happened since the last time.

        A call is noted before it returns, so what the process was seen to have done is
        complete.
        """
        total = Wear()
        for path in self._prefix.parent.glob(f"{self._prefix.name}.*"):
            with path.open("rb") as file:
                file.seek(self._read_to[path])
                lines, newline, _ = file.read().rpartition(b"\n")
            self._read_to[path] += len(lines) + len(newline)
            for line in lines.decode(errors="replace").splitlines():
                total += self._weigh(line)
        return total

    def _weigh(self, line: str) -> Wear:
        if (call := _CALL.match(line)) is None:
            return Wear()  # It failed, or it is a thread's last line.
        name, path, result = call[1], call[2], int(call[3])
        if name in _NAMES or (name in _LINKS and path is None):
            return Wear(changes=1)
        if path is None or not _LASTING.match(path) or not self._is_ours(path):
            return Wear()
        if name in _SYNCS:
            return Wear(syncs=1)
        if name in _LINKS:
            return Wear(changes=1)
        return Wear(written_bytes=result)


def io_bytes(pid: int) -> int:
    """Bytes of pages that a process has changed and not thrown away again.

    The kernel's own count (proc_pid_io(5)): pages that are mapped are in it as well,
    and what is deleted before it was written back is out.
    """
    counts = _io_counts(pid)
    return counts["write_bytes"] - counts["cancelled_write_bytes"]


def written_bytes(pid: int | str = "self") -> int:
    """Bytes of pages that a process has changed, thrown away or not."""
    return _io_counts(pid)["write_bytes"]


def _io_counts(pid: int | str) -> dict[str, int]:
    with open(f"/proc/{pid}/io", encoding="ascii") as file:  # noqa: PTH123
        pairs = (line.split(": ") for line in file)
        return {name: int(count) for name, count in pairs}


def counts_pages(directory: Path) -> bool:
    """Say whether `io_bytes` counts what is written here, on a disk and not in memory.

    The directory is to be thrown away.
    """
    before = io_bytes(os.getpid())
    (directory / "page").write_bytes(bytes(8192))
    return io_bytes(os.getpid()) > before
