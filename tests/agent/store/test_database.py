"""Opening SQLite files: what errors mean, migrations, damage."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlite_utils.migrations import Migrations

from agent.errors import StoreBusyError, StoreCorruptError, StoreFailedError
from agent.store import database

if TYPE_CHECKING:
    from pathlib import Path

    from sqlite_utils import Database


def make(path: Path, rows: int = 500) -> None:
    """Write a database of a few pages."""
    with closing(database.connect(path)) as connection:
        connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT)")
        with database.transaction(connection):
            connection.executemany(
                "INSERT INTO things (text) VALUES (?)", [("x" * 100,)] * rows
            )


def test_a_full_disk_is_a_failed_store(tmp_path: Path) -> None:
    """No space left: StoreFailedError, which refuses starts and damages nothing."""
    path = tmp_path / "a.db"
    make(path)
    with closing(database.connect(path)) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with (
            pytest.raises(StoreFailedError, match=r"a\.db.*full"),
            database.translate_errors(path),
        ):
            connection.execute("INSERT INTO things (text) SELECT text FROM things")


def test_a_lock_is_a_busy_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process writes: StoreBusyError after the time-out."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.0)
    path = tmp_path / "a.db"
    make(path)
    with (
        closing(database.connect(path)) as one,
        closing(database.connect(path)) as two,
        database.transaction(one),
        pytest.raises(StoreBusyError, match="in use by another process"),
        database.translate_errors(path),
        database.transaction(two),
    ):
        pass


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"\0" * 8192])
def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """Anything but SQLite's format: StoreCorruptError, which grants nothing."""
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with (
        closing(database.connect(path)) as connection,
        pytest.raises(StoreCorruptError, match="damaged"),
    ):
        database.check(connection, path)


def test_a_broken_page_is_found_by_the_check(tmp_path: Path) -> None:
    """One overwritten page in the middle is enough."""
    path = tmp_path / "a.db"
    make(path)
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xde\xad" * 2048)
    with (
        closing(database.connect(path)) as connection,
        pytest.raises(StoreCorruptError, match="damaged"),
    ):
        database.check(connection, path)


def test_a_file_that_cannot_be_opened_is_a_failed_store(tmp_path: Path) -> None:
    """A directory in its place, or none at all: StoreFailedError with the path."""
    for path in (tmp_path, tmp_path / "missing" / "a.db"):
        with (
            pytest.raises(StoreFailedError, match=str(path)),
            database.translate_errors(path),
        ):
            database.connect(path)


def test_reading_never_makes_a_file(tmp_path: Path) -> None:
    """A read-only look at nothing leaves nothing behind."""
    with pytest.raises(sqlite3.OperationalError):
        database.connect(tmp_path / "a.db", read_only=True)
    assert not list(tmp_path.iterdir())


def test_a_path_with_odd_characters_is_taken_as_it_is(tmp_path: Path) -> None:
    """`?`, `#` and `%` in a folder's name are no part of SQLite's URI."""
    folder = tmp_path / "a?mode=ro #1%20"
    folder.mkdir()
    make(folder / "a.db")
    assert (folder / "a.db").exists()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    """What was written before an error inside is gone, whatever the error."""
    path = tmp_path / "a.db"
    make(path, rows=1)
    with closing(database.connect(path)) as connection:
        with contextlib.suppress(KeyboardInterrupt), database.transaction(connection):
            connection.execute("DELETE FROM things")
            raise KeyboardInterrupt
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (1,)


def test_migrations_run_once(tmp_path: Path) -> None:
    """Opening a file twice applies each step once, and new steps when they appear."""
    migrations = Migrations("things")
    ran: list[str] = []
    path = tmp_path / "a.db"

    @migrations(name="0001")
    def first(db: Database) -> None:
        ran.append("0001")
        db.execute("CREATE TABLE first (id)")

    with closing(database.connect(path)) as connection:
        database.migrate(connection, migrations, path)
        database.migrate(connection, migrations, path)

    @migrations(name="0002")
    def second(db: Database) -> None:
        ran.append("0002")
        db.execute("CREATE TABLE second (id)")

    with closing(database.connect(path)) as connection:
        database.migrate(connection, migrations, path)

    assert ran == ["0001", "0002"]


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A file of a later release is not touched; the message names the step."""
    newer, ours = Migrations("things"), Migrations("things")

    @newer(name="0002_from_the_future")
    def step(db: Database) -> None:
        db.execute("CREATE TABLE future (id)")

    path = tmp_path / "a.db"
    with closing(database.connect(path)) as connection:
        database.migrate(connection, newer, path)
        with pytest.raises(StoreFailedError, match="0002_from_the_future"):
            database.migrate(connection, ours, path)


def test_setting_aside_takes_every_part_along(tmp_path: Path) -> None:
    """The database and its journals get one new name and keep their content."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        (tmp_path / f"a.db{suffix}").write_text(f"part{suffix}")

    kept = database.set_aside(tmp_path / "a.db")

    assert kept.name.startswith("a.db.damaged-")
    assert {
        file.name.removeprefix(kept.name): file.read_text()
        for file in tmp_path.iterdir()
    } == {suffix: f"part{suffix}" for suffix in ("", "-wal", "-shm", "-journal")}


def test_two_damaged_files_do_not_replace_each_other(tmp_path: Path) -> None:
    """Nothing is deleted silently, however often it happens."""
    for content in ("one", "two"):
        (tmp_path / "a.db").write_text(content)
        database.set_aside(tmp_path / "a.db")

    assert sorted(file.read_text() for file in tmp_path.iterdir()) == ["one", "two"]
