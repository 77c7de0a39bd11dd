"""What becomes of a damaged journal: set aside, whole, and named until somebody looks.

The salvaged journal is built beside the damaged one, and the exchange is a row of
renames that the next start completes. Whoever is killed wherever leaves either the
damaged journal in its place or the salvaged one complete; nothing is deleted but what
SQLite makes anew (`-shm`, an empty log).

    journal.db.salvaging        being built; a later attempt begins anew
    journal.db.salvaged-STAMP   complete and checked; the exchange must be finished
    journal.db.damaged-STAMP    the damaged file, its log beside it; holds card numbers
    journal.db.salvage-STAMP    what was salvaged from it, for the alarm
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from agent.errors import StoreBusyError
from agent.store import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)

_PARTS: Final = ("", "-wal", "-shm", "-journal")


class Found(Struct, frozen=True, kw_only=True):
    """What was read of a damaged journal; `reason` is what was wrong with it.

    `ends_told_anew` counts reports that were lost and written again.
    """

    reason: str
    sessions: int
    open_sessions: int
    readings: int
    reports: int
    ends_told_anew: int
    unreadable_rows: int
    unreadable_pages: int
    finished: bool

    def __str__(self) -> str:
        """Say what goes on, and what is lost as far as that can be known."""
        text = (
            f"salvaged {_count(self.sessions, 'session')} ({self.open_sessions} open), "
            f"{_count(self.reports, 'report')}, "
            f"{_count(self.readings, 'meter reading')}"
        )
        if self.ends_told_anew:
            text += f"; {_count(self.ends_told_anew, 'lost report')} written anew"
        if self.unreadable_rows or self.unreadable_pages:
            text += (
                f"; {_count(self.unreadable_rows, 'row')} and "
                f"{_count(self.unreadable_pages, 'page')} could not be read"
            )
        if not self.finished:
            text += "; there was no time to read the rest"
        return text


class Salvage(Struct, frozen=True, kw_only=True):
    """A damaged journal that is kept as `file`; `found` is None if nobody knows."""

    file: str
    found: Found | None

    def __str__(self) -> str:
        """Say what happened and what a person should do, on one line."""
        return (
            f"{self.found or 'it is not known what was salvaged'}; kept as {self.file} "
            "with its card numbers: move it away when you have looked"
        )


def is_cut(path: Path) -> bool:
    """Whether an exchange was begun and not finished."""
    return any(path.parent.glob(f"{path.name}.salvaged-*"))


def exchange(path: Path) -> None:
    """Bring an exchange to its end, however far it has come; there may be none.

    The old log must be gone for good before a new database takes its place: SQLite
    would read it as the new one's.
    """
    for salvaged in sorted(path.parent.glob(f"{path.name}.salvaged-*")):
        stamp = salvaged.name.rpartition("-")[2]
        kept = beside(path, f".damaged-{stamp}")
        for suffix in _PARTS:
            part = beside(path, suffix)
            if suffix and not _holds_anything(part):
                part.unlink(missing_ok=True)
            elif part.exists():
                part.rename(beside(kept, suffix))
        database.sync_directory(path.parent)
        salvaged.rename(path)
        database.sync_directory(path.parent)
        found = _read_report(path, stamp)
        _LOGGER.error(
            "%s; it was set aside: %s",
            found.reason if found else f"{path} is damaged",
            Salvage(file=kept.name, found=found),
        )


def _holds_anything(part: Path) -> bool:
    """Whether a file beside the database is more than what opening it has made."""
    return not part.name.endswith("-shm") and part.exists() and part.stat().st_size > 0


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes from doing the same; raise StoreBusyError if one does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise StoreBusyError(f"{folder} is being repaired by another") from err
        yield
    finally:
        os.close(descriptor)


def free_stamp(path: Path) -> str:
    """Choose a name that no file has, even if the clock has been set back."""
    while True:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        if not any(path.parent.glob(f"{path.name}.*-{stamp}*")):
            return stamp


def find_kept(path: Path) -> Salvage | None:
    """Find the last journal that was set aside and that nobody has moved away."""
    kept: dict[str, str] = {}
    for file in sorted(path.parent.glob(f"{path.name}.damaged-*")):
        _, _, rest = file.name.rpartition(".damaged-")
        kept.setdefault(rest.split("-")[0], file.name)
    for report in path.parent.glob(f"{path.name}.salvage-*"):
        if report.name.rpartition("-")[2] not in kept:
            report.unlink(missing_ok=True)
    if not kept:
        return None
    stamp = max(kept)
    return Salvage(file=kept[stamp], found=_read_report(path, stamp))


def _read_report(path: Path, stamp: str) -> Found | None:
    try:
        report = beside(path, f".salvage-{stamp}").read_bytes()
        return msgspec.json.decode(report, type=Found)
    except (OSError, msgspec.DecodeError):
        return None


def beside(path: Path, suffix: str) -> Path:
    """Name a file that belongs to this one."""
    return path.with_name(path.name + suffix)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
