"""Rows read from single pages are the rows that SQLite wrote, and nothing else."""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from agent.store import database
from agent.store.leaves import MAX_ROW_BYTES, Leaves, Row
from agent.store.pages import Pages
from tests.fakes.journals import PAGE_BYTES, overwrite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from agent.store.leaves import Value

INTEGERS = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(
    st.none(),
    INTEGERS,
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.binary(min_size=3000, max_size=3001).map(lambda part: part * 7),
)


def write(
    path: Path, rows: Sequence[tuple[int, Value, Value]], page_bytes: int = PAGE_BYTES
) -> Path:
    """Make a table of three columns; the first is the rowid."""
    path.unlink(missing_ok=True)
    with closing(database.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {page_bytes}")
        connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, one, two)")
        with database.transaction(connection):
            connection.executemany("INSERT INTO things VALUES (?, ?, ?)", rows)
    return path


def read(path: Path, *widths: int) -> tuple[list[Row], Leaves]:
    """Read the rows of every page."""
    with Pages(path) as pages:
        leaves = Leaves(pages)
        rows = [
            row
            for number in range(1, pages.count + 1)
            for row in leaves.rows(number, widths)
        ]
    return rows, leaves


@given(
    rows=st.lists(st.tuples(INTEGERS, VALUES, VALUES), unique_by=lambda row: row[0]),
    page_bytes=st.sampled_from([512, 4096, 65536]),
)
def test_every_row_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, Value, Value]],
    page_bytes: int,
) -> None:
    """All kinds of values, short and long, on one page or overflowing."""
    path = write(tmp_path_factory.getbasetemp() / "rows.db", rows, page_bytes)

    found, leaves = read(path, 3)

    expected = {Row(rowid, (None, *values)) for rowid, *values in rows}
    assert set(found) == expected
    assert len(found) == len(rows)
    assert (leaves.broken_rows, leaves.broken_pages) == (0, 0)


def test_tables_of_other_widths_are_left_out(tmp_path: Path) -> None:
    """A page belongs to one table."""
    path = write(tmp_path / "a.db", [(1, "one", "two")])
    with closing(database.connect(path)) as connection:
        connection.execute("CREATE TABLE pairs (one, two)")
        connection.execute("INSERT INTO pairs VALUES ('a', 'b')")

    assert [row.values for row in read(path, 2)[0]] == [("a", "b")]
    assert [row.values for row in read(path, 3)[0]] == [(None, "one", "two")]
    assert len(read(path, 2, 3)[0]) == 2
    assert read(path, 4)[0] == []


def test_what_was_deleted_stays_deleted(tmp_path: Path) -> None:
    """Only rows that a page still counts are read."""
    path = write(tmp_path / "a.db", [(n, f"{n}", "x" * 500) for n in range(40)])
    with closing(database.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("DELETE FROM things WHERE id > 4")

    assert sorted(row.rowid for row in read(path, 3)[0]) == [0, 1, 2, 3, 4]


def test_the_header_schema_and_tree_may_be_gone(tmp_path: Path) -> None:
    """Every row lies on its own page."""
    path = write(tmp_path / "a.db", [(n, n, "x" * 500) for n in range(400)])
    content = path.read_bytes()
    inner = [
        offset for offset in range(0, len(content), PAGE_BYTES) if content[offset] == 5
    ]
    assert inner
    for offset in (0, *inner):
        overwrite(path, offset, b"\xff" * PAGE_BYTES)

    found, leaves = read(path, 3)

    assert sorted(row.rowid for row in found) == list(range(400))
    assert leaves.broken_pages == len(inner) + 1


def test_a_broken_row_costs_no_other(tmp_path: Path) -> None:
    """It is counted, however often the page is read."""
    path = write(tmp_path / "a.db", [(n, n, "x" * 500) for n in range(5)])
    content = path.read_bytes()
    # The header of the first row's record is said to be longer than it can be.
    overwrite(path, content.rindex(b"x" * 500) - 5, b"\x7f")

    with Pages(path) as pages:
        leaves = Leaves(pages)
        for _ in range(2):
            rows = [row for n in (1, 2) for row in leaves.rows(n, (3,))]
            assert sorted(row.rowid for row in rows) == [1, 2, 3, 4]
        assert (leaves.broken_rows, leaves.broken_pages) == (1, 0)


def test_a_row_without_its_overflow_is_broken(tmp_path: Path) -> None:
    """Half a value is no value."""
    path = write(tmp_path / "a.db", [(1, "one", "x" * 9000), (2, "two", "short")])
    for following in (0, 99):
        overwrite(path, 2 * PAGE_BYTES, following.to_bytes(4))
        found, leaves = read(path, 3)
        assert [row.rowid for row in found] == [2]
        assert leaves.broken_rows == 1


def test_a_chain_of_pages_that_bites_its_tail_ends(tmp_path: Path) -> None:
    """It is followed for as long as the row says it is."""
    path = write(tmp_path / "a.db", [(1, "one", "x" * 200_000), (2, "two", "short")])
    overwrite(path, 2 * PAGE_BYTES, (3).to_bytes(4))

    found, _ = read(path, 3)

    assert (2, "two") in [(row.rowid, row.values[1]) for row in found]


def test_a_length_from_nowhere_is_not_believed(tmp_path: Path) -> None:
    """Nothing is read that no row of ours can have."""
    path = write(tmp_path / "a.db", [(1, "x", b"\1" * (MAX_ROW_BYTES + 1))])
    assert read(path, 3)[0] == []


@given(seed=st.integers(0, 2**32), cells=st.none() | st.binary(max_size=200))
def test_noise_is_never_more_than_noise(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cells: bytes | None
) -> None:
    """Whatever lies on a page, reading it ends."""
    path = tmp_path_factory.getbasetemp() / "noise.db"
    noise = random.Random(seed).randbytes(PAGE_BYTES)  # noqa: S311 - no secret
    page = b"\x0d" + noise[1:] if cells is None else leaf_of_noise(cells)
    path.write_bytes(b"\0" * PAGE_BYTES + page)

    found, _ = read(path, *range(100))

    assert all(isinstance(row, Row) for row in found)


def leaf_of_noise(cells: bytes) -> bytes:
    """Make a page that calls itself a leaf and has cells everywhere."""
    offsets = b"".join(
        (PAGE_BYTES - 1 - place).to_bytes(2) for place in range(len(cells))
    )
    header = b"\x0d\0\0" + len(cells).to_bytes(2) + b"\0\0\0"
    page = header + offsets
    return page + b"\0" * (PAGE_BYTES - len(page) - len(cells)) + cells
