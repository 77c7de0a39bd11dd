"""Which rows go over into a new journal: what was written once, and got furthest."""

from __future__ import annotations

import json
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from agent.domain.messages import Change, Record
from agent.domain.outcomes import StopReason
from agent.domain.places import Place
from agent.domain.sessions import SessionStatus, request_stop
from agent.domain.tariffs import Tariff
from agent.store import database
from agent.store.journal import FILE, Journal
from tests.fakes.journals import contents_of, found_in, make_journal
from tests.fakes.sessions import (
    ended,
    ended_record,
    instant,
    session_of,
    started_record,
    updated_record,
)

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, *statements: str) -> None:
    """Change rows in a way that the journal never would."""
    with closing(database.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / FILE


# ---- versions ------------------------------------------------------------------------


def test_a_session_is_made_of_its_report_if_its_own_row_is_lost(path: Path) -> None:
    """A start that waits is the start of a session that may still be charging."""
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of())])
    write(path, "DELETE FROM sessions")

    assert found_in(path).open_sessions == 1

    with closing(Journal(path)) as journal:
        assert journal.open_sessions() == [session_of()]


@pytest.mark.parametrize("change", [Change.READING, Change.STOP])
def test_a_session_has_ended_if_its_end_waits(path: Path, change: Change) -> None:
    """Else it would be ended, and told of, once more."""
    stopping = request_stop(session_of(), StopReason.LOCAL, instant(3600))
    last = stopping if change is Change.STOP else session_of()
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of())])
        journal.record([(Record(change, last), "")])
        yesterday = contents_of(path).sessions["S1"]
        journal.record([ended_record(session_of())])
    with closing(database.connect(path)) as connection:
        connection.execute(
            "UPDATE sessions SET is_open = 1, data = ?, reported = ?", yesterday
        )

    assert found_in(path).open_sessions == 0
    assert len(contents_of(path).outbox) == 2


def test_the_version_that_got_furthest_counts(path: Path) -> None:
    """A report that still waits is older than the session's own row."""
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of())])
        charged = replace(session_of(), energy_wh=5000)
        journal.record([updated_record(charged)])
        read = replace(charged, energy_wh=7000)
        journal.record([(Record(Change.READING, read), "")])
    found_in(path)
    with closing(Journal(path)) as journal:
        assert journal.open_sessions() == [read]


def test_a_report_does_not_correct_a_session_in_the_same_state(path: Path) -> None:
    """Its own row is the later one, and a flipped bit may have raised the other."""
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of())])
    raised = msgspec.json.encode(replace(session_of(), energy_wh=999_999))
    with closing(database.connect(path)) as connection:
        connection.execute("UPDATE outbox SET snapshot = ?", (raised,))
    found_in(path)
    with closing(Journal(path)) as journal:
        assert journal.open_sessions() == [session_of()]


def test_an_end_whose_report_is_lost_is_told_all_the_same(path: Path) -> None:
    """As a whole object, after what waits."""
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of("S1"))])
        journal.record([started_record(session_of("S2")), ended_record(session_of())])
    write(path, "DELETE FROM outbox WHERE change = 'end'")

    found = found_in(path)

    assert (found.reports, found.ends_told_anew) == (2, 1)
    with closing(Journal(path)) as journal:
        entries = journal.outbox.entries()
        assert [(e.session_id, e.change) for e in entries] == [
            ("S1", "start"),
            ("S2", "start"),
            ("S1", "end"),
        ]
        [start, _] = journal.outbox.due("cpo", 9)
        journal.outbox.delivered(start)
        [end, _] = sorted(
            journal.outbox.due("cpo", 9), key=lambda report: report.session.id
        )
        assert end.session == ended(session_of())


def test_an_end_that_was_told_is_not_told_again(path: Path) -> None:
    """Its session says so."""
    make_journal(path.parent, 1)
    assert found_in(path).ends_told_anew == 0
    assert contents_of(path).outbox == {}


def test_what_has_started_is_not_pending_again(path: Path) -> None:
    """A page of yesterday would make the end of a grant of a session that charged."""
    pending = replace(session_of(), status=SessionStatus.PENDING)
    with closing(Journal(path)) as journal:
        journal.record([(Record(Change.PENDING, pending), "pending")])
        yesterday = contents_of(path).sessions["S1"]
        journal.record([started_record(session_of())])
    with closing(database.connect(path)) as connection:
        connection.execute("UPDATE sessions SET data = ?, reported = ?", yesterday)

    found_in(path)

    with closing(Journal(path)) as journal:
        assert journal.open_sessions() == [session_of()]
        changes = [entry.change for entry in journal.outbox.entries()]
        assert changes == ["pending", "start"]


