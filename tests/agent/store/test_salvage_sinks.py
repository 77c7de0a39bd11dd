"""A damaged journal with several who are told: none of them is left without an end."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.domain.messages import Change, Record
from agent.domain.reports import Document, Scope, Subscriber
from agent.domain.sessions import SessionStatus, lapse
from agent.domain.tariffs import Tariff
from agent.store import database
from agent.store.journal import FILE, Journal, migrations
from agent.store.salvage import salvage
from tests.fakes.journals import contents_of, found_by, overwrite
from tests.fakes.sessions import (
    ended,
    ended_record,
    instant,
    session_of,
    started_record,
)

if TYPE_CHECKING:
    from pathlib import Path

    from agent.store.kept import Found

EVERYBODY = (
    Subscriber(name="cpo", cdrs=True),
    Subscriber(name="hub", sessions=Scope.ALL),
    Subscriber(name="audit", sessions=Scope.ALL, cdrs=True),
)
SINKS = [one.name for one in EVERYBODY]
SESSION = session_of(tariff=Tariff())
STORY = {
    "cpo": ["start", "end", "cdr"],
    "hub": ["start", "end"],
    "audit": ["start", "end", "cdr"],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / FILE


def make(path: Path, *, ends: bool = True) -> None:
    """Leave a journal with one session of which nobody has heard yet."""
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        journal.record([started_record(SESSION)])
        if ends:
            journal.record([ended_record(SESSION)])


def lose(path: Path, where: str) -> None:
    """Lose reports."""
    with closing(database.connect(path)) as connection:
        connection.execute(f"DELETE FROM outbox WHERE {where}")  # noqa: S608 - constants


def repair(path: Path) -> Found:
    """Salvage the journal for the same subscribers, and say what was found."""
    salvage(path, migrations, "damaged", subscribers=EVERYBODY)
    return found_by(path)


def waiting(path: Path) -> dict[str, list[str]]:
    """Say what each sink will be told, in order."""
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        entries = journal.outbox.entries()
        return {
            sink: [one.change for one in entries if one.sink == sink] for sink in SINKS
        }


def test_reports_to_everybody_go_over(path: Path) -> None:
    """Sinks, documents, order and correlation ids are as they were."""
    make(path)
    before = contents_of(path)
    found = repair(path)
    assert contents_of(path) == before
    assert (found.reports, found.ends_told_anew, found.unreadable_rows) == (8, 0, 0)
    assert waiting(path) == STORY


@pytest.mark.parametrize("sink", SINKS)
def test_an_end_that_is_lost_to_one_is_told_to_him_anew(path: Path, sink: str) -> None:
    """Although the others still have theirs; his CDR as well, if he has any."""
    make(path)
    lose(path, f"sink = '{sink}' AND change != 'start'")
    found = repair(path)
    assert waiting(path) == STORY
    lost = len(STORY[sink]) - 1
    assert (found.reports, found.ends_told_anew) == (8 - lost, lost)


def test_an_end_that_is_lost_to_all_is_told_to_all_anew(path: Path) -> None:
    """Each report once, and each but the CDRs under one correlation id."""
    make(path)
    lose(path, "change != 'start'")
    found = repair(path)
    assert waiting(path) == STORY
    assert (found.reports, found.ends_told_anew) == (3, 5)
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        rows = [e for e in journal.outbox.entries() if e.sink == "cpo"]
        assert len({one.correlation_id for one in rows}) == 3
        start, *_ = journal.outbox.due("cpo", 1)
        journal.outbox.delivered(start)
        [end] = journal.outbox.due("cpo", 1)
        assert end.session == ended(SESSION)
        journal.outbox.delivered(end)
        [cdr] = journal.outbox.due("cpo", 1)
        assert (cdr.document, cdr.session) == (Document.CDR, ended(SESSION))


def test_a_cdr_that_is_lost_alone_is_sent_anew(path: Path) -> None:
    """It is money, and its session's end is no substitute."""
    make(path)
    lose(path, "change = 'cdr'")
    assert repair(path).ends_told_anew == 2
    assert waiting(path) == STORY


def test_an_end_that_is_told_anew_comes_before_the_cdr(path: Path) -> None:
    """Perhaps it was told; but a session that stays open is worse."""
    make(path)
    lose(path, "sink = 'cpo' AND change != 'cdr'")
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        [cdr] = journal.outbox.due("cpo", 9)
    assert repair(path).ends_told_anew == 1
    assert waiting(path) == STORY | {"cpo": ["end", "cdr"]}
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        [end] = journal.outbox.due("cpo", 9)
        journal.outbox.delivered(end)
        [after] = journal.outbox.due("cpo", 9)
        assert replace(after, id=cdr.id) == cdr


def test_a_refused_cdr_stays_refused(path: Path) -> None:
    """Whoever is to look at it finds it, with the reason, after the end."""
    make(path)
    lose(path, "sink = 'cpo' AND change != 'cdr'")
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        [cdr] = journal.outbox.due("cpo", 9)
        journal.outbox.refused(cdr, "never")
    repair(path)
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        [end] = journal.outbox.due("cpo", 9)
        journal.outbox.delivered(end)
        assert journal.outbox.due("cpo", 9) == []
        [refused] = [one for one in journal.outbox.entries() if one.refused]
        assert (refused.change, refused.why) == ("cdr", "never")


