"""A journal with hundreds of rows, damaged at random: what is untouched goes on."""

from __future__ import annotations

import random
import shutil
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agent.store import database
from agent.store.journal import FILE, Journal, migrations
from agent.store.pages import Pages
from agent.store.salvage import salvage
from tests.fakes.journals import (
    PAGE_BYTES,
    Contents,
    contents_of,
    make_journal,
    overwrite,
    pages_of_rows,
)
from tests.fakes.sessions import ended_record, session_of, started_record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SESSIONS, IN_LOG = 150, 30
ANYWHERE = st.floats(0, 1, exclude_max=True)  # A place, as a part of the whole file
SEEDS = st.integers(0, 2**32)
damaging = settings(max_examples=25)


class Origin:
    """A journal that nobody damages, what is in it, and where."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents = contents_of(path)
        self.places = pages_of_rows(path)
        with Pages(path) as pages:
            self.pages = pages.count
            self.in_log = frozenset(pages._offsets)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    """Make a journal that has been closed in order."""
    return Origin(make_journal(tmp_path_factory.mktemp("whole"), SESSIONS))


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    """Make a journal whose newest part is still in its log."""
    folder = tmp_path_factory.mktemp("cut")
    return Origin(make_journal(folder, SESSIONS, in_log=IN_LOG))


@contextmanager
def copy_of(journal: Path) -> Iterator[Path]:
    """Copy a journal into a folder that does not outlive the test's example."""
    with TemporaryDirectory() as folder:
        shutil.copytree(journal.parent, folder, dirs_exist_ok=True)
        yield Path(folder) / journal.name


def noise(seed: int, length: int = PAGE_BYTES) -> bytes:
    """Make bytes that mean nothing."""
    return random.Random(seed).randbytes(length)  # noqa: S311 - no secret


def assert_goes_on(path: Path, origin: Origin, touched: Collection[int]) -> None:
    """Open a journal of which some pages have been touched, and look and use it."""
    with closing(Journal(path)) as journal:
        after = contents_of(path)
        if journal.salvage is None:
            event("taken for whole")
            assert after == origin.contents
            return
        event("salvaged")
        journal.record([started_record(session_of("S999"))])
        journal.record([ended_record(session_of("S999"))])
        assert "S999" not in {session.id for session in journal.open_sessions()}
    assert_all_untouched(after, origin, touched)
    assert_nothing_invented(after, origin.contents)


def assert_all_untouched(
    after: Contents, origin: Origin, touched: Collection[int]
) -> None:
    """Every row on a page that was not touched is there, as it was."""
    for rows, before, places in zip(after, origin.contents, origin.places, strict=True):
        untouched = {key for key, page in places.items() if page not in touched}
        assert {key: rows.get(key) for key in untouched} == {
            key: before[key] for key in untouched
        }


def assert_nothing_invented(after: Contents, before: Contents) -> None:
    """Whatever is there had been there; and every end that is not told waits."""
    versions = {key: {row[0]} for key, row in before.sessions.items()}
    for row in before.outbox.values():
        versions[row[0]].add(row[4])
    for session_id, (data, reported) in after.sessions.items():
        assert data in versions[session_id]
        assert reported <= before.sessions[session_id][1]
    assert after.readings.items() <= before.readings.items()
    for number, row in after.outbox.items():
        if row != before.outbox.get(number):
            # Told anew, because its report was lost.
            session_id, _, change, _, snapshot, *_ = row
            assert change == "end"
            assert snapshot == before.sessions[session_id][0]
    waiting = {row[0] for row in after.outbox.values() if row[2] == "end"}
    for session_id, (data, reported) in after.sessions.items():
        has_ended = b'"ended_at":null' not in data
        assert has_ended == (reported == 1 or session_id in waiting)


# ---- the database --------------------------------------------------------------------


@damaging
@given(where=st.sets(ANYWHERE, min_size=1, max_size=40), seed=SEEDS)
def test_pages_of_noise(whole: Origin, where: set[float], seed: int) -> None:
    """Any pages: header, schema, inner pages, indexes, rows."""
    touched = {int(part * whole.pages) + 1 for part in where}
    with copy_of(whole.path) as path:
        for number in touched:
            overwrite(path, (number - 1) * PAGE_BYTES, noise(seed + number))
        assert_goes_on(path, whole, touched)


