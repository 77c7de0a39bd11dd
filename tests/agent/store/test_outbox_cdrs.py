"""CDRs in the outbox: sealed once for everybody, and where each of them is kept."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from agent.domain.reports import Document, Scope, Subscriber
from agent.domain.tariffs import Tariff
from agent.domain.timeline import correct, settle
from agent.store.database import transaction
from agent.store.journal import FILE, Journal
from tests.fakes.sessions import NOON, ended, ended_record, session_of, started_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.domain.instant import Instant
    from agent.domain.reports import Report
    from agent.domain.sessions import Session

SUBSCRIBERS = (
    Subscriber(name="cpo", cdrs=True),
    Subscriber(name="hub", sessions=Scope.ALL, cdrs=True),
)
WEEK = timedelta(days=7)
URL = "https://cpo.example/cdrs/1"


def undated(moment: Instant) -> Instant:
    """Take the trust from a moment."""
    return replace(moment, synchronized=False)


_START = undated(session_of("S0").started_at)
SESSION = session_of(
    "S1", started_at=_START, updated_at=_START, meter_at=_START, tariff=Tariff()
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / FILE


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Open a journal with a session of which everybody waits for the CDR."""
    with closing(Journal(path, subscribers=SUBSCRIBERS, keep_cards=WEEK)) as opened:
        opened.record([started_record(SESSION), ended_record(SESSION)])
        yield opened


def cdr_for(journal: Journal, sink: str, but: str = "") -> Report:
    """Deliver all that comes before a sink's CDR, and take that."""
    while True:
        [report] = journal.outbox.due(sink, 1, [but])
        if report.document is Document.CDR:
            return report
        journal.outbox.delivered(report)


def dated(session: Session, hours: float) -> Session:
    """Date a session as if its boot had begun so long after noon, for good."""
    return settle(correct(session, {"boot-1": NOON + timedelta(hours=hours)}))


def row(journal: Journal) -> Session:
    """Read the session's own row."""
    [(session, _)] = journal.sessions(1)
    return session


def test_a_cdr_comes_back_as_it_was_sealed(path: Path, journal: Journal) -> None:
    """Also after a power cut between the seal and the first attempt."""
    report = cdr_for(journal, "cpo")
    sealed = dated(report.session, 5)
    assert journal.outbox.seal(report, sealed) == sealed
    with closing(Journal(path, subscribers=SUBSCRIBERS)) as again:
        assert cdr_for(again, "cpo") == replace(report, session=sealed)
        assert row(again) == sealed


def test_it_is_sealed_for_every_sink(journal: Journal) -> None:
    """Two backends are not sent CDRs of one session with different dates."""
    report = cdr_for(journal, "cpo")
    journal.outbox.seal(report, dated(report.session, 5))
    assert cdr_for(journal, "hub").session == dated(report.session, 5)


def test_the_first_seal_stands(journal: Journal) -> None:
    """Who was about to seal it otherwise is given what the first has sealed."""
    first, second = cdr_for(journal, "cpo"), cdr_for(journal, "hub")
    sealed = journal.outbox.seal(first, dated(first.session, 5))
    assert journal.outbox.seal(second, dated(second.session, 9)) == sealed
    assert cdr_for(journal, "hub").session == sealed
    assert row(journal) == sealed


def test_an_end_that_still_waits_has_the_same_dates_as_the_cdr(
    journal: Journal,
) -> None:
    """The session and its CDR agree, whoever is told last."""
    report = cdr_for(journal, "cpo")
    sealed = journal.outbox.seal(report, dated(report.session, 5))
    [start] = journal.outbox.due("hub", 1)
    assert start.session == SESSION
    journal.outbox.delivered(start)
    [end] = journal.outbox.due("hub", 1)
    assert (end.document, end.session) == (Document.SESSION, sealed)


def test_sealing_leaves_other_sessions_alone(journal: Journal) -> None:
    """Their rows and reports are as they were."""
    other = replace(SESSION, id="S2")
    journal.record([started_record(other), ended_record(other)])
    report = cdr_for(journal, "cpo", but="S2")
    waiting = journal.outbox.due("cpo", 9, ["S1"])

    journal.outbox.seal(report, dated(report.session, 5))

    assert journal.outbox.due("cpo", 9, ["S1"]) == waiting
    [row_of_other] = [one for one, _ in journal.sessions(9) if one.id == "S2"]
    assert row_of_other == ended(other)


# ---- where it is kept ----------------------------------------------------------------


def test_the_url_of_a_cdr_is_kept(journal: Journal) -> None:
    """Each backend's own, beside the session."""
    journal.outbox.delivered(cdr_for(journal, "cpo"), URL)
    journal.outbox.delivered(cdr_for(journal, "hub"), f"{URL}9")
    assert row(journal).cdr_urls == {"cpo": URL, "hub": f"{URL}9"}


def test_the_url_of_a_session_is_not_kept(journal: Journal) -> None:
    """Only a CDR is fetched from where its receiver has put it."""
    [report] = journal.outbox.due("cpo", 1)
    journal.outbox.delivered(report, URL)
    assert row(journal).cdr_urls == {}


def test_a_backend_that_tells_no_url_is_no_mistake(journal: Journal) -> None:
    """The header may be missing."""
    journal.outbox.delivered(cdr_for(journal, "cpo"))
    assert row(journal).cdr_urls == {}


def test_a_seal_forgets_no_url(journal: Journal) -> None:
    """What one backend has said does not vanish when the other's CDR is sealed."""
    mine = cdr_for(journal, "cpo")
    theirs = cdr_for(journal, "hub")
    journal.outbox.delivered(mine, URL)
    journal.outbox.seal(theirs, dated(theirs.session, 5))
    assert row(journal).cdr_urls == {"cpo": URL}


def test_the_url_stays_when_the_card_is_forgotten(path: Path) -> None:
    """It says nothing of a person."""
    with closing(Journal(path, subscribers=SUBSCRIBERS[:1])) as journal:
        journal.record([ended_record(SESSION)])
        journal.outbox.delivered(cdr_for(journal, "cpo"), URL)
        assert row(journal).card == ""
        assert row(journal).cdr_urls == {"cpo": URL}


# ---- damage --------------------------------------------------------------------------


def spoil_row(journal: Journal) -> None:
    """Damage the session's own row."""
    with transaction(journal._connection):
        journal._connection.execute("UPDATE sessions SET data = x'7b'")


@pytest.mark.parametrize("url", [URL, None])
def test_a_damaged_row_is_mended_by_the_last_report(
    path: Path, url: str | None
) -> None:
    """It would be told again for ever, if telling could not be noted."""
    with closing(Journal(path, subscribers=SUBSCRIBERS[:1])) as journal:
        journal.record([ended_record(SESSION)])
        spoil_row(journal)
        journal.outbox.delivered(cdr_for(journal, "cpo"), url)
        assert journal.outbox.entries() == []
        [(session, told)] = journal.sessions(1)
        assert told
        assert session.id == "S1"
        assert (session.card, session.token.uid) == ("", "")


def test_a_damaged_row_does_not_keep_a_cdr_from_being_sealed(journal: Journal) -> None:
    """The report says all that is needed."""
    report = cdr_for(journal, "cpo")
    spoil_row(journal)
    sealed = dated(report.session, 5)
    assert journal.outbox.seal(report, sealed) == sealed
    assert row(journal) == sealed
