"""Opening SQLite files: settings, migrations, checks, and what to do with damage."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlite_utils import Database

from agent.errors import StoreBusyError, StoreCorruptError, StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlite_utils.migrations import Migrations

_LOGGER = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 5.0
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise our errors for SQLite's, so that the class says what to do."""
    try:
        yield
    except sqlite3.OperationalError as err:
        code = getattr(err, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise StoreBusyError(f"{path} is in use by another process: {err}") from err
        if code in _CORRUPT:
            raise StoreCorruptError(f"{path} is damaged: {err}") from err
        raise StoreFailedError(f"{path}: {err}; check space and permissions") from err
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # Our mistake, not the file's.
    except sqlite3.DatabaseError as err:
        raise StoreCorruptError(f"{path} is damaged: {err}") from err
    except OSError as err:
        raise StoreFailedError(f"{path}: {err}") from err


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection whose thread is its user's business."""
    mode = "ro" if read_only else "rwc"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        check_same_thread=False,
        isolation_level=None,
    )


def migrate(connection: sqlite3.Connection, migrations: Migrations, path: Path) -> None:
    """Bring the schema up to date; refuse a file that a newer release has changed."""
    database = Database(connection)
    known = {migration.name for migration in migrations.pending(database)}
    applied = {migration.name for migration in migrations.applied(database)}
    ours = {migration.name for migration in migrations._migrations}  # noqa: SLF001 - the only list of all names
    if newer := sorted(applied - ours):
        raise StoreFailedError(
            f"{path} was written by a newer release ({', '.join(newer)}); "
            "install that release, or move the file away"
        )
    if known:
        migrations.apply(database)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Read the whole structure; raise StoreCorruptError if any of it is broken."""
    with translate_errors(path):
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StoreCorruptError(f"{path} is damaged: {verdict}")


def set_aside(path: Path) -> Path:
    """Rename a damaged database, its journal files with it; return the new name."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("", "-wal", "-shm", "-journal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    _LOGGER.error("%s is damaged and was set aside as %s", path.name, kept.name)
    return kept


def sync_log(path: Path) -> None:
    """Make durable what was committed to a database's log of changes."""
    with translate_errors(path):
        try:
            descriptor = os.open(path.with_name(f"{path.name}-wal"), os.O_RDONLY)
        except FileNotFoundError:
            return  # Nothing is in a log that there is not.
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Make renames in this directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit everything inside at once, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
