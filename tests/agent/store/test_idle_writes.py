"""A list that is found as it was leaves the disk alone, and is not forgotten for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.store.sync_states import load_state
from agent.store.whitelist import LINK, Whitelist
from tests.fakes.cards import uid_of
from tests.fakes.lists import KEYS, add_page, files_of, listed, put_in_force, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
A = token("A", last_updated=NOON)


class Clock:
    """A wall clock that is set by hand."""

    now = NOON

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Begin at noon."""
    return Clock()


def open_list(folder: Path, clock: Clock) -> Whitelist:
    """Open the list kept in this folder, by this clock."""
    return Whitelist(folder, KEYS, "boot-1", ("cpo", "hub"), wall=clock)


@pytest.fixture
def whitelist(tmp_path: Path, clock: Clock) -> Iterator[Whitelist]:
    """Open a list of two upstreams, both swept at noon."""
    with closing(open_list(tmp_path, clock)) as opened:
        put_in_force(opened, [token("H", "hub", last_updated=NOON)])
        put_in_force(opened, [A, token("B")])
        yield opened


def written_at(folder: Path, upstream: str = "cpo") -> datetime | None:
    """Say when the file itself says that a list was confirmed."""
    with closing(sqlite3.connect(folder / LINK)) as connection:
        return load_state(connection, upstream).synchronized_at


def pass_hours(whitelist: Whitelist, clock: Clock, hours: int) -> None:
    """Synchronise every hour; each time the overlap brings the newest token again."""
    for _ in range(hours):
        clock.now += HOUR
        whitelist.upsert([A])
        whitelist.finish_incremental("cpo", NOON)


def test_a_day_without_news_writes_nothing(
    tmp_path: Path, whitelist: Whitelist, clock: Clock
) -> None:
    """No byte of any file changes, and yet the list is known to be confirmed."""
    before = files_of(tmp_path)

    pass_hours(whitelist, clock, 23)

    assert files_of(tmp_path) == before
    assert whitelist.confirmed_at("cpo") == NOON + 23 * HOUR
    assert whitelist.confirmed_at("hub") == NOON
    assert whitelist.sync_state("cpo").synchronized_at == NOON + 23 * HOUR
    assert whitelist.sync_state("cpo").swept_at == NOON


def test_a_day_later_the_confirmation_is_written(
    tmp_path: Path, whitelist: Whitelist, clock: Clock
) -> None:
    """A power cut makes the list seem at most a day older than it is."""
    pass_hours(whitelist, clock, 23)
    assert written_at(tmp_path) == NOON

    pass_hours(whitelist, clock, 2)

    assert written_at(tmp_path) == NOON + 24 * HOUR
    assert whitelist.confirmed_at("cpo") == NOON + 25 * HOUR


def test_an_orderly_end_keeps_the_confirmation(
    tmp_path: Path, whitelist: Whitelist, clock: Clock
) -> None:
    """After a restart the list is as fresh as it was."""
    pass_hours(whitelist, clock, 5)

    whitelist.close()

    with closing(open_list(tmp_path, clock)) as reopened:
        assert reopened.confirmed_at("cpo") == NOON + 5 * HOUR
        assert reopened.confirmed_at("hub") == NOON


