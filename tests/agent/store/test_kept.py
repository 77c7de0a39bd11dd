"""A damaged journal is set aside whole, in one step, and named until somebody looks."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from agent.store import database, kept
from agent.store import salvage as salvage_module
from agent.store.journal import FILE, Journal
from agent.store.kept import Found, Salvage
from tests.agent.store.test_swap import Snapshots
from tests.fakes.journals import PAGE_BYTES, contents_of, make_journal, overwrite
from tests.fakes.sessions import session_of, started_record

if TYPE_CHECKING:
    import sqlite3

FOUND = Found(
    reason="/state/journal.db is damaged: file is not a database",
    sessions=12,
    open_sessions=2,
    readings=40,
    reports=3,
    ends_told_anew=0,
    unreadable_rows=0,
    unreadable_pages=0,
    finished=True,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file, in a folder of its own."""
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / FILE


def damaged_parts(folder: Path) -> dict[str, bytes]:
    """Read what was set aside, by the part of the database that it was."""
    return {
        FILE + file.name.partition(".damaged-")[2][21:]: file.read_bytes()
        for file in folder.glob(f"{FILE}.damaged-*")
    }


def damage(path: Path) -> dict[str, bytes]:
    """Spoil the header; read everything that is to be kept."""
    overwrite(path, 0, b"\xff" * PAGE_BYTES)
    log = path.with_name(f"{FILE}-wal")
    files = [path, log] if log.exists() else [path]
    return {file.name: file.read_bytes() for file in files}


# ---- the file ------------------------------------------------------------------------


@pytest.mark.parametrize("in_log", [0, 2])
def test_it_is_kept_as_it_was(path: Path, in_log: int) -> None:
    """To the byte, its log with it: looking for damage changes neither."""
    make_journal(path.parent, 10, in_log=in_log)
    before = damage(path)
    assert len(before) == (2 if in_log else 1)

    Journal(path).close()

    assert damaged_parts(path.parent) == before
    assert len(contents_of(path).sessions) == 10 + in_log


@pytest.mark.parametrize("missing", [True, False])
def test_a_log_without_its_database_is_damage(path: Path, *, missing: bool) -> None:
    """SQLite would delete the log, and with it the last sessions."""
    make_journal(path.parent, 10, in_log=5)
    log = path.with_name(f"{FILE}-wal").read_bytes()
    path.unlink()
    if not missing:
        path.touch()

    with closing(Journal(path)) as journal:
        assert journal.set_aside is not None
        assert journal.set_aside.exists()
        assert {session.id for session, _ in journal.sessions(99)} >= {"S13", "S14"}

    assert damaged_parts(path.parent)[f"{FILE}-wal"] == log


def test_an_interrupted_beginning_is_no_damage(path: Path) -> None:
    """What a kill leaves of a journal's first moments is undone by SQLite."""
    with closing(database.connect(path)) as connection:
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("CREATE TABLE things (value)")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO things VALUES (zeroblob(90000))")
        for suffix in ("", "-journal"):
            copy = path.with_name(f"copy.db{suffix}")
            copy.write_bytes(path.with_name(path.name + suffix).read_bytes())
    copy = path.with_name("copy.db")
    assert copy.with_name("copy.db-journal").stat().st_size

    with closing(Journal(copy)) as journal:
        assert journal.salvage is None


def test_damaged_twice_is_kept_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing takes the place of what was set aside, even if time stands still."""
    stamps = iter(["20260301T120000000000"] * 3 + ["20260301T120000000001"])

    class StandingClock(datetime):
        def strftime(self, _: str) -> str:
            return next(stamps)

    monkeypatch.setattr(kept, "datetime", StandingClock)
    for content in (b"one", b"two"):
        path.write_bytes(content * 1000)
        Journal(path).close()

    files = sorted(path.parent.glob(f"{FILE}.damaged-*"))
    assert [file.read_bytes()[:3] for file in files] == [b"one", b"two"]


# ---- the alarm -----------------------------------------------------------------------


def test_the_log_says_once_what_happened(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As an error, with what goes on and what does not."""
    make_journal(path.parent, 10)
    damage(path)
    for _ in range(2):
        Journal(path).close()

    [error] = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert f"{path} is damaged: file is not a database; it was set aside" in error
    assert "salvaged 10 sessions (6 open), 10 reports, 18 meter readings" in error
    assert "0 rows and 1 page could not be read" in error
    assert f"kept as {FILE}.damaged-" in error


def test_the_alarm_stays_until_the_file_is_moved_away(path: Path) -> None:
    """Over every restart; a person who has looked moves it, and that is the end."""
    make_journal(path.parent, 10)
    damage(path)
    with closing(Journal(path)) as journal:
        first = journal.salvage
    with closing(Journal(path)) as journal:
        assert journal.salvage == first
        assert journal.set_aside is not None
        journal.set_aside.rename(path.parent.parent / "looked-at.db")
    for _ in range(2):
        with closing(Journal(path)) as journal:
            assert journal.salvage is None
            assert journal.set_aside is None
    assert [file.name for file in path.parent.iterdir()] == [FILE]


def test_the_last_of_several_is_named(path: Path) -> None:
    """The one whose sessions go on."""
    make_journal(path.parent, 10)
    damage(path)
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of("S99"))])
    damage(path)
    with closing(Journal(path)) as journal:
        assert journal.salvage is not None
        assert journal.salvage.found is not None
        assert journal.salvage.found.sessions == 11


