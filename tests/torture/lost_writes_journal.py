"""The journal at work on a disk that forgets: what it does, and what must be left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from agent.domain.messages import Change, Record
from agent.store.journal import FILE, Journal
from tests.fakes.sessions import ended, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_SESSIONS: Final = ("S1", "S2", "S3")


class Told(Enum):
    """What others rely on."""

    STARTED = "started"  # The charger is told to enable
    ENDED = "ended"  # The driver is shown that it is over
    SENT = "sent"  # A report is on its way
    DELIVERED = "delivered"  # It is not to be sent after a later one


@dataclass(frozen=True, slots=True)
class SessionFact:
    """Something was told of a session; `number` is that of a report."""

    told: Told
    session_id: str
    number: int = 0


def keep_journal(directory: Path, tell: Callable[[SessionFact], None]) -> None:
    """Record a few sessions, and have their reports delivered."""
    with closing(Journal(directory / FILE)) as journal:
        for session_id in _SESSIONS:
            session = session_of(session_id)
            journal.record([(Record(Change.START, session), f"{session_id}-start")])
            tell(SessionFact(Told.STARTED, session_id))
            _deliver(journal, tell)
            journal.record([(Record(Change.READING, session), "")])
            journal.record([(Record(Change.END, ended(session)), f"{session_id}-end")])
            tell(SessionFact(Told.ENDED, session_id))
            _deliver(journal, tell)


def _deliver(journal: Journal, tell: Callable[[SessionFact], None]) -> None:
    for report in journal.outbox.due("cpo", 10):
        tell(SessionFact(Told.SENT, report.session.id, report.id))
        journal.outbox.delivered(report)
        tell(SessionFact(Told.DELIVERED, report.session.id, report.id))


def check_journal(directory: Path, told: Sequence[SessionFact]) -> Iterator[str]:
    """Open it as the daemon does; name what was told and is not there."""
    with closing(Journal(directory / FILE)) as journal:
        if journal.set_aside is not None:
            yield "the journal was damaged"
        sessions = {session.id: session for session, _ in journal.sessions(100)}
        waiting = {
            (entry.session_id, entry.change): entry.id
            for entry in journal.outbox.entries()
        }
    sent = {fact.number for fact in told if fact.told is Told.SENT}
    numbers = set(waiting.values())
    for fact in told:
        session = sessions.get(fact.session_id)
        if session is None:
            yield f"{fact.session_id} was {fact.told.value} and is not there"
            continue
        match fact.told:
            case Told.STARTED if _is_missing(fact, Change.START, told, waiting):
                yield f"the start of {fact.session_id} will not be reported"
            case Told.ENDED if session.is_open:
                yield f"{fact.session_id} was ended and is open"
            case Told.ENDED if _is_missing(fact, Change.END, told, waiting):
                yield f"the end of {fact.session_id} will not be reported"
            case Told.DELIVERED if fact.number in numbers and _is_past(fact, told):
                yield f"report {fact.number} will be sent behind a later one"
    yield from _check_database(directory / FILE, highest=max(sent, default=0))


def _is_missing(
    fact: SessionFact,
    change: Change,
    told: Sequence[SessionFact],
    waiting: dict[tuple[str, str], int],
) -> bool:
    """Whether a report was neither sent after this nor waits."""
    later = told[told.index(fact) :]
    is_sent = any(
        other.told is Told.SENT and other.session_id == fact.session_id
        for other in later
    )
    return not is_sent and (fact.session_id, change.value) not in waiting


def _is_past(fact: SessionFact, told: Sequence[SessionFact]) -> bool:
    """Whether a later report of the same session was sent; the last may come again."""
    return any(
        other.told is Told.SENT
        and other.session_id == fact.session_id
        and other.number > fact.number
        for other in told
    )


def _check_database(path: Path, highest: int) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            yield f"{path.name}: {verdict}"
        row = connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'"
        ).fetchone()
    if highest > (row[0] if row else 0):
        yield f"the number {highest} of a report will be given to another one"
