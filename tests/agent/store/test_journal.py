"""The precious database: all or nothing, and nothing of a card once all is told."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.domain.messages import Change, Record
from agent.domain.outcomes import StopReason
from agent.domain.sessions import Session, add_reading, request_stop
from agent.errors import StoreBusyError, StoreCorruptError, StoreFailedError
from agent.store import database
from agent.store.journal import FILE, Journal
from agent.store.outbox import decode_session
from tests.fakes.cards import uid_of
from tests.fakes.sessions import (
    ended,
    ended_record,
    instant,
    session_of,
    started_record,
    updated_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / FILE


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Open an empty journal."""
    with closing(Journal(path)) as opened:
        yield opened


def readings(journal: Journal) -> list[tuple[str, int]]:
    """List the meter readings that are kept."""
    return journal._connection.execute(
        "SELECT session_id, wh FROM meter_readings ORDER BY id"
    ).fetchall()


def tell_everything(journal: Journal) -> list[str]:
    """Deliver what waits, and say in which order."""
    told = []
    while reports := journal.outbox.due("cpo", 1):
        told.append(reports[0].correlation_id)
        journal.outbox.delivered(reports[0])
    return told


def test_a_session_comes_back_as_it_was(path: Path) -> None:
    """Every field survives a restart, times to the microsecond."""
    session = replace(
        session_of("S1"),
        started_at=instant(0.123456),
        group_id="group",
        authorization_reference="reference",
        flagged=True,
        energy_wh=1234,
    )
    with closing(Journal(path)) as journal:
        journal.record([started_record(session)])
    with closing(Journal(path)) as journal:
        assert journal.open_sessions() == [session]


@given(
    st.builds(
        session_of,
        card=st.sampled_from("ABC"),
        energy_wh=st.integers(0, 10**9),
        meter_wh=st.none() | st.integers(0, 10**12),
        group_id=st.none() | st.text(max_size=36),
        flagged=st.booleans(),
        stop_reason=st.none() | st.sampled_from(StopReason),
        started_at=st.builds(instant, st.floats(0, 10**7)),
    )
)
def test_sessions_survive_their_own_encoding(session: Session) -> None:
    """Whatever a session holds, the journal gives it back."""
    assert decode_session(msgspec.json.encode(session)) == session


def test_open_sessions_come_oldest_first_and_without_the_ended(
    journal: Journal,
) -> None:
    """What goes on at a restart is what has not ended."""
    journal.record([started_record(session_of(name)) for name in ("S3", "S1", "S2")])
    journal.record([ended_record(session_of("S1"))])

    assert [session.id for session in journal.open_sessions()] == ["S2", "S3"]


def test_the_newest_sessions_are_listed_first(journal: Journal) -> None:
    """The list ends at its limit and says whether each end has been told."""
    for name in ("S1", "S2", "S3"):
        journal.record([started_record(session_of(name))])
    journal.record([ended_record(session_of("S2"))])
    tell_everything(journal)

    listed = journal.sessions(2)

    assert [(session.id, told) for session, told in listed] == [
        ("S3", False),
        ("S2", True),
    ]


def test_the_decision_to_stop_is_kept_and_not_reported(journal: Journal) -> None:
    """STOP changes the session, adds no reading and no report."""
    journal.record([started_record(session_of())])
    stopped = request_stop(session_of(), StopReason.LOCAL, instant(60))

    journal.record([(Record(Change.STOP, stopped), "stop")])

    assert journal.open_sessions() == [stopped]
    assert journal.outbox.depth() == (1, 0)
    assert readings(journal) == [("S1", 1000)]


def test_readings_are_kept_and_only_updates_are_reported(journal: Journal) -> None:
    """READING goes to disk, UPDATE also to the outbox; without a meter, neither."""
    session = session_of()
    journal.record([started_record(session)])
    read = add_reading(session, 1500, instant(60), most_w=10**9)
    journal.record([(Record(Change.READING, read), "reading")])
    journal.record(
        [updated_record(add_reading(session, 2000, instant(120), most_w=10**9))]
    )
    journal.record([started_record(session_of("S2", meter_wh=None))])

    assert readings(journal) == [("S1", 1000), ("S1", 1500), ("S1", 2000)]
    assert [entry.change for entry in journal.outbox.entries()] == [
        "start",
        "update",
        "start",
    ]


