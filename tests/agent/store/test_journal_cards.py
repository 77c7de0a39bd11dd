"""How long a card number stays: until all is told, or a while longer, then nowhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from agent.domain.messages import Change, Record
from agent.domain.reports import Scope, Subscriber
from agent.domain.sessions import Session, SessionStatus, lapse
from agent.domain.tariffs import Tariff
from agent.errors import StoreFailedError
from agent.store.journal import FILE, Journal
from tests.fakes.sessions import (
    NOON,
    ended,
    ended_record,
    instant,
    session_of,
    started_record,
)

if TYPE_CHECKING:
    from pathlib import Path

WEEK = timedelta(days=7)
SILENT = (Subscriber(name="cpo", sessions=Scope.NONE, cdrs=True),)
CPO = (Subscriber(name="cpo", cdrs=True),)
SESSION = session_of(tariff=Tariff())
#: When the ended session was last changed.
ENDED = ended(SESSION).updated_at.wall


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / FILE


def is_on_disk(path: Path, session: Session = SESSION) -> bool:
    """Look for the card number in every file of the journal."""
    traces = (session.card, session.token.uid, session.token.contract_id)
    return any(
        trace.encode() in part.read_bytes()
        for part in path.parent.iterdir()
        for trace in traces
    )


def tell_all(journal: Journal) -> None:
    """Deliver everything."""
    for sink in journal.outbox.sinks():
        while reports := journal.outbox.due(sink, 1):
            journal.outbox.delivered(reports[0])


class Unable:
    """A connection that cannot cut off its log."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.asked = False

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # noqa: ANN401 - passed on
        """Fail at that alone."""
        if "checkpoint" in sql:
            self.asked = True
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(sql, *args)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


# ---- nobody is told ------------------------------------------------------------------


@pytest.mark.parametrize("keep_cards", [timedelta(), WEEK], ids=str)
@pytest.mark.parametrize("lapses", [False, True], ids=["charged", "lapsed"])
def test_a_card_that_nobody_is_told_of_is_forgotten_at_the_end(
    path: Path,
    keep_cards: timedelta,
    lapses: bool,  # noqa: FBT001 - a table
) -> None:
    """Nobody could fetch its session either; also the log does not know it."""
    pending = replace(SESSION, status=SessionStatus.PENDING)
    with closing(Journal(path, subscribers=SILENT, keep_cards=keep_cards)) as journal:
        if lapses:
            journal.record([(Record(Change.PENDING, pending), "c")])
        else:
            journal.record([started_record(SESSION)])
        assert is_on_disk(path)
        assert journal.outbox.entries() == []
        end = Record(Change.END, lapse(pending, instant(60)))
        journal.record([(end, "c") if lapses else ended_record(SESSION)])

        assert journal.outbox.entries() == []
        [(session, told)] = journal.sessions(1)
        assert told
        assert not session.is_open
        assert not is_on_disk(path)


def test_a_running_session_that_nobody_is_told_of_keeps_its_card(path: Path) -> None:
    """It is needed to stop."""
    with closing(Journal(path, subscribers=SILENT)) as journal:
        journal.record([started_record(SESSION)])
        journal.record([(Record(Change.STOP, SESSION), "c")])
        assert journal.open_sessions() == [SESSION]
        assert [one.card for one in journal.with_cards()] == [SESSION.card]


def test_a_session_that_nobody_is_told_of_leaves_no_readings(path: Path) -> None:
    """They go with the end, as they do when it is told."""
    with closing(Journal(path, subscribers=SILENT)) as journal:
        journal.record([started_record(SESSION), ended_record(SESSION)])
        count = "SELECT count(*) FROM meter_readings"
        assert journal._connection.execute(count).fetchone() == (0,)