@pytest.mark.parametrize("report", [None, b"", b"{}", b"\xff"])
def test_what_is_kept_is_named_even_if_nobody_knows_why(
    path: Path, report: bytes | None
) -> None:
    """A report that is lost, or another release's, silences no alarm."""
    make_journal(path.parent, 1)
    path.with_name(f"{FILE}.damaged-20260301T120000000000").touch()
    if report is not None:
        path.with_name(f"{FILE}.salvage-20260301T120000000000").write_bytes(report)

    with closing(Journal(path)) as journal:
        assert "not known" in str(journal.salvage)
        assert f"kept as {FILE}.damaged-20260301T120000000000" in str(journal.salvage)


def test_looking_beside_the_daemon_repairs_nothing(path: Path) -> None:
    """Only who writes does."""
    make_journal(path.parent, 1)
    path.with_name(f"{FILE}.damaged-20260301T120000000000").touch()
    with closing(Journal(path, read_only=True)) as look:
        assert look.salvage is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "salvaged 12 sessions (2 open), 3 reports, 40 meter readings"),
        (
            {"sessions": 1, "open_sessions": 1, "reports": 1, "readings": 1},
            "salvaged 1 session (1 open), 1 report, 1 meter reading",
        ),
        ({"ends_told_anew": 1}, "; 1 lost report written anew"),
        ({"unreadable_rows": 1}, "; 1 row and 0 pages could not be read"),
        ({"unreadable_pages": 2}, "; 0 rows and 2 pages could not be read"),
        ({"finished": False}, "; there was no time to read the rest"),
    ],
)
def test_it_is_told_in_one_line(changes: dict[str, Any], text: str) -> None:
    """Fit for the list of what does not work: what, how much, and what to do."""
    line = str(Salvage(file="journal.db.damaged-1", found=replace(FOUND, **changes)))
    assert text in line
    assert "\n" not in line
    assert line.endswith(
        "; kept as journal.db.damaged-1 with its card numbers: "
        "move it away when you have looked"
    )


# ---- kills ---------------------------------------------------------------------------


class Changes(Snapshots):
    """Copies a folder at every step that changes it."""

    _seen: object = None

    def take(self, *_: object) -> None:
        """Copy, unless a kill would leave what one a moment ago would."""
        files = sorted((entry.name, entry.stat()) for entry in os.scandir(self._folder))
        state = [(name, at.st_ino, at.st_size, at.st_mtime_ns) for name, at in files]
        if state != self._seen:
            self._seen = state
            super().take()


def snapshots_of_a_repair(
    folder: Path, into: Path, patch: pytest.MonkeyPatch
) -> list[Path]:
    """Open the journal in a folder, and return what a kill at each step would leave."""
    into.mkdir()
    snapshots = Changes(folder, into)
    connect = database.connect

    def watch(path: Path, **options: bool) -> sqlite3.Connection:
        connection = connect(path, **options)
        connection.set_trace_callback(snapshots.take)
        return connection

    with patch.context() as patched:
        for owner, name in (
            (os, "open"),
            (os, "fsync"),
            (Path, "rename"),
            (Path, "unlink"),
            (Path, "write_bytes"),
            (database, "sync_directory"),
            (salvage_module, "_fill"),
            (salvage_module, "_verify"),
        ):
            patched.setattr(owner, name, snapshots.around(getattr(owner, name)))
        patched.setattr(database, "connect", watch)
        Journal(folder / FILE).close()
    snapshots.take()
    return snapshots.taken


def assert_repaired(folder: Path, before: dict[str, bytes], rows: object) -> None:
    """Open it: what can be salvaged is there, and what was damaged is kept once."""
    with closing(Journal(folder / FILE)) as journal:
        assert journal.salvage is not None
        assert journal.salvage.found is not None
        assert journal.salvage.found.sessions == 12
    assert contents_of(folder / FILE) == rows, folder
    assert damaged_parts(folder) == before, folder
    names = {file.name.partition("-")[0] for file in folder.iterdir()}
    assert names == {FILE, f"{FILE}.damaged", f"{FILE}.salvage"}, folder


def test_a_kill_in_any_moment_loses_nothing(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start finds the damaged journal, or the salvaged one, and goes on."""
    make_journal(path.parent, 10, in_log=2)
    rows = contents_of(path)
    before = damage(path)

    copies = snapshots_of_a_repair(path.parent, tmp_path / "copies", monkeypatch)

    assert len(copies) > 10
    for copy in copies:
        assert_repaired(copy, before, rows)


def test_a_kill_while_going_on_after_a_kill_loses_nothing(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it happens during the exchange of the files."""
    make_journal(path.parent, 10, in_log=2)
    rows = contents_of(path)
    before = damage(path)
    copies = snapshots_of_a_repair(path.parent, tmp_path / "copies", monkeypatch)
    begun = [copy for copy in copies if list(copy.glob("*.salvaged-*"))]
    assert len(begun) >= 4

    for number, copy in enumerate(begun):
        for again in snapshots_of_a_repair(copy, tmp_path / f"{number}", monkeypatch):
            assert_repaired(again, before, rows)
        shutil.rmtree(tmp_path / f"{number}")