@pytest.mark.parametrize("failing", ["sessions", "meter_readings", "outbox"])
def test_recording_is_all_or_nothing(journal: Journal, failing: str) -> None:
    """If any part of the second record cannot be written, nothing of the first is."""
    journal._connection.execute(
        f"CREATE TRIGGER fail BEFORE INSERT ON {failing} WHEN "  # noqa: S608 - a table of ours
        "(SELECT count(*) FROM sessions) > 1 BEGIN SELECT RAISE(FAIL, 'broken'); END"
    )
    records = [started_record(session_of(name)) for name in ("S1", "S2", "S3")]
    with pytest.raises(sqlite3.IntegrityError):
        journal.record(records)

    assert journal.open_sessions() == []
    assert journal.outbox.entries() == []
    assert readings(journal) == []


def test_a_full_disk_keeps_what_was_there(journal: Journal) -> None:
    """Recording fails whole; with space again it works."""
    journal.record([started_record(session_of("S1"))])
    journal._connection.execute("PRAGMA max_page_count = 1")
    many = [started_record(session_of(f"S{number}")) for number in range(2, 99)]
    with pytest.raises(StoreFailedError, match="full"):
        journal.record(many)
    assert [session.id for session in journal.open_sessions()] == ["S1"]

    journal._connection.execute("PRAGMA max_page_count = 100000")
    journal.record(many)

    assert len(journal.open_sessions()) == 98


def test_a_locked_journal_is_busy(path: Path, journal: Journal) -> None:
    """Somebody else who writes makes it a StoreBusyError, and nothing is lost."""
    journal._connection.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError):
            journal.record([started_record(session_of())])
        other.execute("COMMIT")

    journal.record([started_record(session_of())])
    assert len(journal.open_sessions()) == 1


def test_every_commit_is_synchronous(journal: Journal) -> None:
    """A power cut right after `record` loses nothing: FULL, in the log of changes."""
    pragmas = {
        name: journal._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete")
    }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}


def test_a_kill_loses_no_recorded_session(tmp_path: Path, path: Path) -> None:
    """What is on disk right after `record`, unclosed, holds the session."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of())])
        for part in tmp_path.glob(f"{FILE}*"):
            (copy / part.name).write_bytes(part.read_bytes())

    with closing(Journal(copy / FILE)) as journal:
        assert journal.open_sessions() == [session_of()]
        assert tell_everything(journal) == ["S1-start"]


# ---- card numbers ----------------------------------------------------------------


def card_numbers_in(folder: Path) -> dict[str, int]:
    """Count where card A's number still stands, by file, in text and in bytes."""
    uid = uid_of("A").value
    found = {}
    for part in folder.glob(f"{FILE}*"):
        content = part.read_bytes()
        count = content.upper().count(uid.encode())
        count += content.count(bytes.fromhex(uid))
        if count:
            found[part.name] = count
    return found


def test_a_card_is_forgotten_with_the_last_report(
    tmp_path: Path, journal: Journal
) -> None:
    """Its number stands in no file any more, free pages and log included."""
    session = session_of()
    journal.record([started_record(session)])
    journal.record([updated_record(session)])
    assert card_numbers_in(tmp_path)
    journal.record([ended_record(session)])

    assert tell_everything(journal) == ["S1-start", "S1-end"]

    assert card_numbers_in(tmp_path) == {}
    [(known, told)] = journal.sessions(9)
    assert (known.card, known.token.uid, known.token.contract_id) == ("", "", "")
    assert replace(known, card=ended(session).card, token=session.token) == ended(
        session
    )
    assert told


def test_a_card_is_forgotten_among_many(tmp_path: Path, journal: Journal) -> None:
    """Also when its rows shared pages with sessions that go on."""
    names = [f"S{number}" for number in range(2, 80)]
    journal.record([started_record(session_of(name, "B")) for name in names[:40]])
    journal.record([started_record(session_of("S1"))])
    journal.record([started_record(session_of(name, "B")) for name in names[40:]])
    journal.record([ended_record(session_of("S1"))])
    for name in names[::2]:
        journal.record([ended_record(session_of(name, "B"))])

    tell_everything(journal)

    assert card_numbers_in(tmp_path) == {}
    assert len(journal.open_sessions()) == 39


@pytest.mark.parametrize("last", ["open", "waiting", "refused"])
def test_a_card_is_kept_while_it_is_needed(journal: Journal, last: str) -> None:
    """A session that is open or not wholly told keeps its card."""
    journal.record([started_record(session_of())])
    if last != "open":
        journal.record([ended_record(session_of())])
    [start] = journal.outbox.due("cpo", 9)
    journal.outbox.delivered(start)
    for report in journal.outbox.due("cpo", 9) if last == "refused" else []:
        journal.outbox.refused(report, "never")

    [(session, told)] = journal.sessions(9)

    assert session.card == uid_of("A").value
    assert not told