def test_who_is_known_to_have_the_cdr_is_told_nothing_anew(path: Path) -> None:
    """His address is kept with the session."""
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        journal.record([ended_record(SESSION)])
        while reports := journal.outbox.due("cpo", 1):
            journal.outbox.delivered(reports[0], "https://cpo.example/cdrs/1")
    lose(path, "sink = 'audit'")
    assert repair(path).ends_told_anew == 2
    assert waiting(path) == {"cpo": [], "hub": ["end"], "audit": ["end", "cdr"]}


def test_a_lapsed_grant_is_told_anew_without_a_cdr(path: Path) -> None:
    """INVALID, to everybody."""
    pending = replace(SESSION, status=SessionStatus.PENDING)
    end = Record(Change.END, lapse(pending, instant(60)))
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        journal.record([(Record(Change.PENDING, pending), "p"), (end, "e")])
    lose(path, "change = 'end'")
    assert repair(path).ends_told_anew == 3
    assert waiting(path) == {sink: ["pending", "end"] for sink in SINKS}


def test_what_was_told_to_everybody_is_told_to_nobody_anew(path: Path) -> None:
    """Its session says so, and its card stays forgotten."""
    make(path)
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        for sink in SINKS:
            while reports := journal.outbox.due(sink, 1):
                journal.outbox.delivered(reports[0])
    assert repair(path).ends_told_anew == 0
    assert waiting(path) == {sink: [] for sink in SINKS}
    [(data, reported)] = contents_of(path).sessions.values()
    assert reported == 1
    assert SESSION.card.encode() not in data


def test_it_is_told_anew_the_same_way_however_often(path: Path) -> None:
    """A repair that is cut and begun again makes no second report of it."""
    make(path)
    lose(path, "change != 'start'")
    damaged = path.read_bytes()
    repair(path)
    once = contents_of(path).outbox
    path.write_bytes(damaged)
    repair(path)
    assert contents_of(path).outbox == once


def test_a_report_to_somebody_who_never_was_is_left_out(path: Path) -> None:
    """A bit of his name has flipped; he who was meant is told anew."""
    make(path)
    with closing(database.connect(path)) as connection:
        connection.execute(
            "UPDATE outbox SET sink = 'hup' WHERE sink = 'hub' AND change = 'end'"
        )
    found = repair(path)
    assert (found.unreadable_rows, found.ends_told_anew) == (1, 1)
    assert waiting(path) == STORY


def test_what_nobody_is_to_be_told_may_be_forgotten(path: Path) -> None:
    """A session without a report, of somebody who wants none, does not stay."""
    make(path)
    lose(path, "true")
    silent = (Subscriber(name="cpo", sessions=Scope.NONE),)
    salvage(path, migrations, "damaged", subscribers=silent)
    with closing(Journal(path, subscribers=silent)) as journal:
        assert journal.outbox.entries() == []
        assert [told for _, told in journal.sessions(9)] == [True]
        assert journal.forget_cards(ended(SESSION).updated_at.wall) == 1


def test_a_damaged_journal_is_repaired_for_its_subscribers_when_it_is_opened(
    path: Path,
) -> None:
    """The daemon tells whom it has configured."""
    make(path)
    lose(path, "change != 'start'")
    overwrite(path, 0, b"\xff" * 100)
    assert waiting(path) == STORY


@settings(max_examples=15)
@given(
    told=st.dictionaries(st.sampled_from(SINKS), st.integers(0, 3)),
    lost=st.sets(st.integers(1, 8)),
    ends=st.booleans(),
)
def test_whatever_is_lost_everybody_hears_of_the_end(
    tmp_path_factory: pytest.TempPathFactory,
    told: dict[str, int],
    lost: set[int],
    *,
    ends: bool,
) -> None:
    """After the damage, in order and once, unless all had been told before."""
    path = tmp_path_factory.mktemp("journal") / FILE
    make(path, ends=ends)

    def tell(journal: Journal, sink: str, most: int) -> list[str]:
        words = []
        for _ in range(most):
            for report in journal.outbox.due(sink, 1):
                is_cdr = report.document is Document.CDR
                words.append("CDR" if is_cdr else str(report.session.status))
                journal.outbox.delivered(report)
        return words

    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        for sink, most in told.items():
            tell(journal, sink, most)
        everything = ends and journal.outbox.entries() == []
    lose(path, f"id IN ({', '.join(map(str, sorted(lost)))})")

    repair(path)

    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        if not ends:
            [session] = journal.open_sessions()
            journal.record([ended_record(session)])
        for sink in SINKS:
            words = tell(journal, sink, 9)
            assert len(set(words)) == len(words)
            finals = ["COMPLETED"] if sink == "hub" else ["COMPLETED", "CDR"]
            assert not everything or words == []
            assert everything or words[-len(finals) :] == finals
        assert journal.outbox.entries() == []
        assert [told for _, told in journal.sessions(9)] == [True]
