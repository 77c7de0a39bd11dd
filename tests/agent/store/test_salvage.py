"""What goes on from a damaged journal: what was written once, and got furthest."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import StoreBusyError, StoreFailedError
from agent.store import database
from agent.store import salvage as salvage_module
from agent.store.journal import FILE, Journal, migrations
from agent.store.kept import Found, alone
from agent.store.salvage import salvage
from tests.fakes.journals import (
    PAGE_BYTES,
    contents_of,
    found_by,
    found_in,
    make_journal,
    overwrite,
    pages_of_rows,
)
from tests.fakes.sessions import (
    ended_record,
    session_of,
    started_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Tables of the journal whose rows do not go over, and why nothing is lost by that.
LEFT_BEHIND = {
    "_sqlite_migrations",  # applied anew
    "sqlite_sequence",  # goes on after the greatest id that goes over
    "last_known",  # the sessions and meter readings know it nearly as well
}
CARRIED = {"sessions", "meter_readings", "outbox", "boots"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / FILE


# ---- everything ----------------------------------------------------------------------


def test_every_table_is_carried_or_left_on_purpose(path: Path) -> None:
    """A table that is added to the journal has to be added to its salvage."""
    make_journal(path.parent, 3)
    with closing(database.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        kept = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608 - a table's name
            for name in CARRIED
        }
    assert {name for (name,) in tables} == CARRIED | LEFT_BEHIND
    assert min(kept.values()) > (0,)

    found_in(path)

    with closing(database.connect(path)) as connection:
        for name in CARRIED:
            query = f"SELECT count(*) FROM {name}"  # noqa: S608 - a table's name
            assert connection.execute(query).fetchone() == kept[name]


@pytest.mark.parametrize("in_log", [0, 40])
def test_nothing_is_lost_of_a_whole_journal(path: Path, in_log: int) -> None:
    """Rows, ids, correlation ids, order and refusals: also of commits in the log."""
    make_journal(path.parent, 60, in_log=in_log)
    before = contents_of(path)

    found = found_in(path)

    assert contents_of(path) == before
    assert found == Found(
        reason="damaged",
        sessions=60 + in_log,
        open_sessions=(60 + in_log) * 2 // 3,
        readings=len(before.readings),
        reports=len(before.outbox),
        ends_told_anew=0,
        unreadable_rows=0,
        unreadable_pages=0,
        finished=True,
    )
    assert {row[-2] for row in before.outbox.values()} == {0, 1}


def test_the_salvaged_journal_goes_on(path: Path) -> None:
    """Sessions continue, reports are delivered in order, and numbers never return."""
    make_journal(path.parent, 9)
    before = contents_of(path)
    found_in(path)

    with closing(Journal(path)) as journal:
        sessions = [session.id for session in journal.open_sessions()]
        assert sessions == ["S1", "S2", "S4", "S5", "S7", "S8"]
        journal.record([ended_record(journal.open_sessions()[1])])
        *_, last = journal.outbox.entries()
        assert last.id > max(before.outbox)
        waiting = {entry.session_id for entry in journal.outbox.entries()} - {"S2"}
        told = []
        while reports := journal.outbox.due("cpo", 1, waiting):
            told.append(reports[0].session.is_open)
            journal.outbox.delivered(reports[0])
        assert told == [True, False]
        assert [known for s, known in journal.sessions(9) if s.id == "S2"] == [True]


def test_a_card_is_as_forgotten_as_it_was(path: Path) -> None:
    """What had been told has no card number in the new journal either."""
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of()), ended_record(session_of())])
        while reports := journal.outbox.due("cpo", 1):
            journal.outbox.delivered(reports[0])
    found_in(path)
    [(data, reported)] = contents_of(path).sessions.values()
    assert reported == 1
    assert session_of().card.encode() not in data


def test_only_its_owner_may_read_it(path: Path) -> None:
    """Both hold card numbers: the new one as well as the damaged one."""
    make_journal(path.parent, 3)
    path.chmod(0o600)
    previous = os.umask(0)
    try:
        found_in(path)
    finally:
        os.umask(previous)
    modes = {
        file.name.split("-")[0]: stat.S_IMODE(file.stat().st_mode)
        for file in path.parent.iterdir()
    }
    assert modes[FILE] == modes[f"{FILE}.damaged"] == 0o600


# ---- limits --------------------------------------------------------------------------


def test_when_time_runs_out_what_is_precious_has_been_read(path: Path) -> None:
    """Meter readings come last; the report says that there was no time."""
    make_journal(path.parent, 60)
    ticks = count()
    # One look at the clock at the beginning, one before each page.
    pages = path.stat().st_size // PAGE_BYTES

    salvage(
        path,
        migrations,
        "damaged",
        limit=timedelta(seconds=pages + 1),
        now=lambda: float(next(ticks)),
    )

    found = found_by(path)
    assert not found.finished
    assert "no time" in str(found)
    assert (found.sessions, found.readings < 60) == (60, True)


def test_a_bad_sector_does_not_end_the_reading(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies on it is lost, and counted."""
    make_journal(path.parent, 60)
    sessions = pages_of_rows(path).sessions
    bad = sessions["S30"]
    pread = os.pread

    def fail(descriptor: int, length: int, offset: int) -> bytes:
        if offset == (bad - 1) * PAGE_BYTES:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, length, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", fail)
        salvage(path, migrations, "damaged")

    assert found_by(path).unreadable_pages == 1
    lost = {session for session, page in sessions.items() if page == bad}
    # Those whose start waits are known from that.
    assert set(sessions) - set(contents_of(path).sessions) <= lost


