"""Several who are told: each in order, none held up by another, nobody forgotten."""

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
from agent.errors import StoreFailedError
from agent.store.journal import FILE, Journal
from tests.fakes.sessions import (
    ended_record,
    instant,
    session_of,
    started_record,
    updated_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.domain.reports import Report

ALL = Scope.ALL
CPO = Subscriber(name="cpo", cdrs=True)
HUB = Subscriber(name="hub", sessions=ALL)
AUDIT = Subscriber(name="audit", sessions=ALL, cdrs=True)
EVERYBODY = (CPO, HUB, AUDIT)
SINKS = [one.name for one in EVERYBODY]
SESSION = session_of(tariff=Tariff())
PENDING = replace(SESSION, status=SessionStatus.PENDING)
LAPSED = lapse(PENDING, instant(60))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / FILE


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Open an empty journal with several subscribers."""
    with closing(Journal(path, subscribers=EVERYBODY)) as opened:
        yield opened


def pending_record() -> tuple[Record, str]:
    """Record the announcement of a grant."""
    return Record(Change.PENDING, PENDING), "S1-pending"


def lapsed_record() -> tuple[Record, str]:
    """Record that nobody plugged in."""
    return Record(Change.END, LAPSED), "S1-lapsed"


def next_to(journal: Journal, sink: str) -> Report | None:
    """Take what a sink is told next, if anything is due."""
    return next(iter(journal.outbox.due(sink, 1)), None)


def tell(journal: Journal, sink: str, most: int = 99) -> list[str]:
    """Deliver to one sink, and say what it was told."""
    told: list[str] = []
    while len(told) < most and (report := next_to(journal, sink)):
        told.append(said(report))
        journal.outbox.delivered(report)
    return told


def said(report: Report) -> str:
    """Name a report in a word."""
    is_cdr = report.document is Document.CDR
    return "CDR" if is_cdr else str(report.session.status)


def waiting(journal: Journal) -> list[tuple[str, str]]:
    """List what waits: for whom, and what."""
    return [(entry.sink, entry.change) for entry in journal.outbox.entries()]


def is_told(journal: Journal) -> bool:
    """Whether nobody has to hear of the session any more."""
    [(_, told)] = journal.sessions(1)
    return told


# ---- order ---------------------------------------------------------------------------


def test_each_hears_the_whole_story_in_order(journal: Journal) -> None:
    """PENDING, ACTIVE, COMPLETED, and the CDR for whoever wants it, last."""
    journal.record([pending_record(), started_record(SESSION), ended_record(SESSION)])
    story = ["PENDING", "ACTIVE", "COMPLETED"]
    assert tell(journal, "hub") == story
    assert tell(journal, "audit") == [*story, "CDR"]
    assert not is_told(journal)
    assert tell(journal, "cpo") == [*story, "CDR"]
    assert is_told(journal)


def test_a_lapsed_grant_is_told_to_everybody_and_has_no_cdr(journal: Journal) -> None:
    """It ends as INVALID, and then its card is forgotten."""
    journal.record([pending_record()])
    journal.record([lapsed_record()])
    for sink in SINKS:
        assert not is_told(journal)
        assert tell(journal, sink) == ["PENDING", "INVALID"]
    assert is_told(journal)
    [(session, _)] = journal.sessions(1)
    assert session.card == ""


@pytest.mark.parametrize("slow", SINKS)
def test_one_who_does_not_answer_holds_up_nobody(journal: Journal, slow: str) -> None:
    """What waits for one sink does not wait for another."""
    journal.record([started_record(SESSION), ended_record(SESSION)])
    for sink in SINKS:
        if sink != slow:
            assert tell(journal, sink)[:2] == ["ACTIVE", "COMPLETED"]
    assert not is_told(journal)
    assert {sink for sink, _ in waiting(journal)} == {slow}
    tell(journal, slow)
    assert is_told(journal)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_who_refuses_holds_up_himself_alone(journal: Journal, number: int) -> None:
    """His story stops there until a person has looked; the card is kept for it."""
    journal.record([started_record(SESSION), ended_record(SESSION)])
    assert len(tell(journal, "cpo", number)) == number
    report = next_to(journal, "cpo")
    assert report is not None
    journal.outbox.refused(report, "never")

    assert next_to(journal, "cpo") is None
    assert tell(journal, "hub") == ["ACTIVE", "COMPLETED"]
    assert tell(journal, "audit") == ["ACTIVE", "COMPLETED", "CDR"]
    assert not is_told(journal)
    assert journal.with_cards() != []
    journal.outbox.retry_refused()
    assert tell(journal, "cpo") == ["ACTIVE", "COMPLETED", "CDR"][number:]
    assert is_told(journal)


# ---- updates -------------------------------------------------------------------------


def test_updates_are_coalesced_for_each_sink(journal: Journal) -> None:
    """Who has heard the first hears the second; who has not hears the second alone."""
    journal.record([updated_record(replace(SESSION, energy_wh=1))])
    assert tell(journal, "cpo") == ["ACTIVE"]
    journal.record([updated_record(replace(SESSION, energy_wh=2), 2)])
    assert waiting(journal) == [(sink, "update") for sink in SINKS]
    for sink in SINKS:
        report = next_to(journal, sink)
        assert report is not None
        assert report.session.energy_wh == 2


def test_an_update_that_one_sink_has_refused_stays_for_him_alone(
    journal: Journal,
) -> None:
    """The others hear the newest."""
    journal.record([updated_record(SESSION)])
    report = next_to(journal, "hub")
    assert report is not None
    journal.outbox.refused(report, "never")
    journal.record([updated_record(SESSION, 2)])
    assert sorted(waiting(journal)) == sorted(
        [(sink, "update") for sink in SINKS] + [("hub", "update")]
    )


def test_an_update_for_one_who_is_told_no_more_is_not_lost(path: Path) -> None:
    """It is his last word on the session, unlike that of the others."""
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        journal.record([updated_record(SESSION)])
    with closing(Journal(path, subscribers=(CPO,))) as journal:
        journal.record([updated_record(SESSION, 2)])
        assert waiting(journal) == [
            ("hub", "update"),
            ("audit", "update"),
            ("cpo", "update"),
        ]


# ---- other subscribers after a restart -----------------------------------------------


def test_who_is_new_is_told_from_now_on(path: Path) -> None:
    """A whole object says what a start would have said."""
    with closing(Journal(path, subscribers=(CPO,))) as journal:
        journal.record([started_record(SESSION)])
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        journal.record([ended_record(SESSION)])
        assert tell(journal, "hub") == ["COMPLETED"]
        assert tell(journal, "cpo") == ["ACTIVE", "COMPLETED", "CDR"]
        assert tell(journal, "audit") == ["COMPLETED", "CDR"]
        assert is_told(journal)


@pytest.mark.parametrize("last", ["cpo", "hub"])
def test_a_start_may_be_the_last_that_is_told(path: Path, last: str) -> None:
    """Who is no longer told of ends does not keep the card for ever."""
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        journal.record([started_record(SESSION)])
        tell(journal, "audit")
    with closing(Journal(path, subscribers=(CPO,))) as journal:
        journal.record([ended_record(SESSION)])
        for sink in sorted(["cpo", "hub"], key=lambda sink: sink == last):
            assert not is_told(journal)
            tell(journal, sink)
        assert is_told(journal)
        assert journal.with_cards() == []


# ---- correlation ids -----------------------------------------------------------------


def test_a_cdr_is_not_taken_for_an_attempt_at_its_session(journal: Journal) -> None:
    """Each report to a sink has its own id, which it keeps."""
    journal.record([started_record(SESSION), ended_record(SESSION)])
    for sink in SINKS:
        names = [e.correlation_id for e in journal.outbox.entries() if e.sink == sink]
        assert len(set(names)) == len(names)
    before = journal.outbox.entries()
    tell(journal, "hub")
    assert [e for e in before if e.sink != "hub"] == journal.outbox.entries()


# ---- storage that fails --------------------------------------------------------------


@pytest.mark.parametrize("fails_at", range(1, 6))
def test_everybody_is_told_or_nobody(path: Path, fails_at: int) -> None:
    """A disk that fails in the middle leaves no sink with half of it."""
    with closing(Journal(path, subscribers=EVERYBODY)) as journal:
        journal.record([started_record(SESSION)])
        before = waiting(journal)
        trigger = (
            "CREATE TRIGGER full BEFORE INSERT ON outbox WHEN "
            "(SELECT count(*) FROM outbox) = ROWS "
            "BEGIN SELECT no_such_function(); END"
        )
        rows = len(before) + fails_at - 1
        journal._connection.execute(trigger.replace("ROWS", str(rows)))
        with pytest.raises(StoreFailedError):
            journal.record([ended_record(SESSION)])
        assert waiting(journal) == before
        assert [one.id for one in journal.open_sessions()] == ["S1"]
        journal._connection.execute("DROP TRIGGER full")
        journal.record([ended_record(SESSION)])
        assert tell(journal, "audit") == ["ACTIVE", "COMPLETED", "CDR"]


# ---- whatever happens ----------------------------------------------------------------

DEEDS = st.tuples(
    st.sampled_from(["update", "deliver", "deliver", "refuse", "retry", "reopen"]),
    st.sampled_from(SINKS),
)


class History:
    """A journal, what each sink was told of it, and what happens to both."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._updates = 0
        self.told: dict[str, list[str]] = {sink: [] for sink in SINKS}
        self.open()

    def open(self) -> None:
        """Open the journal, as after a power cut."""
        self.journal = Journal(self._path, subscribers=EVERYBODY)
        self.journal._connection.execute("PRAGMA synchronous = OFF")

    def live_through(self, what: str, sink: str) -> None:
        """Let one thing happen."""
        match what:
            case "update":
                self._updates += 1
                self.journal.record([updated_record(SESSION, self._updates)])
            case "deliver":
                self.told[sink] += tell(self.journal, sink, 1)
            case "refuse":
                for report in self.journal.outbox.due(sink, 1):
                    self.journal.outbox.refused(report, "never")
            case "retry":
                self.journal.outbox.retry_refused()
            case "reopen":
                self.journal.close()
                self.open()

    def end(self, record: tuple[Record, str]) -> None:
        """End the session, and tell everybody all that waits."""
        self.journal.record([record])
        self.journal.outbox.retry_refused()
        for sink in SINKS:
            assert not is_told(self.journal)
            self.told[sink] += tell(self.journal, sink)
        assert is_told(self.journal)
        assert waiting(self.journal) == []


@settings(max_examples=60)
@given(st.lists(DEEDS, max_size=14), st.sampled_from(["starts", "lapses", "at once"]))
def test_each_is_told_everything_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    happened: list[tuple[str, str]],
    how: str,
) -> None:
    """Whatever the others do, and however often the power is cut."""
    history = History(tmp_path_factory.mktemp("journal") / FILE)
    try:
        if how != "at once":
            history.journal.record([pending_record()])
        if how != "lapses":
            history.journal.record([started_record(SESSION)])
        for what, sink in happened:
            if (what, how) != ("update", "lapses"):
                history.live_through(what, sink)
        history.end(lapsed_record() if how == "lapses" else ended_record(SESSION))
    finally:
        history.journal.close()

    end = "INVALID" if how == "lapses" else "COMPLETED"
    for sink, words in history.told.items():
        wants_cdr = sink != "hub" and end == "COMPLETED"
        finals = [end, "CDR"] if wants_cdr else [end]
        assert words[-len(finals) :] == finals
        before = words[: -len(finals)]
        assert before.count("PENDING") == (how != "at once")
        assert before == sorted(before, reverse=True)  # PENDING comes before ACTIVE
        assert ("ACTIVE" in before) == (how != "lapses")
