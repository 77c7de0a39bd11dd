"""An indicator without hardware: one line per signal, appended to a file."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the configuration reads this annotation
from typing import TYPE_CHECKING

from drivers.errors import TransientDeviceError
from drivers.findings import Finding, user_name
from drivers.indicators.base import Indicator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.indicators.base import Signal


@dataclass(frozen=True, slots=True)
class FileIndicatorConfig:
    """`path`: the file, made when missing; or a named pipe that somebody reads."""

    path: Path


class FileIndicator(Indicator):
    """Writes each signal's name as a line."""

    Config = FileIndicatorConfig

    def __init__(self, config: FileIndicatorConfig) -> None:
        self._path = config.path

    async def show(self, signal: Signal) -> AsyncGenerator[None]:
        """Append the signal; a few bytes, so the loop is not kept waiting."""
        try:
            _append(self._path, f"{signal}\n".encode("ascii"))
        except OSError as err:
            if err.errno == errno.ENXIO:
                why = f"nobody reads the pipe {self._path}"
            else:
                why = f"cannot write {self._path}: {err.strerror}"
            raise TransientDeviceError(why) from err
        yield

    def check(self) -> Iterable[Finding]:
        """Look whether the file can be written, or made."""
        path, directory = self._path, self._path.parent
        problem = ""
        if path.is_dir():
            problem = "is a directory: path has to be a file in it"
        elif not directory.is_dir():
            problem = f"make the directory {directory}"
        elif not os.access(path if path.exists() else directory, os.W_OK):
            problem = f"may not be written by {user_name()}; let it in with chown"
        return [Finding(f"file {path}", problem)]


def _append(path: Path, line: bytes) -> None:
    # A named pipe that nobody reads would keep the whole agent waiting.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
    file = os.open(path, flags, 0o666)
    try:
        os.write(file, line)
    finally:
        os.close(file)