def test_a_disk_that_is_full_at_the_end_only_makes_the_list_older(
    tmp_path: Path,
    whitelist: Whitelist,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The list is closed all the same, and can be opened again."""
    pass_hours(whitelist, clock, 5)
    whitelist._list.connection.execute("PRAGMA query_only = ON")

    whitelist.close()

    assert "cannot be written" in caplog.text
    with closing(open_list(tmp_path, clock)) as reopened:
        assert reopened.confirmed_at("cpo") == NOON
        assert listed(reopened, "AB") == "AB"


def test_whatever_is_written_takes_the_confirmation_along(
    tmp_path: Path, whitelist: Whitelist, clock: Clock
) -> None:
    """A change of one upstream's list writes down when the others were confirmed."""
    pass_hours(whitelist, clock, 5)

    whitelist.upsert([token("C", "hub")])

    assert written_at(tmp_path) == NOON + 5 * HOUR


def test_a_swap_takes_the_confirmations_along(
    tmp_path: Path, whitelist: Whitelist, clock: Clock
) -> None:
    """The other upstreams' lists are as fresh in the next file."""
    pass_hours(whitelist, clock, 5)

    put_in_force(whitelist, [token("C", "hub")])

    assert written_at(tmp_path, "cpo") == NOON + 5 * HOUR
    assert written_at(tmp_path, "hub") == NOON + 5 * HOUR
    assert whitelist.confirmed_at("cpo") == NOON + 5 * HOUR


def test_a_sweep_outdoes_an_older_confirmation(
    whitelist: Whitelist, clock: Clock
) -> None:
    """Of the one in memory and the one in the file the later event counts."""
    pass_hours(whitelist, clock, 5)
    clock.now += HOUR

    put_in_force(whitelist, [token("C")])

    assert whitelist.confirmed_at("cpo") == NOON + 6 * HOUR


def test_a_clock_that_was_wrong_is_corrected_in_the_file(
    tmp_path: Path, whitelist: Whitelist, clock: Clock
) -> None:
    """A time in the future would make an old list seem fresh: it does not stay."""
    clock.now = NOON + 1000 * HOUR
    whitelist.finish_incremental("cpo", NOON)
    assert written_at(tmp_path) == NOON + 1000 * HOUR

    clock.now = NOON + HOUR
    whitelist.finish_incremental("cpo", NOON)

    assert whitelist.confirmed_at("cpo") == NOON + HOUR
    assert written_at(tmp_path) == NOON + HOUR


def test_a_list_set_aside_is_not_confirmed(whitelist: Whitelist, clock: Clock) -> None:
    """Nothing of what was known of the damaged list is said of the empty one."""
    pass_hours(whitelist, clock, 5)

    whitelist.rebuild(whitelist.file)

    assert whitelist.confirmed_at("cpo") is None


@pytest.mark.parametrize(
    "known", [A, token("A", valid=False), token("B")], ids=["same", "older", "another"]
)
def test_a_token_that_is_known_is_not_written(
    tmp_path: Path, whitelist: Whitelist, known: object
) -> None:
    """Real-time answers repeat what is in the list, too."""
    before = files_of(tmp_path)

    whitelist.learn(known)  # type: ignore[arg-type] # a Token

    assert files_of(tmp_path) == before


def test_the_same_list_again_stays_where_it_is(
    tmp_path: Path, whitelist: Whitelist, clock: Clock
) -> None:
    """A sweep that finds nothing new is noted; the file in force remains."""
    file = whitelist.file
    content = file.read_bytes()
    clock.now += 24 * HOUR
    whitelist.stage("cpo", "elsewhere")
    add_page(whitelist.stage("cpo"), [token("B"), A])

    whitelist.swap("cpo")

    state = whitelist.sync_state("cpo")
    assert (state.swept_at, state.synchronized_at) == (clock.now, clock.now)
    assert (state.cursor, state.origin) == (NOON, "elsewhere")
    assert whitelist.file == file
    assert file.read_bytes() == content
    assert not list(tmp_path.glob("*staged*"))
    assert listed(whitelist, "ABH") == "ABH"


def test_a_list_that_lost_a_card_and_lists_another_twice_is_new(
    whitelist: Whitelist,
) -> None:
    """A card that is gone does not stay because the number of rows is the same."""
    add_page(whitelist.stage("cpo"), [A, A])

    whitelist.swap("cpo")

    assert listed(whitelist, "AB") == "A"


def test_a_damaged_list_is_never_what_it_was(whitelist: Whitelist) -> None:
    """What cannot be compared is replaced."""
    whitelist._list.connection.execute("ALTER TABLE words RENAME TO lost")
    add_page(whitelist.stage("cpo"), [A, token("B")])

    whitelist.swap("cpo")

    assert whitelist.find(uid_of("A")) == [A]
    assert whitelist.find(uid_of("B")) == [token("B")]
