"""Who is told what when a session changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.domain.messages import Change, Record
from agent.domain.outcomes import StopReason
from agent.domain.reports import (
    Document,
    Report,
    Scope,
    Subscriber,
    recipients,
)
from agent.domain.sessions import Session, SessionStatus, end, lapse, request_stop
from agent.domain.tariffs import Tariff
from tests.fakes.cards import token_of
from tests.fakes.sessions import ended, instant, session_of

FREE = Tariff()
START, END = Change.START, Change.END
SESSION, CDR = Document.SESSION, Document.CDR
RUNNING = session_of(tariff=FREE)
COMPLETED = ended(RUNNING)
INVALID = end(request_stop(RUNNING, StopReason.CHARGER_FAILED, instant(1)), instant(2))
LAPSED = lapse(replace(RUNNING, status=SessionStatus.PENDING), instant(60))


def subscriber(
    name: str = "cpo", scope: Scope = Scope.OWN, *, cdrs: bool
) -> Subscriber:
    """Subscribe somebody."""
    return Subscriber(name=name, sessions=scope, cdrs=cdrs)


# ---- which changes -------------------------------------------------------------------


@pytest.mark.parametrize("change", Change)
def test_readings_and_decisions_are_told_to_nobody(change: Change) -> None:
    """What is told is an announcement, a start, an update and an end."""
    told = recipients([Subscriber(name="cpo")], change, RUNNING)
    silent = change in (Change.READING, Change.STOP)
    assert told == ([] if silent else [("cpo", SESSION)])


# ---- whose sessions ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "owner", "told"),
    [
        (Scope.OWN, "cpo", True),
        (Scope.OWN, "hub", False),
        (Scope.ALL, "cpo", True),
        (Scope.ALL, "hub", True),
        (Scope.NONE, "cpo", False),
        (Scope.NONE, "hub", False),
    ],
)
def test_a_subscriber_is_told_of_what_concerns_him(
    scope: Scope,
    owner: str,
    told: bool,  # noqa: FBT001 - a table
) -> None:
    """His own cards', all, or none."""
    one = subscriber(scope=scope, cdrs=False)
    assert one.concerns(session_of(upstream=owner)) is told


def test_every_scope_is_in_the_table() -> None:
    """A new one fails here until it has its rows."""
    assert set(Scope) == {Scope.OWN, Scope.ALL, Scope.NONE}


def test_the_owner_is_told_although_he_is_no_longer_configured() -> None:
    """What was begun under him waits for his return."""
    assert recipients([], START, RUNNING) == [("cpo", SESSION)]
    others = [subscriber("hub", cdrs=True)]
    assert recipients(others, END, COMPLETED) == [("cpo", SESSION)]


def test_the_owner_who_wants_nothing_is_told_nothing() -> None:
    """Being configured that way is another thing than being absent."""
    silent = [subscriber(scope=Scope.NONE, cdrs=True)]
    for change, session in ((START, RUNNING), (END, COMPLETED), (END, LAPSED)):
        assert recipients(silent, change, session) == []


def test_several_are_told_in_the_order_they_are_listed() -> None:
    """Nobody twice, and every Session before any CDR."""
    listed = [
        subscriber("hub", Scope.ALL, cdrs=True),
        subscriber("cpo", cdrs=True),
        subscriber("other", cdrs=True),
        subscriber("audit", Scope.ALL, cdrs=False),
    ]
    assert recipients(listed, END, COMPLETED) == [
        ("hub", SESSION),
        ("cpo", SESSION),
        ("audit", SESSION),
        ("hub", CDR),
        ("cpo", CDR),
    ]


# ---- CDRs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "cdrs", "sent"),
    [
        (COMPLETED, True, True),
        (COMPLETED, False, False),
        (INVALID, True, False),
        (LAPSED, True, False),
        (replace(COMPLETED, tariff=None), True, False),
        (replace(COMPLETED, energy_wh=0), True, True),
    ],
    ids=["completed", "unwanted", "invalid", "lapsed", "no price", "no energy"],
)
def test_a_cdr_is_of_a_completed_session_with_a_price(
    session: Session,
    cdrs: bool,  # noqa: FBT001 - a table
    sent: bool,  # noqa: FBT001 - a table
) -> None:
    """It follows the end; without a price there is never one."""
    told = recipients([subscriber(cdrs=cdrs)], END, session)
    assert told == [("cpo", SESSION)] + [("cpo", CDR)] * sent


@pytest.mark.parametrize("change", [Change.PENDING, Change.START, Change.UPDATE])
def test_a_session_that_goes_on_has_no_cdr(change: Change) -> None:
    """It is sealed, so it comes last."""
    assert recipients([subscriber(cdrs=True)], change, RUNNING) == [("cpo", SESSION)]


SUBSCRIBERS = st.lists(
    st.builds(
        Subscriber,
        name=st.sampled_from(["cpo", "hub", "audit"]),
        sessions=st.sampled_from(Scope),
        cdrs=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda one: one.name,
)
SESSIONS = st.sampled_from([RUNNING, COMPLETED, INVALID, LAPSED, session_of()])


@given(SUBSCRIBERS, st.sampled_from(Change), SESSIONS)
def test_nobody_is_sent_a_cdr_without_the_session_before_it(
    listed: list[Subscriber], change: Change, session: Session
) -> None:
    """Nobody is told a thing twice either."""
    told = recipients(listed, change, session)
    assert len(set(told)) == len(told)
    for sink, document in told:
        if document is CDR:
            assert change is END
            assert session.status is SessionStatus.COMPLETED
            assert session.cost is not None
            assert told.index((sink, SESSION)) < told.index((sink, CDR))


# ---- secrets -------------------------------------------------------------------------


def test_no_card_is_printed_with_a_report() -> None:
    """Reports and records end up in logs."""
    report = Report(id=1, sink="cpo", correlation_id="c", session=COMPLETED)
    printed = repr([report, Record(END, COMPLETED), replace(report, document=CDR)])
    assert COMPLETED.card not in printed
    assert COMPLETED.token.uid not in printed
    assert token_of("A").contract_id not in printed
    assert "S1" in printed
