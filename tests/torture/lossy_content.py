"""What becomes of a file's unsynced writes in a power cut, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

PAGE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Written:
    """These bytes came to this place."""

    offset: int
    data: bytes

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def apply(self, content: bytearray) -> None:
        """Do it; a hole before it reads as zeros."""
        content.extend(bytes(max(0, self.offset - len(content))))
        content[self.offset : self.offset + len(self.data)] = self.data

    @property
    def pages(self) -> range:
        """The pages it touches."""
        end = self.offset + len(self.data)
        return range(self.offset // PAGE_BYTES, -(-end // PAGE_BYTES))


@dataclass(frozen=True, slots=True)
class Resized:
    """The file was cut off here, or extended with zeros up to here."""

    size: int

    def apply(self, content: bytearray) -> None:
        """Do it."""
        del content[self.size :]
        content.extend(bytes(self.size - len(content)))


Change = Written | Resized


def surviving_content(
    synced: bytes, unsynced: Sequence[Change], chance: Random | None
) -> bytes:
    """Return what the disk holds after a cut; without a chance, what was synced.

    Sizes are journalled: the first few changes of size survive. Pages are not: each is
    one of the versions it has had, or as it was synced.
    """
    if chance is None or not unsynced:
        return synced
    return _Survival(synced, unsynced, chance).content()


class _Survival:
    """One file in one cut."""

    def __init__(
        self, synced: bytes, unsynced: Sequence[Change], chance: Random
    ) -> None:
        self._chance = chance
        self._share = chance.random()  # Of the writes, how many survive
        self._seen = bytearray(synced)  # What programs saw, change by change
        self._size = len(synced)  # On the disk
        #: What each page may hold, oldest first.
        self._versions = _split(synced)
        # Behind a cut-off that does not survive, programs write new pages, and the
        # disk still has the old ones in their place.
        self._reach = _ENDLESS
        resizes = _count_resizes(synced, unsynced)
        self._resizes_left = chance.randint(0, resizes)
        for change in unsynced:
            self._follow(change)

    def content(self) -> bytes:
        """Throw the dice for every page."""
        pages = range(-(-self._size // PAGE_BYTES))
        return b"".join(self._page(page) for page in pages)[: self._size]

    def _follow(self, change: Change) -> None:
        before = len(self._seen)
        change.apply(self._seen)
        after = len(self._seen)
        if before != after:
            survives = self._resizes_left > 0
            self._resizes_left -= survives
            if survives:
                self._size = after
            if after < before and survives:
                self._cut_off(after)
            elif after < before:
                self._reach = min(self._reach, after)
        if isinstance(change, Written):
            for page in change.pages:
                if page * PAGE_BYTES < self._reach:
                    start = page * PAGE_BYTES
                    version = bytes(self._seen[start : start + PAGE_BYTES])
                    self._versions.setdefault(page, [b""]).append(version)

    def _cut_off(self, size: int) -> None:
        for page, versions in self._versions.items():
            left = max(0, size - page * PAGE_BYTES)
            self._versions[page] = [version[:left] for version in versions]

    def _page(self, page: int) -> bytes:
        oldest, *newer = self._versions.get(page, [b""])
        chosen = oldest
        for version in reversed(newer):
            if self._chance.random() < self._share:
                chosen = version
                break
        return chosen.ljust(PAGE_BYTES, b"\0")


_ENDLESS: Final = 1 << 62


def _split(content: bytes) -> dict[int, list[bytes]]:
    starts = range(0, len(content), PAGE_BYTES)
    return {
        start // PAGE_BYTES: [content[start : start + PAGE_BYTES]] for start in starts
    }


def _count_resizes(synced: bytes, unsynced: Sequence[Change]) -> int:
    seen = bytearray(synced)
    count = 0
    for change in unsynced:
        before = len(seen)
        change.apply(seen)
        count += len(seen) != before
    return count
