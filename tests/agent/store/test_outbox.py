"""What waits to be told: in order per session, never dropped, never mixed up."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.store.database import transaction
from agent.store.journal import FILE, Journal
from tests.fakes.sessions import (
    ended_record,
    session_of,
    started_record,
    updated_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.domain.reports import Report


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Open an empty journal."""
    with closing(Journal(tmp_path / FILE)) as opened:
        yield opened


def due(journal: Journal, *busy: str, limit: int = 9) -> list[str]:
    """Name the reports that could be sent now."""
    return [report.correlation_id for report in journal.outbox.due("cpo", limit, busy)]


def next_of(journal: Journal, session: str) -> Report:
    """Take the oldest report of a session."""
    [report] = [
        report
        for report in journal.outbox.due("cpo", 99)
        if report.session.id == session
    ]
    return report


def waiting(journal: Journal) -> list[str]:
    """Name everything that is not delivered."""
    return [entry.correlation_id for entry in journal.outbox.entries()]


def test_a_session_is_told_in_order(journal: Journal) -> None:
    """The next report is due only after the one before it is delivered."""
    session = session_of()
    journal.record([started_record(session), updated_record(session)])
    told = []
    while reports := journal.outbox.due("cpo", 9):
        [report] = reports
        told.append(report.correlation_id)
        journal.outbox.delivered(report)
        if len(told) == 2:
            journal.record([ended_record(session)])

    assert told == ["S1-start", "S1-update-1", "S1-end"]


def test_sessions_do_not_wait_for_each_other(journal: Journal) -> None:
    """The oldest report of each session is due, the oldest first."""
    for name in ("S1", "S2", "S3"):
        journal.record([started_record(session_of(name))])
    journal.record([ended_record(session_of("S1"))])

    assert due(journal) == ["S1-start", "S2-start", "S3-start"]
    assert due(journal, limit=2) == ["S1-start", "S2-start"]
    assert due(journal, "S1", "S3") == ["S2-start"]


def test_each_sink_hears_its_own(journal: Journal) -> None:
    """A report goes to the upstream that owns the card, and to nobody else."""
    journal.record([started_record(session_of("S1"))])
    journal.record([started_record(session_of("S2", upstream="hub"))])

    assert due(journal) == ["S1-start"]
    assert [r.session.id for r in journal.outbox.due("hub", 9)] == ["S2"]
    assert sorted(journal.outbox.sinks()) == ["cpo", "hub"]


def test_a_new_update_takes_the_place_of_one_that_waits(journal: Journal) -> None:
    """Updates are coalesced; the newest snapshot is told."""
    session = session_of()
    journal.record([started_record(session)])
    for number in (1, 2, 3):
        journal.record([updated_record(session_of(energy_wh=number), number)])

    assert waiting(journal) == ["S1-start", "S1-update-3"]
    journal.outbox.delivered(next_of(journal, "S1"))
    assert next_of(journal, "S1").session.energy_wh == 3


def test_the_end_takes_the_place_of_an_update(journal: Journal) -> None:
    """What the update would have said, the end says."""
    session = session_of()
    journal.record([started_record(session), updated_record(session)])
    journal.record([ended_record(session)])

    assert waiting(journal) == ["S1-start", "S1-end"]


def test_an_update_of_one_session_leaves_the_others(journal: Journal) -> None:
    """Only its own waiting update is replaced."""
    for name in ("S1", "S2"):
        journal.record([updated_record(session_of(name))])
    journal.record([updated_record(session_of("S1"), 2)])

    assert waiting(journal) == ["S2-update-1", "S1-update-2"]


@pytest.mark.parametrize("confirm", ["delivered", "refused", "postponed"])
@pytest.mark.parametrize("newer", ["update", "end"])
def test_news_while_a_report_is_on_its_way_is_not_lost(
    journal: Journal, confirm: str, newer: str
) -> None:
    """The result of an attempt belongs to the report that was sent, to no later one."""
    session = session_of()
    journal.record([updated_record(session)])
    on_its_way = next_of(journal, "S1")
    journal.record(
        [updated_record(session, 2) if newer == "update" else ended_record(session)]
    )

    match confirm:
        case "delivered":
            journal.outbox.delivered(on_its_way)
        case "refused":
            journal.outbox.refused(on_its_way, "never")
        case _:
            journal.outbox.postponed(on_its_way, "later")

    [entry] = journal.outbox.entries()
    assert entry.correlation_id == ("S1-update-2" if newer == "update" else "S1-end")
    assert (entry.refused, entry.why) == (False, None)


def test_a_refused_report_is_kept_and_holds_up_its_session(journal: Journal) -> None:
    """Nothing later of that session is sent before a person has looked."""
    for name in ("S1", "S2"):
        journal.record([started_record(session_of(name))])
    journal.record([ended_record(session_of("S1"))])

    journal.outbox.refused(next_of(journal, "S1"), "2001: no such location")

    assert due(journal) == ["S2-start"]
    assert journal.outbox.depth() == (2, 1)
    refused = journal.outbox.entries()[0]
    assert refused.refused
    assert refused.why == "2001: no such location"