def test_what_is_pending_is_carried_over(path: Path) -> None:
    """It is ended at the start like any other, so it must be known."""
    pending = replace(session_of(), status=SessionStatus.PENDING)
    with closing(Journal(path)) as journal:
        journal.record([(Record(Change.PENDING, pending), "pending")])
    before = contents_of(path)
    assert found_in(path).unreadable_rows == 0
    assert contents_of(path) == before


# ---- rows that are not believed ------------------------------------------------------


CONTRADICTIONS = [
    ("sessions", "id = 'S1x'"),
    ("sessions", "evse_uid = 'E9'"),
    ("sessions", "is_open = 1 - is_open"),
    ("sessions", "is_open = 2"),
    ("sessions", "is_open = 'yes'"),
    ("sessions", "reported = 1"),
    ("sessions", "data = CAST(data AS TEXT)"),
    ("sessions", "data = x'7b7d'"),
    ("sessions", "data = substr(data, 1, 99)"),
    ("sessions", "data = CAST(replace(data, 'energy_wh', 'energy_wi') AS BLOB)"),
    ("sessions", "data = CAST(replace(data, 'status', 'statuz') AS BLOB)"),
    ("sessions", "data = CAST(replace(data, '2026-', '2226-') AS BLOB)"),
    ("meter_readings", "at = '2026-03-01'"),
    ("meter_readings", "at = '2026-13-01T12:00:00Z'"),
    ("meter_readings", "at = '3026-03-01T12:00:00Z'"),
    ("meter_readings", "session_id = x'53'"),
    ("meter_readings", "wh = 1.5"),
    ("meter_readings", "id = -1"),
    ("meter_readings", "id = 9223372036854775807"),
    ("outbox", "id = 9223372036854775807"),
    ("outbox", "session_id = 'S2'"),
    ("outbox", "sink = 'cqo'"),
    ("outbox", "change = 'end'"),
    ("outbox", "change = 'stop'"),
    ("outbox", "refused = 7"),
    ("outbox", "why = x'00'"),
    ("outbox", "correlation_id = x'53'"),
    ("outbox", "snapshot = x'ff'"),
    ("boots", "base = 1"),
    ("boots", "boot_id = x'ff'"),
]


@pytest.mark.parametrize(("table", "change"), CONTRADICTIONS)
def test_a_row_that_contradicts_itself_is_left_out(
    path: Path, table: str, change: str
) -> None:
    """It is counted, it stays in the damaged file, and nothing is made up for it."""
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of())])
        journal.times.learn_base("boot-1", session_of().started_at.wall)
    before = contents_of(path)
    write(path, f"UPDATE {table} SET {change}")  # noqa: S608 - constants

    found = found_in(path)

    assert found.unreadable_rows == 1
    after = contents_of(path)
    # The session is known from its report, and the report's session from its row.
    assert after.sessions == before.sessions
    assert after.readings == ({} if table == "meter_readings" else before.readings)
    assert after.outbox == ({} if table == "outbox" else before.outbox)


def test_rows_of_another_release_are_no_damage(path: Path) -> None:
    """A field that this release does not know, or knows and misses, is no reason."""
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of())])
    fields = json.loads(contents_of(path).sessions["S1"][0])
    del fields["energy_cap_wh"]
    fields["dropped_long_ago"] = 5
    with closing(database.connect(path)) as connection:
        connection.execute(
            "UPDATE sessions SET data = ?", (msgspec.json.encode(fields),)
        )
        connection.execute("DELETE FROM outbox")

    assert found_in(path).open_sessions == 1


PRICED = session_of(
    tariff=Tariff(per_kwh=Decimal(40), vat_percent=Decimal(25)),
    place=Place(location_id="LOC-1", currency="SEK", meter_id="M-1"),
)


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("per_kwh", "per_kwi"),
        ("vat_percent", "vau_percent"),
        ("currency", "currenci"),
        ("meter_id", "meter_ie"),
        ("voltage", "voltagf"),
        ("tariff", "tarifg"),
    ],
)
def test_no_price_is_made_up_for_a_damaged_name(
    path: Path, name: str, damaged: str
) -> None:
    """A price whose name is lost would be taken for zero, a place for the default."""
    with closing(Journal(path)) as journal:
        journal.record([started_record(PRICED)])
    with closing(database.connect(path)) as connection:
        connection.execute(
            "UPDATE sessions SET data = CAST(replace(data, ?, ?) AS BLOB)",
            (f'"{name}"', f'"{damaged}"'),
        )

    assert found_in(path).unreadable_rows == 1

    with closing(Journal(path)) as journal:
        assert journal.open_sessions() == [PRICED]
