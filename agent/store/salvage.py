"""A damaged journal: what can be read of it goes on in its place.

SQLite's own recovery is not at hand where we run: Debian 12 builds its `sqlite3`
without the table that `.recover` needs, and apsw does not expose it. So the rows are
read as it would read them, page by page (see `leaves`). How the damaged journal is set
aside, and what a kill in the middle leaves, is written in `kept`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from agent.errors import StoreCorruptError, StoreFailedError
from agent.store import database
from agent.store.database import translate_errors
from agent.store.kept import (
    Found,
    Salvage,
    alone,
    beside,
    exchange,
    find_kept,
    free_stamp,
    is_cut,
)
from agent.store.leaves import Leaves
from agent.store.outbox import decode_session
from agent.store.pages import DEFAULT_PAGE_BYTES, Pages
from agent.store.successor import FIRST, READINGS, Successor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlite_utils.migrations import Migrations

    from agent.domain.reports import Subscriber

LIMIT: Final = timedelta(seconds=20)  # A start must not hang on old meter readings
#: A bad sector, which no retry mends; unlike what a full disk answers.
_BAD_SECTOR: Final = (
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
)


def repair(
    path: Path, migrations: Migrations, subscribers: Sequence[Subscriber] = ()
) -> Salvage | None:
    """See to it that the journal is whole, and find what was set aside until now.

    What was set aside is found at every start until a person has moved it away.
    Raises StoreFailedError if the journal is damaged and there is no room to save it.
    """
    with translate_errors(path):
        if is_cut(path) or _find_damage(path):
            with alone(path.parent):
                exchange(path)
                # Another process may have been faster.
                if reason := _find_damage(path):
                    salvage(path, migrations, reason, subscribers=subscribers)
        return find_kept(path)


def salvage(  # noqa: PLR0913 - what is read, for whom, and how long at most
    path: Path,
    migrations: Migrations,
    reason: str,
    *,
    subscribers: Sequence[Subscriber] = (),
    limit: timedelta = LIMIT,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Put in the journal's place what can be read of it within the limit."""
    draft = beside(path, ".salvaging")
    stamp = free_stamp(path)
    report = beside(path, f".salvage-{stamp}")
    until = now() + limit.total_seconds()
    try:
        with translate_errors(draft):
            _create(draft)
            new = _New(draft, migrations, subscribers)
            found = _fill(new, path, reason, lambda: now() > until)
            _verify(draft)
            report.write_bytes(msgspec.json.encode(found))
            for file in (report, draft):
                _sync(file)
            # The report is there for good before anything depends on it.
            database.sync_directory(path.parent)
            draft.rename(beside(path, f".salvaged-{stamp}"))
            database.sync_directory(path.parent)
    except (StoreFailedError, StoreCorruptError) as err:
        _give_up(draft, report)
        raise StoreFailedError(
            f"{reason}; what can be salvaged cannot be written beside it ({err}): "
            f"make room in {path.parent} and start again, or begin with an empty "
            f"journal, without its sessions, by moving {path.name}* away"
        ) from err
    exchange(path)


# ---- looking -------------------------------------------------------------------------


def _find_damage(path: Path) -> str:
    """Say what is wrong with a journal, empty if nothing is; changes no file.

    Somebody who may write would take the log into the database when closing it.
    """
    log = beside(path, "-wal")
    if not path.exists() or not path.stat().st_size:
        if log.exists() and log.stat().st_size:
            # SQLite would throw the log away, and with it what was committed last.
            return f"{path} is damaged: it is empty, and its log is not"
        return ""
    # An interrupted switch to this kind of log can only be undone by a writer.
    read_only = not beside(path, "-journal").exists()
    try:
        with closing(database.connect(path, read_only=read_only)) as connection:
            database.check(connection, path)
    except StoreCorruptError as err:
        return " ".join(str(err).split())  # SQLite's word has several lines.
    except StoreFailedError as err:
        if getattr(err.__cause__, "sqlite_errorcode", 0) not in _BAD_SECTOR:
            raise
        return f"{path} is damaged: the disk cannot read it"
    if path.stat().st_size % DEFAULT_PAGE_BYTES == 0:
        return ""  # As always; reading the log to be sure takes its time.
    with Pages(path) as pages:
        return f"{path} is damaged: its end is missing" if pages.is_torn else ""


# ---- building ------------------------------------------------------------------------


def _create(draft: Path) -> None:
    """Begin an empty file that only the journal's owner may read."""
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if os.geteuid() == 0:
            # Somebody else is to write it: root only runs a command here.
            owner = draft.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)


class _New(NamedTuple):
    """The journal to be: where, by which schema, and for whom."""

    draft: Path
    migrations: Migrations
    subscribers: Sequence[Subscriber]


def _fill(new: _New, damaged: Path, reason: str, is_late: Callable[[], bool]) -> Found:
    with closing(database.connect(new.draft)) as connection:
        # Whatever is interrupted is begun anew, so nothing need be undone or synced.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA secure_delete = ON")
        database.migrate(connection, new.migrations, new.draft)
        with database.transaction(connection):
            successor = Successor(connection, new.subscribers)
            rows, pages, finished = _take_over(damaged, successor, is_late)
            told_anew = successor.tell_lost_ends()
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM sessions), "
            "(SELECT count(*) FROM sessions WHERE is_open = 1), "
            "(SELECT count(*) FROM meter_readings), (SELECT count(*) FROM outbox)"
        ).fetchone()
    return Found(
        reason=reason,
        sessions=counts[0],
        open_sessions=counts[1],
        readings=counts[2],
        reports=counts[3] - told_anew,
        ends_told_anew=told_anew,
        unreadable_rows=rows,
        unreadable_pages=pages,
        finished=finished,
    )


def _take_over(
    damaged: Path, successor: Successor, is_late: Callable[[], bool]
) -> tuple[int, int, bool]:
    """Read every page; give the rows and pages that are lost, and if time sufficed.

    Meter readings come last, the oldest of them at the very end: there are many, and
    nothing depends on them.
    """
    unbelievable = 0
    with Pages(damaged) as pages:
        leaves = Leaves(pages)
        for widths in (FIRST, (READINGS,)):
            for number in range(pages.count, 0, -1):
                if is_late():
                    rows = leaves.broken_rows + unbelievable
                    return rows, leaves.broken_pages, False
                for row in leaves.rows(number, widths):
                    unbelievable += not successor.take(row)
        return leaves.broken_rows + unbelievable, leaves.broken_pages, True


def _verify(draft: Path) -> None:
    """Read everything back before it is relied on."""
    with closing(database.connect(draft, read_only=True)) as connection:
        database.check(connection, draft)
        for (data,) in connection.execute(
            "SELECT data FROM sessions UNION ALL SELECT snapshot FROM outbox"
        ):
            decode_session(data)


def _give_up(draft: Path, report: Path) -> None:
    """Leave nothing behind, unless all was done but to make the last name durable."""
    with contextlib.suppress(OSError):
        if draft.exists():
            report.unlink(missing_ok=True)
            draft.unlink()


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
