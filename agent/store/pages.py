"""The pages of an SQLite file and of its log, read without SQLite.

For a file that SQLite refuses: nothing here trusts its header, its schema or its trees.
What is committed in the write-ahead log counts, exactly as it does for SQLite (the
"SQLite Database File Format", sections 1.3 and 4.1 to 4.3).
"""

from __future__ import annotations

import os
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

HEADER: Final = b"SQLite format 3\x00"
DEFAULT_PAGE_BYTES: Final = 4096  # What SQLite takes when nobody asks, as we do not
_PAGE_SIZES: Final = frozenset(2**exponent for exponent in range(9, 17))
_LOG_HEADER: Final = struct.Struct(">8I")
_FRAME_HEADER: Final = struct.Struct(">6I")
# The last bit of the log's first word says in which byte order its sums are taken.
_ORDERS: Final = {0x377F0682: "<", 0x377F0683: ">"}


class Pages:
    """Every page of a database in its newest committed version; changes no file."""

    def __init__(self, path: Path) -> None:
        with ExitStack() as stack:
            self._file = stack.enter_context(_Bytes(path))
            self._log = stack.enter_context(_Bytes(path.with_name(f"{path.name}-wal")))
            log = _CommittedLog(self._log)
            self._offsets = log.offsets
            self.page_bytes = log.page_bytes or _page_bytes(self._file.read(0, 100))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        """Close the files at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def count(self) -> int:
        """The number of the last page; they are counted from 1."""
        in_file = -(-self._file.size // self.page_bytes)
        return max(in_file, max(self._offsets, default=0))

    @property
    def is_torn(self) -> bool:
        """Whether the file ends within a page that the log does not have.

        SQLite takes what is missing for zeros, and does not complain.
        """
        return self._file.size % self.page_bytes > 0 and (
            self._file.size // self.page_bytes + 1 not in self._offsets
        )

    def read(self, number: int) -> bytes | None:
        """Give a page as far as it is there, None if the disk has nothing of it."""
        if (offset := self._offsets.get(number)) is not None:
            page = self._log.read(offset, self.page_bytes)
        else:
            page = self._file.read((number - 1) * self.page_bytes, self.page_bytes)
        return page or None


class _Bytes:
    """A file that may be missing, and may refuse to give what it holds."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._descriptor = None
        self.size = (
            0 if self._descriptor is None else os.fstat(self._descriptor).st_size
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Read as much as there is; a bad sector holds nothing."""
        if self._descriptor is None:
            return b""
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError:
            return b""


class _CommittedLog:
    """Where in the log each page was committed last; `page_bytes` is 0 without a log.

    As SQLite does, it believes the log up to the first frame whose sum is wrong, and
    of that up to the last commit.
    """

    def __init__(self, log: _Bytes) -> None:
        self.page_bytes = 0
        self.offsets: dict[int, int] = {}
        header = log.read(0, _LOG_HEADER.size)
        if len(header) < _LOG_HEADER.size:
            return
        magic, _, page_bytes, _, *salts, sum_1, sum_2 = _LOG_HEADER.unpack(header)
        if magic not in _ORDERS or page_bytes not in _PAGE_SIZES:
            return
        order = _ORDERS[magic]
        if _add_up(order, header[:24], (0, 0)) == (sum_1, sum_2):
            self.page_bytes = page_bytes
            self._read_frames(log, order, salts, (sum_1, sum_2))

    def _read_frames(
        self, log: _Bytes, order: str, salts: list[int], total: tuple[int, int]
    ) -> None:
        waiting: dict[int, int] = {}
        size = _FRAME_HEADER.size + self.page_bytes
        for offset in range(_LOG_HEADER.size, log.size - size + 1, size):
            frame = log.read(offset, size)
            if len(frame) < size:
                return
            number, commit, *frame_salts, sum_1, sum_2 = _FRAME_HEADER.unpack_from(
                frame
            )
            if frame_salts != salts:
                return
            total = _add_up(order, frame[:8] + frame[_FRAME_HEADER.size :], total)
            if total != (sum_1, sum_2):
                return
            waiting[number] = offset + _FRAME_HEADER.size
            if commit:
                self.offsets |= waiting
                waiting.clear()


def _add_up(order: str, data: bytes, total: tuple[int, int]) -> tuple[int, int]:
    """Go on with the running sum that chains the frames of a log."""
    one, two = total
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two


def _page_bytes(header: bytes) -> int:
    """Read the page size from a file's header, if that can be believed."""
    if not header.startswith(HEADER) or len(header) < len(HEADER) + 2:
        return DEFAULT_PAGE_BYTES
    (size,) = struct.unpack_from(">H", header, len(HEADER))
    size = 65536 if size == 1 else size
    return size if size in _PAGE_SIZES else DEFAULT_PAGE_BYTES