def test_a_refused_update_is_not_replaced(journal: Journal) -> None:
    """What a person is to look at does not vanish with the next update."""
    session = session_of()
    journal.record([updated_record(session)])
    journal.outbox.refused(next_of(journal, "S1"), "never")

    journal.record([updated_record(session, 2)])

    assert waiting(journal) == ["S1-update-1", "S1-update-2"]
    assert due(journal) == []


def test_refused_reports_can_be_tried_again(journal: Journal) -> None:
    """One by its number, or all; the order within the session holds."""
    for name in ("S1", "S2"):
        journal.record(
            [started_record(session_of(name)), ended_record(session_of(name))]
        )
        journal.outbox.refused(next_of(journal, name), "never")
    [first, *_] = [entry for entry in journal.outbox.entries() if entry.refused]
    assert due(journal) == []

    assert journal.outbox.retry_refused(first.id) == 1
    assert due(journal) == ["S1-start"]

    assert journal.outbox.retry_refused(first.id) == 0
    assert journal.outbox.retry_refused(12345) == 0
    assert journal.outbox.retry_refused() == 1
    assert due(journal) == ["S1-start", "S2-start"]


def test_why_a_report_waits_is_written_when_it_changes(journal: Journal) -> None:
    """The same reason again does not touch the disk."""
    journal.record([started_record(session_of())])
    report = next_of(journal, "S1")
    changes = []
    for why in ("no answer", "no answer", "HTTP 503"):
        before = journal._connection.total_changes
        journal.outbox.postponed(report, why)
        changes.append(journal._connection.total_changes - before)

    assert changes == [1, 0, 1]
    assert journal.outbox.entries()[0].why == "HTTP 503"
    assert due(journal) == ["S1-start"]


def test_a_correlation_id_stays_with_its_report(tmp_path: Path) -> None:
    """Every attempt, also after a restart, can be recognised as the same."""
    with closing(Journal(tmp_path / FILE)) as journal:
        journal.record([started_record(session_of())])
        before = next_of(journal, "S1")
        journal.outbox.postponed(before, "no answer")
    with closing(Journal(tmp_path / FILE)) as journal:
        assert next_of(journal, "S1") == before


def test_an_unreadable_report_is_refused_and_the_others_are_sent(
    journal: Journal,
) -> None:
    """One damaged snapshot does not stop the reports of other sessions."""
    journal.record([started_record(session_of(name)) for name in ("S1", "S2")])
    journal._connection.execute("UPDATE outbox SET snapshot = 'x' WHERE id = 1")

    assert due(journal) == ["S2-start"]
    assert journal.outbox.depth() == (1, 1)


def test_an_empty_outbox_is_empty(journal: Journal) -> None:
    """Nothing is due, nobody waits."""
    assert due(journal) == []
    assert journal.outbox.depth() == (0, 0)
    assert journal.outbox.sinks() == []


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["update", "deliver", "refuse", "retry"]), max_size=12))
def test_a_start_and_an_end_are_never_dropped(
    tmp_path_factory: pytest.TempPathFactory, history: list[str]
) -> None:
    """Whatever happens in between, each is told exactly once and the end is last."""
    session, told = session_of(), []
    with closing(Journal(tmp_path_factory.mktemp("journal") / FILE)) as journal:
        journal._connection.execute("PRAGMA synchronous = OFF")

        def deliver() -> None:
            for report in journal.outbox.due("cpo", 1):
                told.append(report.correlation_id)
                journal.outbox.delivered(report)

        journal.record([started_record(session)])
        for number, what in enumerate(history):
            match what:
                case "update":
                    journal.record([updated_record(session, number)])
                case "deliver":
                    deliver()
                case "refuse":
                    for report in journal.outbox.due("cpo", 1):
                        journal.outbox.refused(report, "never")
                case _:
                    journal.outbox.retry_refused()
        journal.record([ended_record(session)])
        journal.outbox.retry_refused()
        while journal.outbox.depth() != (0, 0):
            deliver()

    assert told[0] == "S1-start"
    assert told[-1] == "S1-end"
    assert len(set(told)) == len(told)


def test_a_long_outbox_is_not_read_to_find_what_is_due(journal: Journal) -> None:
    """With 20 000 sessions waiting, a look costs what it costs with few."""
    steps: list[int] = []
    counted: list[int] = []
    snapshot = msgspec.json.encode(session_of())
    for first, last in ((0, 20), (20, 20_000)):
        with transaction(journal._connection):
            journal._connection.executemany(
                "INSERT INTO outbox (session_id, sink, change, correlation_id, "
                "snapshot) VALUES (?, 'cpo', 'start', 'c', ?)",
                [(f"S{number}", snapshot) for number in range(first, last)],
            )
        counted.clear()
        journal._connection.set_progress_handler(lambda: counted.append(1), 1)
        journal.outbox.due("cpo", 4, ["S1", "S2", "S3"])
        journal._connection.set_progress_handler(None, 1)
        steps.append(len(counted))

    few, many = steps
    assert 0 < many < few * 2
