"""Journals with a history, what is in them, and ways to damage them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from agent.domain.messages import Change, Record
from agent.store import database
from agent.store.journal import FILE, Journal, migrations
from agent.store.leaves import Leaves
from agent.store.pages import Pages
from agent.store.salvage import salvage
from tests.fakes.sessions import ended_record, instant, session_of, started_record

if TYPE_CHECKING:
    from pathlib import Path

    from agent.store.kept import Found

PAGE_BYTES = 4096


class Contents(NamedTuple):
    """The rows of a journal by their keys; the session's own row is data, reported."""

    sessions: dict[Any, tuple[Any, ...]]
    readings: dict[Any, tuple[Any, ...]]
    outbox: dict[Any, tuple[Any, ...]]


class Places(NamedTuple):
    """The page of each row of a journal, by its key."""

    sessions: dict[Any, int]
    readings: dict[Any, int]
    outbox: dict[Any, int]


def contents_of(path: Path) -> Contents:
    """Read a journal that is whole, and leave it as it is."""
    with closing(database.connect(path, read_only=True)) as connection:

        def rows(query: str) -> dict[Any, tuple[Any, ...]]:
            return {row[0]: row[1:] for row in connection.execute(query)}

        return Contents(
            rows("SELECT id, data, reported FROM sessions"),
            rows("SELECT id, session_id, at, wh FROM meter_readings"),
            rows(
                "SELECT id, session_id, sink, change, correlation_id, snapshot, "
                "refused, why FROM outbox"
            ),
        )


def live_through(
    journal: Journal, first: int, count: int, *, tells: bool = True
) -> None:
    """Record sessions: each is read once, every third has ended, some reports wait.

    Of those that ended, every second has been told of altogether; one report of the
    others was refused.
    """
    for number in range(first, first + count):
        session = session_of(f"S{number}", evse_uid=f"E{number % 7}")
        journal.record([started_record(session)])
        read = replace(session, meter_wh=1000 + number, energy_wh=number)
        journal.record([(Record(Change.READING, read), "")])
        if number % 3 == 0:
            journal.record([ended_record(read)])
        if number % 6 == 0 and tells:
            tell(journal, session.id)
    journal.times.learn_base(f"boot-{first}", instant().wall)
    waiting = journal.outbox.due("cpo", 1)
    if first == 0 and waiting:
        journal.outbox.refused(waiting[0], "no such location")


def tell(journal: Journal, session_id: str) -> None:
    """Deliver every report of a session."""
    others = {e.session_id for e in journal.outbox.entries()} - {session_id}
    while reports := journal.outbox.due("cpo", 1, others):
        journal.outbox.delivered(reports[0])


def make_journal(folder: Path, count: int, *, in_log: int = 0) -> Path:
    """Leave a journal with so many sessions, the last of them only in its log.

    What a power cut leaves: the log has not been taken into the database.
    """
    path = folder / FILE
    with closing(Journal(path)) as journal:
        # No test cuts the power: what is written need not be waited for.
        journal._connection.execute("PRAGMA synchronous = OFF")
        live_through(journal, 0, count)
    if in_log:
        with closing(Journal(path)) as journal:
            journal._connection.execute("PRAGMA synchronous = OFF")
            journal._connection.execute("PRAGMA wal_autocheckpoint = 0")
            # Telling takes the log into the database.
            live_through(journal, count, in_log, tells=False)
            parts = {
                part: part.read_bytes()
                for part in folder.iterdir()
                if not part.name.endswith("-shm")
            }
        for part, content in parts.items():
            part.write_bytes(content)
    return path


def pages_of_rows(path: Path) -> Places:
    """Say on which page lies the row of each session, meter reading and report."""
    places = Places({}, {}, {})
    with Pages(path) as pages:
        leaves = Leaves(pages)
        for number in range(1, pages.count + 1):
            for row in leaves.rows(number, (4, 6, 8)):
                match len(row.values):
                    case 4:
                        places.readings[row.rowid] = number
                    case 6:
                        places.sessions[row.values[0]] = number
                    case 8:
                        places.outbox[row.rowid] = number
    return places


def found_in(path: Path) -> Found:
    """Salvage a journal whatever its state, and say what was found."""
    salvage(path, migrations, "damaged")
    return found_by(path)


def found_by(path: Path) -> Found:
    """Open a journal, and say what has been salvaged from an earlier one."""
    with closing(Journal(path)) as journal:
        assert journal.salvage is not None
        assert journal.salvage.found is not None
        return journal.salvage.found


def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Write into a file, as a failing disk would."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
