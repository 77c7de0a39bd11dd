"""What must be true of a station that was killed, and of one that has been audited.

The books are the journal; the world is the charger's log; what was told is what the
backend has recorded. Whatever has happened, the three agree.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, contextmanager
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

from agent.store.journal import FILE as JOURNAL
from agent.store.journal import Journal
from agent.store.whitelist import LINK as WHITELIST
from tests.torture.bench import fast_directory
from tests.torture.station import uid_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from agent.domain.sessions import Session
    from tests.torture.backend import Put
    from tests.torture.chargers import Flow
    from tests.torture.station import Station

_BUGS: Final = ("Traceback", "CRITICAL", "damaged", "should not")


@contextmanager
def copied_journal(state: Path) -> Iterator[Journal]:
    """Open a copy of the journal, so that its recovery is left to the daemon."""
    with fast_directory() as directory:
        for suffix in ("", "-wal"):
            original = state / f"{JOURNAL}{suffix}"
            if original.exists():
                shutil.copy(original, directory)
        check_integrity(directory / JOURNAL)
        with closing(Journal(directory / JOURNAL)) as journal:
            assert journal.set_aside is None, "the journal is damaged"
            yield journal


def check_dead(station: Station) -> dict[str, int]:
    """Energy flows only where a durable session is open, and the journal is whole.

    Return the energy in Wh that is durable for each open session.
    """
    with copied_journal(station.state) as journal:
        sessions = journal.open_sessions()
    occupied = [session.evse_uid for session in sessions]
    assert len(occupied) == len(set(occupied)), "two sessions at one EVSE"
    for evse, charger in station.chargers.items():
        assert not charger.is_on() or uid_of(evse) in occupied, "energy for nobody"
    return {session.id: session.energy_wh for session in sessions}


def check_told(station: Station, durable: Mapping[str, int] | None = None) -> None:
    """Everything was told, exactly; the last daemon has ended in order.

    `durable` is what was on disk of each session at its last kill, where readings may
    have been lost with it; None says that the energy of every session is known.
    """
    assert not [text for text in _BUGS if text in station.log()], station.log()
    check_integrity((station.state / WHITELIST).resolve())
    with copied_journal(station.state) as journal:
        assert journal.outbox.entries() == [], "not everything was told"
        assert journal.open_sessions() == [], "a session is open"
        rows = journal.sessions(limit=1_000_000)
    assert all(told for _, told in rows)
    assert not any(session.card for session, _ in rows), "a card is remembered"
    sessions = [session for session, _ in rows]
    check_reports(sessions, station.backend.sessions())
    for evse, charger in station.chargers.items():
        assert not charger.is_on(), "energy flows after the end"
        here = [session for session in sessions if session.evse_uid == uid_of(evse)]
        check_energy(here, charger.flows(), durable)


def check_integrity(path: Path) -> None:
    """Read every page and every index of a database."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def check_reports(
    sessions: Iterable[Session], told: Mapping[str, Sequence[Put]]
) -> None:
    """Each session was told under its one id: ACTIVE, and then its end.

    A report may come again, as when an answer was lost, but then it is word for word
    the one that came last. Energy and time never go backwards.
    """
    books = {session.id: session for session in sessions}
    assert books.keys() == told.keys(), "the backend knows other sessions"
    for session_id, puts in told.items():
        reports = [report for report, _ in groupby(puts)]
        _check_order(reports)
        assert reports[-1].status == books[session_id].status
        assert reports[-1].energy_wh == books[session_id].energy_wh


def _check_order(reports: Sequence[Put]) -> None:
    """What was told of one session, repetitions left out, is a story with an end."""
    names = [report.correlation_id for report in reports]
    assert len(names) == len(set(names)), "one report told in two ways"
    *before, end = reports
    assert before, "it ended without ever having begun"
    assert {report.status for report in before} == {"ACTIVE"}
    assert end.status in ("COMPLETED", "INVALID")
    for earlier, later in pairwise(reports):
        assert earlier.energy_wh <= later.energy_wh, "energy went backwards"
        assert earlier.body["last_updated"] <= later.body["last_updated"]
        for key in ("start_date_time", "evse_uid", "cdr_token"):
            assert earlier.body[key] == later.body[key], f"another {key}"
    assert end.body["start_date_time"] <= end.body["end_date_time"]


def check_energy(
    sessions: Sequence[Session],
    flows: Iterable[Flow],
    durable: Mapping[str, int] | None = None,
) -> None:
    """Compare what one EVSE's sessions say with what its register says.

    Energy flows only after the start of the session that is charged for it, and stops
    before the next one. A session's energy is exactly what the register moved while
    the charger was on for it. Only an end that is estimated, in a station where
    readings may be lost, may hide what flowed after the last durable reading.
    """
    moved_wh = dict.fromkeys((session.id for session in sessions), 0)
    for flow in flows:
        owners = [one for one in sessions if one.started_at.wall <= flow.on_at]
        assert owners, "energy before any session"
        owner = max(owners, key=lambda one: one.started_at.wall)
        assert flow.off_wh is not None, "energy was never switched off"
        moved_wh[owner.id] += flow.off_wh - flow.on_wh
    for session in sessions:
        least_wh = moved_wh[session.id]
        if session.end_estimated and durable is not None:
            least_wh = durable.get(session.id, 0)
        assert least_wh <= session.energy_wh <= moved_wh[session.id], (
            f"{session} has {session.energy_wh} Wh, {least_wh} to "
            f"{moved_wh[session.id]} expected"
        )
