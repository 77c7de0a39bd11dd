"""Lines from a named pipe, on the event loop's file-descriptor watcher."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final, Self

from drivers.errors import (
    AccessDeniedError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.line_splitter import LineSplitter

if TYPE_CHECKING:
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)

MAX_LINE_BYTES: Final = 256  # Far above any line of ours; what is longer is garbage
#: What stands half for so long was left by a writer who died: what comes next is not
#: its end, and together they could be another card.
HALF_LINE_S: Final = 1.0
#: Between two warnings of lines that are too long.
WARN_EVERY_S: Final = 60.0
_READ_BYTES: Final = 65_536  # What a Linux pipe holds


class LineFifo:
    """A named pipe, open for as long as the context manager is.

    It is made with mode 0600 if missing, and stays behind. Writers may come and
    go. A line counts once its newline has come, unless its halves came with a pause of
    HALF_LINE_S; one of over MAX_LINE_BYTES is dropped, with a warning now and then that
    has nothing of its content. Used on the running loop, by one
    task, as an async iterator of lines or by `read()` and `ready`. A pipe that is
    deleted or replaced while open is not noticed before it is opened again.

    `ready` is set when there is something to read; others may set it, too.
    """

    def __init__(self, path: Path, ready: asyncio.Event | None = None) -> None:
        self.ready = ready or asyncio.Event()
        self._path = path
        self._splitter = LineSplitter(MAX_LINE_BYTES)
        self._lines = deque[str]()
        self._came_at = self._warn_at = -inf

    def __enter__(self) -> Self:
        """Open the pipe; a DriverError says why it cannot be."""
        self._loop = asyncio.get_running_loop()
        self._fd = _open_fifo(self._path)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        # The watcher goes first: a closed descriptor's number is soon another file's.
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._lines:
            self._lines.extend(self.read())
            if not self._lines:
                await self.ready.wait()
        return self._lines.popleft()

    def read(self) -> list[str]:
        """Return the next lines without waiting, and watch for more."""
        self.ready.clear()
        self._loop.add_reader(self._fd, self._on_readable)
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return []
        except OSError as err:
            raise TransientDeviceError(f"cannot read {self._path}: {err}") from err
        now = self._loop.time()
        if now - self._came_at > HALF_LINE_S:
            self._splitter.spoil()
        self._came_at = now
        lines = self._splitter.feed(data)
        if None in lines and now >= self._warn_at:
            self._warn_at = now + WARN_EVERY_S
            _LOGGER.warning(
                "%s: dropped a line of over %d bytes", self._path, MAX_LINE_BYTES
            )
        return [line for line in lines if line is not None]

    def _on_readable(self) -> None:
        # The loop would call again and again until the bytes are read, and their
        # reader may be busy: one call per read() is enough.
        self._loop.remove_reader(self._fd)
        self.ready.set()


def _open_fifo(path: Path) -> int:
    try:
        with suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        if not path.is_fifo():
            raise UnsupportedDeviceError(
                f"expected a named pipe at {path}, found another kind of file: "
                "move it away, or name another path"
            )
        # Being a writer ourselves, we never see the end of file that comes when
        # the last writer closes.
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except PermissionError as err:
        raise AccessDeniedError(
            f"cannot open the pipe {path}: {err.strerror}; "
            "the agent's user must be allowed to read and write it"
        ) from err
    except FileNotFoundError as err:
        raise TransientDeviceError(
            f"cannot open the pipe {path}: make the directory {path.parent}"
        ) from err
    except OSError as err:
        why = err.strerror or str(err)
        raise TransientDeviceError(f"cannot open the pipe {path}: {why}") from err
