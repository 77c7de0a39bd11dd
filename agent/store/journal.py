"""The journal: sessions, their meter readings, and the reports of both.

A session's change and its report are one transaction, durable when the call returns.
A card number lives here only until the last report of its session is delivered.
"""

from __future__ import annotations

import contextlib
import logging
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace
from sqlite_utils.migrations import Migrations

from agent.domain.instant import ocpi_datetime
from agent.domain.messages import Change
from agent.domain.timeline import correct
from agent.errors import StoreCorruptError
from agent.store import database, times
from agent.store.database import translate_errors
from agent.store.outbox import Outbox, cut_log, decode_session
from agent.store.salvage import repair
from agent.store.times import Times

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlite_utils import Database

    from agent.domain.messages import Record
    from agent.domain.reports import Subscriber
    from agent.domain.sessions import Session

_LOGGER = logging.getLogger(__name__)

FILE = "journal.db"
migrations = Migrations("journal")


@migrations(name="0001_sessions")
def create_tables(database: Database) -> None:
    """Lay out sessions, readings and outbox.

    `data` and `snapshot` are a Session as JSON; the columns beside them are what is
    searched for. The outbox is delivered in the order of its ids.
    """
    database.table("sessions").create(
        {
            "id": str,
            "evse_uid": str,
            "is_open": int,
            "started_at": str,
            "data": bytes,
            "reported": int,
        },
        pk="id",
        not_null={"evse_uid", "is_open", "started_at", "data", "reported"},
    ).create_index(["is_open"])
    database.table("meter_readings").create(
        {"id": int, "session_id": str, "at": str, "wh": int},
        pk="id",
        not_null={"session_id", "at", "wh"},
    ).create_index(["session_id"])
    # AUTOINCREMENT: the number of a report that is on its way must never be given to
    # another one.
    database.execute(
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, "
        "session_id TEXT NOT NULL, sink TEXT NOT NULL, change TEXT NOT NULL, "
        "correlation_id TEXT NOT NULL, snapshot BLOB NOT NULL, "
        "refused INTEGER NOT NULL DEFAULT 0, why TEXT)"
    )
    database.table("outbox").create_index(["session_id"]).create_index(["sink", "id"])


migrations(name="0002_times")(times.create_tables)


@migrations(name="0003_told_sessions")
def index_told_sessions(database: Database) -> None:
    """Find the sessions that may be forgotten without reading the others."""
    database.execute(
        "CREATE INDEX idx_sessions_told ON sessions (started_at) WHERE reported = 1"
    )


#: How long a session stays after its end was told, if nobody says otherwise.
KEEP_SESSIONS: Final = timedelta(days=90)