def test_a_log_that_cannot_be_cut_off_takes_no_end_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed is done; a start in the same batch would seem refused."""
    with closing(Journal(path, subscribers=SILENT)) as journal:
        unable = Unable(journal._connection)
        monkeypatch.setattr(journal, "_connection", unable)
        journal.record([ended_record(SESSION), started_record(session_of("S2"))])
        assert unable.asked
        assert [one.id for one in journal.open_sessions()] == ["S2"]


# ---- kept for a while ----------------------------------------------------------------


def test_without_keeping_a_card_goes_with_the_last_report(path: Path) -> None:
    """The session, its CDR, and then no trace."""
    with closing(Journal(path, subscribers=CPO)) as journal:
        journal.record([started_record(SESSION), ended_record(SESSION)])
        for left in (2, 1, 0):
            assert is_on_disk(path)
            [report] = journal.outbox.due("cpo", 1)
            journal.outbox.delivered(report)
            assert len(journal.outbox.entries()) == left
        assert journal.outbox.due("cpo", 1) == []
        assert not is_on_disk(path)


def test_a_card_that_is_kept_is_forgotten_in_time(path: Path) -> None:
    """To the second, from the file and from the log."""
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record([started_record(SESSION), ended_record(SESSION)])
        tell_all(journal)
        assert journal.with_cards() == [ended(SESSION)]
        assert journal.forget_cards(ENDED + WEEK - timedelta(seconds=1)) == 0
        assert journal.with_cards() == [ended(SESSION)]

        assert journal.forget_cards(ENDED + WEEK) == 1

        assert journal.with_cards() == []
        assert not is_on_disk(path)
        [(session, told)] = journal.sessions(1)
        assert (session.id, told) == ("S1", True)
        assert session.ended_at == ended(SESSION).ended_at
        assert journal.forget_cards(ENDED + WEEK) == 0


def test_a_card_is_kept_as_long_as_anything_waits(path: Path) -> None:
    """However old: the report must name it, refused or not."""
    late = ENDED + timedelta(days=1000)
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record([ended_record(SESSION)])
        assert journal.forget_cards(late) == 0
        [report] = journal.outbox.due("cpo", 1)
        journal.outbox.refused(report, "never")
        assert journal.forget_cards(late) == 0
        journal.outbox.retry_refused()
        tell_all(journal)
        assert journal.forget_cards(late) == 1


def test_a_running_session_keeps_its_card(path: Path) -> None:
    """A week of charging is no reason."""
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record([started_record(SESSION)])
        tell_all(journal)
        assert journal.forget_cards(ENDED + timedelta(days=1000)) == 0
        assert [one.card for one in journal.with_cards()] == [SESSION.card]


def test_cards_kept_before_are_forgotten_when_none_are_kept_any_more(
    path: Path,
) -> None:
    """The setting of today counts."""
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record([ended_record(SESSION)])
        tell_all(journal)
    with closing(Journal(path, subscribers=CPO)) as journal:
        assert journal.forget_cards(ENDED) == 1
        assert not is_on_disk(path)


def test_each_card_has_its_own_time(path: Path) -> None:
    """One is forgotten, the later one stays, and comes after it in the list."""
    later = session_of("S2", card="B")
    end = replace(ended(later), updated_at=instant(2 * WEEK.total_seconds()))
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record([(Record(Change.END, end), "c"), ended_record(SESSION)])
        tell_all(journal)
        assert [one.id for one in journal.with_cards()] == ["S1", "S2"]
        assert journal.forget_cards(ENDED + WEEK) == 1
        assert [one.id for one in journal.with_cards()] == ["S2"]
        assert is_on_disk(path, later)
        assert not is_on_disk(path)


@pytest.mark.parametrize("lag_days", [-9000, 9000])
def test_a_session_without_a_date_is_kept_by_its_true_one(
    path: Path, lag_days: int
) -> None:
    """What the clock said at the time is neither old nor new."""
    end = ended(SESSION)
    wrong = {
        name: replace(
            getattr(end, name),
            wall=getattr(end, name).wall + timedelta(days=lag_days),
            synchronized=False,
        )
        for name in ("started_at", "updated_at", "ended_at", "stop_at", "meter_at")
    }
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record([(Record(Change.END, replace(end, **wrong)), "c")])
        tell_all(journal)
        journal.times.learn_base("boot-1", NOON - timedelta(hours=1))
        assert journal.forget_cards(ENDED + WEEK - timedelta(seconds=1)) == 0
        assert journal.forget_cards(ENDED + WEEK) == 1


def test_one_unreadable_session_keeps_no_other_card(path: Path) -> None:
    """It is left out, and the others are listed and forgotten."""
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record([ended_record(SESSION), ended_record(session_of("S2"))])
        tell_all(journal)
        journal._connection.execute("UPDATE sessions SET data = '{' WHERE id = 'S1'")
        assert [one.id for one in journal.with_cards()] == ["S2"]
        assert journal.forget_cards(ENDED + WEEK) == 1


def test_forgetting_costs_no_write_when_there_is_nothing_to_forget(
    path: Path,
) -> None:
    """An SD card is not worn out by looking."""
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record([ended_record(SESSION)])
        before = journal._connection.total_changes
        journal.forget_cards(ENDED + WEEK)
        assert journal._connection.total_changes == before


def test_cards_that_could_not_be_forgotten_are_forgotten_next_time(
    path: Path,
) -> None:
    """All or none, and no harm done."""
    both = [ended_record(SESSION), ended_record(session_of("S2", card="B"))]
    with closing(Journal(path, subscribers=CPO, keep_cards=WEEK)) as journal:
        journal.record(both)
        tell_all(journal)
        journal._connection.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON sessions WHEN new.id = 'S2' "
            "BEGIN SELECT no_such_function(); END"
        )
        with pytest.raises(StoreFailedError):
            journal.forget_cards(ENDED + 2 * WEEK)
        assert len(journal.with_cards()) == 2
        journal._connection.execute("DROP TRIGGER full")
        assert journal.forget_cards(ENDED + 2 * WEEK) == 2
        assert not is_on_disk(path)