@damaging
@given(pairs=st.lists(st.tuples(ANYWHERE, ANYWHERE), min_size=1, max_size=20))
def test_pages_in_the_wrong_place(
    whole: Origin, pairs: list[tuple[float, float]]
) -> None:
    """A disk that writes elsewhere: another page stands there a second time."""
    content = whole.path.read_bytes()
    touched = set()
    with copy_of(whole.path) as path:
        for source, target in pairs:
            offset = int(source * whole.pages) * PAGE_BYTES
            page = int(target * whole.pages)
            touched.add(page + 1)
            overwrite(path, page * PAGE_BYTES, content[offset : offset + PAGE_BYTES])
        # Pages of equal kind can change places without being noticed.
        overwrite(path, 0, b"\xff" * 100)
        assert_goes_on(path, whole, {1, *touched})


@damaging
@given(where=ANYWHERE)
def test_a_file_that_was_cut_off(whole: Origin, where: float) -> None:
    """Anywhere, in the middle of a page as well."""
    size = int(where * whole.pages * PAGE_BYTES)
    with copy_of(whole.path) as path:
        path.write_bytes(path.read_bytes()[:size])
        if size == 0:
            # Nothing tells it from a journal that is only being begun.
            Journal(path).close()
            return
        assert_goes_on(path, whole, range(size // PAGE_BYTES + 1, whole.pages + 1))


@damaging
@given(flips=st.sets(st.tuples(ANYWHERE, st.integers(0, 7)), min_size=1, max_size=30))
def test_flipped_bits(whole: Origin, flips: set[tuple[float, int]]) -> None:
    """A row may look right and be wrong, but never be another session's."""
    content = bytearray(whole.path.read_bytes())
    touched = set()
    for where, bit in flips:
        place = int(where * len(content))
        content[place] ^= 1 << bit
        touched.add(place // PAGE_BYTES + 1)
    with copy_of(whole.path) as path:
        path.write_bytes(content)
        salvage(path, migrations, "damaged")
        with closing(Journal(path)) as journal:
            after = contents_of(path)
            found = [session for session, _ in journal.sessions(999)]
        assert_all_untouched(after, whole, touched)
        assert set(after.sessions) <= set(whole.contents.sessions)
        for session in found:
            number = int(session.id.removeprefix("S"))
            assert session.evse_uid == f"E{number % 7}"


# ---- the log -------------------------------------------------------------------------


@damaging
@given(where=st.sets(ANYWHERE, min_size=1, max_size=40), seed=SEEDS)
def test_noise_under_a_whole_log(cut: Origin, where: set[float], seed: int) -> None:
    """What the log holds is as good as ever: there are the newest sessions."""
    pages = cut.path.stat().st_size // PAGE_BYTES
    touched = {int(part * pages) + 1 for part in where}
    with copy_of(cut.path) as path:
        for number in touched:
            overwrite(path, (number - 1) * PAGE_BYTES, noise(seed + number))
        assert_goes_on(path, cut, touched - cut.in_log)


@damaging
@given(
    where=ANYWHERE,
    how=st.sampled_from(["cut off", "zeroed", "noise"]),
    length=st.integers(1, 9 * PAGE_BYTES),
)
def test_a_damaged_log(cut: Origin, where: float, how: str, length: int) -> None:
    """As much is there as SQLite reads of it, with a database that is whole."""
    with copy_of(cut.path) as path:
        log = path.with_name(f"{FILE}-wal")
        content = log.read_bytes()
        place = int(where * len(content))
        if how == "cut off":
            log.write_bytes(content[:place])
        else:
            nothing = b"\0" * length if how == "zeroed" else noise(length, length)
            overwrite(log, place, nothing)
        with copy_of(path) as other:
            with closing(database.connect(other)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            expected = contents_of(other)
        assert len(expected.sessions) >= SESSIONS

        salvage(path, migrations, "damaged")

        assert contents_of(path) == expected


def test_the_newest_sessions_are_in_the_log(cut: Origin) -> None:
    """What the tests above count on."""
    with copy_of(cut.path) as path:
        path.with_name(f"{FILE}-wal").unlink()
        assert len(contents_of(path).sessions) == SESSIONS
    assert len(cut.contents.sessions) == SESSIONS + IN_LOG