class Journal:
    """The precious database; every method may block on the disk.

    Used from one thread at a time. `read_only` is for looking at it beside the
    running daemon; `subscribers` are who is told, `keep` is how long told sessions
    stay, and `keep_cards` how long their card numbers. A damaged one is salvaged:
    `salvage` says what came of it, at every start until a person has moved the damaged
    file away, which `set_aside` names.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        subscribers: Sequence[Subscriber] = (),
        keep: timedelta = KEEP_SESSIONS,
        keep_cards: timedelta = timedelta(),
    ) -> None:
        self.path = path
        self._keep = keep
        self._keep_cards = keep_cards
        self._subscribers = subscribers
        self.salvage = None if read_only else repair(path, migrations, subscribers)
        self.set_aside = path.with_name(self.salvage.file) if self.salvage else None
        self._open(read_only=read_only)

    def record(self, records: Iterable[tuple[Record, str]]) -> None:
        """Make changes and their reports durable, all of them or none.

        The text beside each record is the correlation id its report will keep. Of a
        session that ends and nobody is told of, the card is forgotten at once.
        """
        forgotten = False
        with self._write() as connection:
            for record, correlation_id in records:
                session = record.session
                self._save(connection, session)
                if record.change is not Change.STOP:
                    self._save_reading(connection, session)
                told = self.outbox.enqueue(connection, record, correlation_id)
                if not (told or session.is_open):
                    self._on_told(connection, session)
                    _forget_card(connection, session)
                    forgotten = True
        if forgotten:
            cut_log(self.path, self._connection)

    def open_sessions(self) -> list[Session]:
        """Every session that has not ended, oldest first.

        One that cannot be read is left where it is, and the log says so.
        """
        with translate_errors(self.path):
            rows = self._connection.execute(
                "SELECT id, data FROM sessions WHERE is_open = 1 "
                "ORDER BY started_at, id"
            ).fetchall()
        return _readable(rows)

    def sessions(self, limit: int) -> list[tuple[Session, bool]]:
        """The newest sessions first, each with whether its end has been delivered."""
        with translate_errors(self.path):
            rows = self._connection.execute(
                "SELECT data, reported FROM sessions ORDER BY started_at DESC, id "
                "LIMIT ?",
                (limit,),
            ).fetchall()
            return [(decode_session(data), bool(reported)) for data, reported in rows]

    def with_cards(self) -> list[Session]:
        """Every session whose card is still known, oldest first.

        These are the ones that a backend may fetch again. One that cannot be read is
        left out.
        """
        with translate_errors(self.path):
            rows = self._connection.execute(
                "SELECT id, data FROM sessions ORDER BY started_at, id"
            ).fetchall()
        return [session for session in _readable(rows) if session.card]

    def forget_cards(self, now: datetime) -> int:
        """Forget the cards of told sessions that ended long enough ago; count them."""
        with translate_errors(self.path):
            rows = self._connection.execute(
                "SELECT id, data FROM sessions WHERE reported = 1"
            ).fetchall()
        oldest, bases = now - self._keep_cards, self.times.bases()
        old = [
            session
            for session in _readable(rows)
            if session.card and correct(session, bases).updated_at.wall <= oldest
        ]
        if old:
            with self._write() as connection:
                for session in old:
                    _forget_card(connection, session)
            cut_log(self.path, self._connection)
        return len(old)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # ---- inside -------------------------------------------------------------------

    def _open(self, *, read_only: bool) -> None:
        with translate_errors(self.path):
            connection = database.connect(self.path, read_only=read_only)
            try:
                if not read_only:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.execute("PRAGMA synchronous = FULL")
                    # What is deleted is a card number, and is to be gone.
                    connection.execute("PRAGMA secure_delete = ON")
                    database.migrate(connection, migrations, self.path)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self.times = Times(self.path, connection)
            self.outbox = Outbox(
                self.path, connection, self._subscribers, self._on_told
            )

    def _save(self, connection: sqlite3.Connection, session: Session) -> None:
        connection.execute(
            "INSERT INTO sessions (id, evse_uid, is_open, started_at, data, reported) "
            "VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET "
            "is_open = excluded.is_open, data = excluded.data",
            (
                session.id,
                session.evse_uid,
                session.is_open,
                ocpi_datetime(session.started_at.wall),
                msgspec.json.encode(session),
            ),
        )

    def _save_reading(self, connection: sqlite3.Connection, session: Session) -> None:
        if session.meter_wh is not None:
            connection.execute(
                "INSERT INTO meter_readings (session_id, at, wh) VALUES (?, ?, ?)",
                (session.id, ocpi_datetime(session.updated_at.wall), session.meter_wh),
            )

    def _on_told(self, connection: sqlite3.Connection, session: Session) -> None:
        """Mark the session as told, and forget what nobody needs any more."""
        connection.execute(
            "UPDATE sessions SET reported = 1 WHERE id = ?", (session.id,)
        )
        if not self._keep_cards:
            _forget_card(connection, session)
        self._forget_old(connection, session)

    def _forget_old(self, connection: sqlite3.Connection, session: Session) -> None:
        """Keep the journal small: a told session needs no readings, and not for ever.

        What the rows said of the time is kept.
        """
        self.times.advance(connection, session.updated_at.wall)
        connection.execute(
            "DELETE FROM meter_readings WHERE session_id = ?", (session.id,)
        )
        oldest = session.started_at.wall - self._keep
        connection.execute(
            "DELETE FROM sessions WHERE reported = 1 AND started_at < ?",
            (ocpi_datetime(oldest),),
        )

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with translate_errors(self.path), database.transaction(self._connection):
            yield self._connection


def _readable(rows: Iterable[tuple[str, bytes]]) -> list[Session]:
    """Decode sessions; one that cannot be read is left out, and the log says so."""
    found = []
    for session_id, data in rows:
        try:
            found.append(decode_session(data))
        except StoreCorruptError:
            _LOGGER.exception("session %s cannot go on", session_id)
    return found


def _forget_card(connection: sqlite3.Connection, session: Session) -> None:
    """Write a session down without its card, as its own row has it if that is whole."""
    row = connection.execute(
        "SELECT data FROM sessions WHERE id = ?", (session.id,)
    ).fetchone()
    with contextlib.suppress(StoreCorruptError):
        session = decode_session(row[0]) if row is not None else session
    anonymous = replace(
        session, card="", token=replace(session.token, uid="", contract_id="")
    )
    connection.execute(
        "UPDATE sessions SET data = ? WHERE id = ?",
        (msgspec.json.encode(anonymous), session.id),
    )
