"""What backends find when they call: their cards, and the sessions they may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from agent.books import SessionBook, TokenBook
from agent.domain.reports import Scope, Subscriber
from agent.domain.tariffs import Tariff
from agent.domain.tokens import TokenType
from tests.fakes.cards import uid_of
from tests.fakes.lists import open_list, token
from tests.fakes.sessions import ended, session_of
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path

    from agent.domain.sessions import Session
    from agent.ocpi.server import ports

TARIFF = Tariff(per_kwh=Decimal(250))
LATER = timedelta(minutes=5)


@dataclass
class Journal:
    """Has these sessions."""

    kept: list[Session]

    async def with_cards(self) -> list[Session]:
        """Every session whose card is still known."""
        return list(self.kept)


@dataclass
class Calendar:
    """Moves every session, and waits with some."""

    by: timedelta = timedelta()
    waits_for: set[str] = field(default_factory=set)

    def correct(self, session: Session) -> Session:
        """Date a session."""
        started = session.started_at
        moved = replace(started, wall=started.wall + self.by, synchronized=False)
        return replace(session, started_at=moved)

    def hold_back(self, session: Session) -> timedelta:
        """Wait, or not."""
        return LATER if session.id in self.waits_for else timedelta()


def book_of(
    *sessions: Session,
    calendar: Calendar | None = None,
    cpo: Scope = Scope.OWN,
    cdrs: bool = True,
) -> SessionBook:
    """Open the book of two backends."""
    subscribers = [
        Subscriber(name="cpo", sessions=cpo, cdrs=cdrs),
        Subscriber(name="hub"),
    ]
    calendars = {"cpo": calendar or Calendar(), "hub": Calendar()}
    return SessionBook(Journal(list(sessions)), subscribers, calendars)


def ids(sessions: list[Session]) -> list[str]:
    """Name them."""
    return [session.id for session in sessions]


OPEN = session_of("S1")
DONE = ended(session_of("S2", tariff=TARIFF))
FREE = ended(session_of("S3"))
THEIRS = ended(session_of("S4", upstream="hub", tariff=TARIFF))
ALL = (OPEN, DONE, FREE, THEIRS)


@pytest.mark.parametrize(
    ("scope", "listed", "billed"),
    [
        (Scope.OWN, ["S1", "S2", "S3"], ["S2"]),
        (Scope.ALL, ["S1", "S2", "S3", "S4"], ["S2", "S4"]),
        (Scope.NONE, [], []),
    ],
)
def test_whose_sessions(scope: Scope, listed: list[str], billed: list[str]) -> None:
    """A backend fetches what it would be told, and no more."""
    book = book_of(*ALL, cpo=scope)
    assert ids(run_virtual(book.sessions("cpo"))) == listed
    assert ids(run_virtual(book.cdrs("cpo"))) == billed


def test_another_backend_sees_its_own() -> None:
    """The cards of one are none of the other's business."""
    book = book_of(*ALL)
    assert ids(run_virtual(book.sessions("hub"))) == ["S4"]
    assert ids(run_virtual(book.cdrs("hub"))) == []


def test_no_cdrs_for_those_who_want_none() -> None:
    """They are neither sent nor shown."""
    book = book_of(*ALL, cdrs=False)
    assert ids(run_virtual(book.cdrs("cpo"))) == []


def test_dates_are_corrected() -> None:
    """A backend that fetches sees the dates that it is told."""
    (shown,) = run_virtual(book_of(DONE, calendar=Calendar(LATER)).sessions("cpo"))
    assert shown.started_at.wall == DONE.started_at.wall + LATER
    assert shown.ended_at == DONE.ended_at


def test_sessions_without_a_date_wait() -> None:
    """What is not told yet, because the time is not known, is not shown either."""
    book = book_of(*ALL, calendar=Calendar(waits_for={"S2"}))
    assert ids(run_virtual(book.sessions("cpo"))) == ["S1", "S3"]
    assert ids(run_virtual(book.cdrs("cpo"))) == []


def test_a_cdr_is_final() -> None:
    """Its dates are those that it will keep."""
    (cdr,) = run_virtual(book_of(DONE, calendar=Calendar(LATER)).cdrs("cpo"))
    assert cdr.started_at.synchronized
    assert cdr.started_at.wall == DONE.started_at.wall + LATER


# ---- tokens ------------------------------------------------------------------


def test_tokens(tmp_path: Path) -> None:
    """What a backend says of a card is in force at once, and it reads it back."""
    whitelist = open_list(tmp_path)
    try:
        book: ports.TokenBook = TokenBook(whitelist)
        listed = token("A")
        uid = uid_of("A").value
        assert book.find("cpo", "SE", "EMS", uid, TokenType.RFID) is None
        book.learn(listed)
        found = book.find("cpo", "se", "ems", uid.lower(), TokenType.RFID)
        assert found is not None
        assert (found.uid, found.contract_id) == (listed.uid, listed.contract_id)
        assert whitelist.find(uid_of("A"))
        book.learn(replace(listed, valid=False))
        found = book.find("cpo", "SE", "EMS", uid, TokenType.RFID)
        assert found is not None
        assert not found.valid
        for other in (
            ("hub", "SE", "EMS", uid, TokenType.RFID),
            ("cpo", "NL", "EMS", uid, TokenType.RFID),
            ("cpo", "SE", "EMX", uid, TokenType.RFID),
            ("cpo", "SE", "EMS", uid, TokenType.OTHER),
        ):
            assert book.find(*other) is None
    finally:
        whitelist.close()