def test_a_disk_that_cannot_read_is_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for better times would keep the station off for good."""
    make_journal(path.parent, 6)

    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        with database.translate_errors(path):
            raise error

    with monkeypatch.context() as patched:
        patched.setattr(database, "check", fail_first(fail, database.check))
        assert found_by(path).sessions == 6


def fail_first(
    fail: Callable[..., Any], then: Callable[..., Any], times: int = 2
) -> Callable[..., Any]:
    """Call one function a few times, and the other one ever after."""
    calls = count()
    return lambda *args: fail(*args) if next(calls) < times else then(*args)


# ---- no room -------------------------------------------------------------------------


@pytest.mark.parametrize("pages", [1, 5, 20])
def test_without_room_the_message_says_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """Nothing has changed, nothing is left behind, and with room it goes on."""
    make_journal(path.parent, 60)
    overwrite(path, 0, b"\xff" * 100)
    before = path.read_bytes()
    connect = database.connect

    def connect_to_full_disk(file: Path, **options: bool) -> sqlite3.Connection:
        connection = connect(file, **options)
        if file.name.endswith(".salvaging"):
            connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(database, "connect", connect_to_full_disk)
        for _ in range(2):
            with pytest.raises(StoreFailedError, match=r"make room in .* start again"):
                Journal(path)

    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if ".s" in file.name] == []
    assert found_by(path).sessions == 60


def test_a_disk_that_does_not_keep_what_it_is_given_is_not_relied_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was salvaged is read back before the damaged journal leaves its place."""
    make_journal(path.parent, 6)
    overwrite(path, 0, b"\xff" * 100)
    fill = salvage_module._fill

    def fill_in_vain(new: Any, *args: Any) -> Found:  # noqa: ANN401 - passed on
        found = fill(new, *args)
        overwrite(new.draft, 5 * PAGE_BYTES, b"\xff" * PAGE_BYTES)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(salvage_module, "_fill", fill_in_vain)
        with pytest.raises(StoreFailedError, match="cannot be written"):
            Journal(path)

    assert found_by(path).sessions == 6


def test_two_processes_do_not_repair_at_once(path: Path) -> None:
    """The second is told that it is busy, and tries again later."""
    make_journal(path.parent, 6)
    overwrite(path, 0, b"\xff" * 100)
    with alone(path.parent), pytest.raises(StoreBusyError, match="repaired"):
        Journal(path)
    assert found_by(path).sessions == 6


def test_the_second_of_two_processes_finds_it_done(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that has been repaired meanwhile is not set aside."""
    make_journal(path.parent, 6)
    whole = path.read_bytes()
    overwrite(path, 0, b"\xff" * 100)
    look = salvage_module._find_damage
    looks = count()

    def look_too_early(file: Path) -> str:
        seen = look(file)
        if next(looks) == 0:
            path.write_bytes(whole)
        return seen

    monkeypatch.setattr(salvage_module, "_find_damage", look_too_early)
    with closing(Journal(path)) as journal:
        assert journal.salvage is None
        assert len(journal.sessions(9)) == 6
