"""Pages read without SQLite are the pages that SQLite would read."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.store import database
from agent.store.pages import DEFAULT_PAGE_BYTES, Pages
from tests.fakes.journals import overwrite

if TYPE_CHECKING:
    from pathlib import Path

FRAME_BYTES = 24 + DEFAULT_PAGE_BYTES


def write(path: Path, *, commits: int) -> None:
    """Make a database whose last commits are only in its log, as a cut leaves it."""
    source = path.with_name("source.db")
    with closing(database.connect(source)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, value)")
        connection.execute("INSERT INTO things (value) VALUES (zeroblob(30000))")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        for number in range(commits):
            connection.execute(
                "INSERT INTO things (value) VALUES (?)", (f"{number}" * 700,)
            )
        for suffix in ("", "-wal"):
            shutil.copy(f"{source}{suffix}", f"{path}{suffix}")


def read_all(path: Path) -> bytes:
    """Read every page."""
    with Pages(path) as pages:
        found = [pages.read(number) for number in range(1, pages.count + 1)]
    return b"".join(page or b"" for page in found)


def let_sqlite_read_all(path: Path) -> bytes:
    """Let SQLite take the log into the database."""
    with closing(database.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database with twenty commits in its log."""
    path = tmp_path_factory.mktemp("cut") / "a.db"
    write(path, commits=20)
    return path


def test_without_a_log_it_is_the_file(tmp_path: Path) -> None:
    """Page by page."""
    write(tmp_path / "a.db", commits=0)
    (tmp_path / "a.db-wal").unlink()
    assert read_all(tmp_path / "a.db") == (tmp_path / "a.db").read_bytes()


def test_what_is_committed_in_the_log_counts(cut: Path, tmp_path: Path) -> None:
    """The newest version of each page is read, and no file is touched."""
    before = [cut.read_bytes(), cut.with_name("a.db-wal").read_bytes()]
    found = read_all(cut)
    assert [cut.read_bytes(), cut.with_name("a.db-wal").read_bytes()] == before

    copy = shutil.copytree(cut.parent, tmp_path / "copy") / "a.db"
    assert found == let_sqlite_read_all(copy) != before[0]


@given(
    keep=st.integers(0, 30 * FRAME_BYTES),
    flips=st.lists(st.tuples(st.integers(0, 30 * FRAME_BYTES), st.integers(0, 7))),
)
def test_a_damaged_log_is_believed_as_far_as_sqlite_believes_it(
    tmp_path_factory: pytest.TempPathFactory,
    cut: Path,
    keep: int,
    flips: list[tuple[int, int]],
) -> None:
    """Cut off anywhere, bits flipped anywhere: the same pages as SQLite's."""
    folder = tmp_path_factory.mktemp("log")
    path = folder / "a.db"
    shutil.copy(cut, path)
    log = bytearray(cut.with_name("a.db-wal").read_bytes()[:keep])
    for place, bit in flips:
        if place < len(log):
            log[place] ^= 1 << bit
    (folder / "a.db-wal").write_bytes(log)

    found = read_all(path)

    assert found == let_sqlite_read_all(path)
    shutil.rmtree(folder)


@pytest.mark.parametrize("where", ["header", "all"])
def test_a_log_outlives_its_database(cut: Path, tmp_path: Path, where: str) -> None:
    """Without a database SQLite would delete the log; its pages are read here."""
    path = shutil.copytree(cut.parent, tmp_path / "copy") / "a.db"
    whole = read_all(path)
    if where == "header":
        overwrite(path, 0, b"\xff" * DEFAULT_PAGE_BYTES)
    else:
        path.unlink()

    with Pages(path) as pages:
        last = pages.read(pages.count)

    assert last == whole[-DEFAULT_PAGE_BYTES:]


@pytest.mark.parametrize("page_bytes", [512, 4096, 65536])
def test_any_page_size_is_read(tmp_path: Path, page_bytes: int) -> None:
    """The header says how long a page is."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {page_bytes}")
        connection.execute("CREATE TABLE things (id)")
    with Pages(path) as pages:
        assert pages.page_bytes == page_bytes
    assert read_all(path) == path.read_bytes()


@pytest.mark.parametrize("size", [0, 3, 511, 5000])
def test_a_page_size_that_cannot_be_is_not_believed(tmp_path: Path, size: int) -> None:
    """Our own journals have SQLite's usual one."""
    path = tmp_path / "a.db"
    write(path, commits=0)
    (tmp_path / "a.db-wal").unlink()
    overwrite(path, 16, struct.pack(">H", size))
    with Pages(path) as pages:
        assert pages.page_bytes == DEFAULT_PAGE_BYTES


def test_a_torn_page_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """What is missing is not made up."""
    path = tmp_path / "a.db"
    path.write_bytes(b"\x07" * (DEFAULT_PAGE_BYTES + 10))
    with Pages(path) as pages:
        assert pages.count == 2
        assert pages.read(2) == b"\x07" * 10
        assert pages.is_torn
        assert pages.read(3) is None


def test_a_torn_page_that_the_log_has_is_whole(cut: Path, tmp_path: Path) -> None:
    """So a power cut may leave it while the log is taken into the database."""
    path = shutil.copytree(cut.parent, tmp_path / "copy") / "a.db"
    with Pages(path) as pages:
        assert not pages.is_torn
        last_in_file = max(
            n for n in pages._offsets if n * DEFAULT_PAGE_BYTES <= path.stat().st_size
        )
    with path.open("r+b") as file:
        file.truncate(last_in_file * DEFAULT_PAGE_BYTES - 1)
    with Pages(path) as pages:
        assert not pages.is_torn


def test_what_is_not_there_has_no_pages(tmp_path: Path) -> None:
    """Neither a file nor a log."""
    with Pages(tmp_path / "a.db") as pages:
        assert pages.count == 0
        assert pages.read(1) is None


def test_a_bad_sector_costs_one_page(
    cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages around it are read."""
    pread = os.pread

    def fail_at_the_third(descriptor: int, length: int, offset: int) -> bytes:
        if offset == 2 * DEFAULT_PAGE_BYTES:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, length, offset)

    with Pages(cut) as pages:
        monkeypatch.setattr(os, "pread", fail_at_the_third)
        assert pages.read(2)
        assert pages.read(3) is None
        assert pages.read(4)
