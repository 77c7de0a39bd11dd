"""Real file systems that can be filled, or that turn read-only as an SD card does."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_FILLER: Final = "filler"
_BLOCK: Final = bytes(4096)
_IMAGE_BYTES: Final = 16 * 1024 * 1024


class SmallDisk:
    """A file system in memory, mounted at `path`; a context manager.

    Entering skips the test where nobody may mount.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self._size_bytes = size_bytes

    def __enter__(self) -> Self:
        options = f"size={self._size_bytes},mode=0700"
        _run_or_skip("mount", "-t", "tmpfs", "-o", options, "torture", self.path)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever still has a file open there keeps it, and the directory is free.
        _run("umount", "--lazy", self.path)

    def fill(self, *, spare_bytes: int = 0) -> None:
        """Take all the space there is, but for a spare part."""
        filler = self.path / _FILLER
        with suppress(OSError), filler.open("ab", buffering=0) as file:
            while True:
                file.write(_BLOCK)
        if spare_bytes:
            with filler.open("ab") as file:
                file.truncate(max(0, file.tell() - spare_bytes))

    def free(self) -> None:
        """Give the space back."""
        (self.path / _FILLER).unlink(missing_ok=True)

    def forbid_writing(self) -> None:
        """Make it read-only; nobody may have a file open for writing."""
        _run("mount", "-o", "remount,ro", self.path)

    def allow_writing(self) -> None:
        """Make it writable again."""
        _run("mount", "-o", "remount,rw", self.path)


class FailingDisk:
    """An ext4 in a file, mounted at `path`; a context manager.

    Entering skips the test where nobody may mount one.
    """

    def __init__(self, path: Path, image: Path) -> None:
        self.path = path
        self._image = image

    def __enter__(self) -> Self:
        self._image.write_bytes(b"")
        with self._image.open("r+b") as file:
            file.truncate(_IMAGE_BYTES)
        _run_or_skip("mkfs.ext4", "-q", self._image)
        _run_or_skip("mount", "-o", "loop", self._image, self.path)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _run("umount", "--lazy", self.path)

    def keep(self) -> None:
        """Make durable what has been written so far."""
        _run("sync", "--file-system", self.path)

    def fail(self) -> None:
        """Let it turn read-only under whoever writes, as after an error of the medium.

        What was not fsync'ed before is lost.
        """
        _run("mount", "-o", "remount,abort", self.path)

    def repair(self) -> None:
        """Mount it anew, as a reboot does; nobody may use it."""
        _run("umount", self.path)
        _run("mount", "-o", "loop", self._image, self.path)


def _run(*command: str | Path) -> None:
    subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)


def _run_or_skip(*command: str | Path) -> None:
    try:
        _run(*command)
    except (OSError, subprocess.CalledProcessError) as err:
        words = str(getattr(err, "stderr", None) or err).strip()
        pytest.skip(f"{command[0]} does not work here: {words}")