# ---- damage ----------------------------------------------------------------------


def test_a_damaged_journal_is_set_aside(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept, named, and a new one takes its place."""
    path.write_bytes(b"garbage" * 1000)

    with closing(Journal(path)) as journal:
        journal.record([started_record(session_of())])

        assert journal.set_aside is not None
        assert journal.set_aside.parent == tmp_path
        assert journal.set_aside.read_bytes() == b"garbage" * 1000
        assert journal.set_aside.name in caplog.text


def test_a_whole_journal_is_not_set_aside(path: Path) -> None:
    """Opening twice finds nothing wrong."""
    for _ in range(2):
        with closing(Journal(path)) as journal:
            assert journal.set_aside is None


def test_a_newer_journal_is_refused(path: Path) -> None:
    """A journal of a later release is never set aside and never written."""
    with closing(Journal(path)) as journal:
        journal._connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('journal', '0099_later', '2030-01-01')"
        )
    with pytest.raises(StoreFailedError, match="0099_later"):
        Journal(path)
    assert [part.name for part in path.parent.glob("*damaged*")] == []


def test_one_unreadable_session_does_not_hold_up_the_others(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays where it is and the log names it, without what it holds."""
    journal.record([started_record(session_of(name)) for name in ("S1", "S2")])
    journal._connection.execute("UPDATE sessions SET data = '{}' WHERE id = 'S1'")

    assert [session.id for session in journal.open_sessions()] == ["S2"]
    assert [r.levelno for r in caplog.records if "S1" in r.getMessage()] == [
        logging.ERROR
    ]


def test_decoding_says_what_is_wrong_and_not_whose() -> None:
    """The error names the field, never the value."""
    card = uid_of("A").value

    with pytest.raises(StoreCorruptError) as caught:
        decode_session(f'{{"card": ["{card}"]}}'.encode())

    assert card not in str(caught.value)


# ---- a second look ---------------------------------------------------------------


def test_a_look_beside_the_writer_disturbs_nobody(path: Path, journal: Journal) -> None:
    """A read-only journal sees what is committed, while the writer goes on."""
    journal.record([started_record(session_of("S1"))])
    with closing(Journal(path, read_only=True)) as look:
        assert len(look.open_sessions()) == 1
        journal.record([started_record(session_of("S2"))])
        with database.transaction(journal._connection):
            assert len(look.open_sessions()) == 2
        assert look.outbox.depth() == (2, 0)
        with pytest.raises(StoreFailedError):
            look.record([started_record(session_of("S3"))])


def test_a_look_at_a_damaged_journal_leaves_it(path: Path) -> None:
    """Only the daemon sets files aside."""
    path.write_bytes(b"garbage" * 1000)

    with (
        pytest.raises(StoreCorruptError),
        closing(Journal(path, read_only=True)) as look,
    ):
        look.open_sessions()

    assert path.read_bytes() == b"garbage" * 1000


def test_readings_go_with_the_last_report(journal: Journal) -> None:
    """What was told needs them no more; a journal does not grow for ever."""
    journal.record([started_record(session_of("S1")), ended_record(session_of("S1"))])
    journal.record([started_record(session_of("S2"))])

    tell_everything(journal)

    assert {session_id for session_id, _ in readings(journal)} == {"S2"}
    assert [one.id for one, _ in journal.sessions(10)] == ["S2", "S1"]


def test_told_sessions_are_forgotten_after_a_time(tmp_path: Path) -> None:
    """Those that were not told stay, however old, and so does the time they knew."""
    with closing(Journal(tmp_path / FILE, keep=timedelta(days=1))) as journal:
        for name, upstream in (("S1", "cpo"), ("S2", "gone")):
            old = session_of(name, upstream=upstream)
            journal.record([started_record(old), ended_record(old)])
        tell_everything(journal)
        late = session_of("S90000")
        journal.record([started_record(late)])
        known = journal.times.last_known()
        tell_everything(journal)
        assert [one.id for one, _ in journal.sessions(10)] == ["S90000", "S2", "S1"]
        journal.record([ended_record(late)])
        tell_everything(journal)
        assert [one.id for one, _ in journal.sessions(10)] == ["S90000", "S2"]
        later = journal.times.last_known()
        assert known is not None
        assert later is not None
        assert later >= known
