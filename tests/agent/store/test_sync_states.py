"""How far lists are known: what has to be written at once, and what can wait."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlite_utils import Database

from agent.errors import StoreCorruptError
from agent.store.sync_states import (
    Confirmations,
    SyncState,
    copy_other_states,
    is_worth_a_write,
    load_state,
    save_state,
)
from agent.store.token_schema import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KNOWN = SyncState(origin="o", cursor=NOON - DAY, synchronized_at=NOON, swept_at=NOON)


@pytest.fixture
def file() -> Iterator[sqlite3.Connection]:
    """Make a whitelist file in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrations.apply(Database(connection))
        yield connection


@pytest.mark.parametrize("state", [SyncState(), KNOWN], ids=["nothing", "all"])
def test_what_is_saved_is_loaded(file: sqlite3.Connection, state: SyncState) -> None:
    """Every field comes back, of the upstream that was asked for."""
    save_state(file, "cpo", state)
    save_state(file, "hub", SyncState(origin="theirs"))

    assert load_state(file, "cpo") == state
    assert load_state(file, "nobody") == SyncState()


def test_saving_again_replaces(file: sqlite3.Connection) -> None:
    """There is one state of an upstream."""
    save_state(file, "cpo", KNOWN)
    save_state(file, "cpo", SyncState(cursor=NOON))

    assert load_state(file, "cpo") == SyncState(cursor=NOON)


def test_what_is_no_time_is_damage(file: sqlite3.Connection) -> None:
    """A state that cannot be read is not taken for no state."""
    save_state(file, "cpo", KNOWN)
    file.execute("UPDATE upstreams SET swept_at = 'noon'")

    with pytest.raises(StoreCorruptError, match="not a time"):
        load_state(file, "cpo")


def test_the_other_upstreams_states_are_copied(file: sqlite3.Connection) -> None:
    """They replace what the new file knew; the one's own does not come along."""
    save_state(file, "cpo", KNOWN)
    save_state(file, "hub", KNOWN)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as target:
        migrations.apply(Database(target))
        save_state(target, "hub", SyncState())
        copy_other_states(file, target, "cpo")

        assert load_state(target, "hub") == KNOWN
        assert load_state(target, "cpo") == SyncState()


@pytest.mark.parametrize(
    ("known", "cursor", "now", "expected"),
    [
        (KNOWN, NOON - DAY, NOON + HOUR, False),
        (KNOWN, None, NOON + HOUR, False),
        (KNOWN, NOON - DAY + timedelta(microseconds=9), NOON, False),
        (KNOWN, NOON - DAY + timedelta(milliseconds=1), NOON, True),
        (KNOWN, NOON - DAY, NOON + DAY - timedelta(seconds=1), False),
        (KNOWN, NOON - DAY, NOON + DAY, True),
        (KNOWN, None, NOON - HOUR, True),
        (SyncState(), None, NOON, True),
        (SyncState(cursor=NOON), NOON, NOON, True),
    ],
    ids=[
        "as it was",
        "no cursor",
        "within a millisecond",
        "moved",
        "nearly a day",
        "a day",
        "a clock that was wrong",
        "never confirmed",
        "a cursor only",
    ],
)
def test_only_news_is_written(
    known: SyncState, cursor: datetime | None, now: datetime, *, expected: bool
) -> None:
    """A list that is found as it was is written down once a day."""
    assert is_worth_a_write(known, cursor, now) is expected


def test_the_newest_confirmation_counts_before_it_is_written(
    file: sqlite3.Connection,
) -> None:
    """Memory knows better than the table, until it is told to forget."""
    save_state(file, "cpo", KNOWN)
    confirmations = Confirmations()
    confirmations.confirm("cpo", NOON + HOUR)

    seen = confirmations.complete("cpo", KNOWN).synchronized_at
    confirmations.forget("cpo")

    assert seen == NOON + HOUR
    assert load_state(file, "cpo") == KNOWN
    assert confirmations.complete("cpo", KNOWN) == KNOWN
    assert confirmations.complete("hub", KNOWN) == KNOWN


def test_a_list_that_was_lost_is_not_confirmed() -> None:
    """What was confirmed of a damaged list says nothing of the empty one after it."""
    confirmations = Confirmations()
    confirmations.confirm("cpo", NOON)

    assert confirmations.complete("cpo", SyncState()) == SyncState()


def test_saving_writes_what_is_new_and_nothing_else(file: sqlite3.Connection) -> None:
    """The second time there is nothing to write; nobody gets a row by it."""
    save_state(file, "cpo", KNOWN)
    confirmations = Confirmations()
    confirmations.confirm("cpo", NOON + HOUR)
    confirmations.confirm("nobody", NOON)

    confirmations.save(file)
    changes = file.total_changes
    confirmations.save(file)

    assert load_state(file, "cpo").synchronized_at == NOON + HOUR
    assert load_state(file, "cpo").swept_at == NOON
    assert load_state(file, "nobody") == SyncState()
    assert file.total_changes == changes
