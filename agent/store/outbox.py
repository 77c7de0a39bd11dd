"""The outbox: what has to be told upstream, in order, until it has been."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from agent.domain.messages import Change
from agent.domain.reports import Report
from agent.domain.sessions import Session
from agent.errors import StoreCorruptError
from agent.store import database
from agent.store.database import translate_errors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from agent.domain.messages import Record


_LOGGER = logging.getLogger(__name__)


class OutboxEntry(Struct, frozen=True, kw_only=True):
    """A report that is not delivered yet; `why` is what the last attempt met."""

    id: int
    session_id: str
    sink: str
    change: str
    correlation_id: str
    refused: bool
    why: str | None


class Outbox:
    """The reports of the journal's sessions; shares the journal's connection.

    `on_told` runs in the transaction that delivers a session's last report.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        on_told: Callable[[sqlite3.Connection, Session], None],
    ) -> None:
        self._path = path
        self._connection = connection
        self._on_told = on_told

    def enqueue(
        self, connection: sqlite3.Connection, record: Record, correlation_id: str
    ) -> None:
        """Add a snapshot inside the caller's transaction.

        It takes the place of an update that still waits: it says all that one would
        have said. Starts and ends are never dropped.
        """
        session = record.session
        connection.execute(
            "DELETE FROM outbox WHERE session_id = ? AND change = ? AND refused = 0",
            (session.id, Change.UPDATE.value),
        )
        connection.execute(
            "INSERT INTO outbox (session_id, sink, change, correlation_id, snapshot) "
            "VALUES (?, ?, ?, ?, ?)",
            (
                session.id,
                session.upstream,
                record.change.value,
                correlation_id,
                msgspec.json.encode(session),
            ),
        )

    def due(self, sink: str, limit: int, busy: Iterable[str] = ()) -> list[Report]:
        """Take a look at the oldest report of each session, oldest first.

        Sessions in `busy` are left out, and so are those whose oldest report was
        refused: the order within a session holds.
        """
        with translate_errors(self._path):
            rows = self._connection.execute(
                "SELECT id, correlation_id, snapshot FROM outbox AS this "
                "WHERE sink = ? AND refused = 0 AND NOT EXISTS (SELECT 1 FROM outbox "
                "AS earlier WHERE earlier.session_id = this.session_id "
                "AND earlier.id < this.id) "
                "AND session_id NOT IN (SELECT value FROM json_each(?)) "
                "ORDER BY id LIMIT ?",
                (sink, msgspec.json.encode(list(busy)).decode(), limit),
            ).fetchall()
        reports = []
        for number, correlation_id, data in rows:
            try:
                session = decode_session(data)
            except StoreCorruptError as err:
                _LOGGER.error("report %d cannot be sent: %s", number, err)  # noqa: TRY400 - no bug
                self._refuse(number, str(err))
            else:
                reports.append(
                    Report(id=number, correlation_id=correlation_id, session=session)
                )
        return reports

    def delivered(self, report: Report) -> None:
        """Forget a delivered report."""
        with self._write() as connection:
            connection.execute("DELETE FROM outbox WHERE id = ?", (report.id,))
            (waiting,) = connection.execute(
                "SELECT count(*) FROM outbox WHERE session_id = ?",
                (report.session.id,),
            ).fetchone()
            told = not waiting and not report.session.is_open
            if told:
                self._on_told(connection, report.session)
        if told:
            with translate_errors(self._path):
                # The log of changes remembers the card until it is cut off.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def refused(self, report: Report, why: str) -> None:
        """Keep a report that will never be taken, with the server's words."""
        self._refuse(report.id, why)

    def postponed(self, report: Report, why: str) -> None:
        """Note why a report waits; the disk is touched only when the reason changes."""
        with translate_errors(self._path):
            row = self._connection.execute(
                "SELECT why FROM outbox WHERE id = ?", (report.id,)
            ).fetchone()
        if row is not None and row[0] != why:
            with self._write() as connection:
                connection.execute(
                    "UPDATE outbox SET why = ? WHERE id = ?", (why, report.id)
                )

    def retry_refused(self, number: int | None = None) -> int:
        """Let one refused report, or all, be tried again; return how many."""
        with self._write() as connection:
            return connection.execute(
                "UPDATE outbox SET refused = 0 WHERE refused = 1 "
                "AND (? IS NULL OR id = ?)",
                (number, number),
            ).rowcount

    def entries(self) -> list[OutboxEntry]:
        """Everything that is not delivered yet, in order."""
        with translate_errors(self._path):
            rows = self._connection.execute(
                "SELECT id, session_id, sink, change, correlation_id, refused, why "
                "FROM outbox ORDER BY id"
            ).fetchall()
        return [
            OutboxEntry(
                id=number,
                session_id=session_id,
                sink=sink,
                change=change,
                correlation_id=correlation_id,
                refused=bool(refused),
                why=why,
            )
            for number, session_id, sink, change, correlation_id, refused, why in rows
        ]

    def sinks(self) -> list[str]:
        """Everybody who has still to be told something."""
        with translate_errors(self._path):
            rows = self._connection.execute("SELECT DISTINCT sink FROM outbox")
            return [sink for (sink,) in rows]

    def depth(self) -> tuple[int, int]:
        """How many reports wait, and how many were refused."""
        with translate_errors(self._path):
            waiting, refused = self._connection.execute(
                "SELECT coalesce(sum(refused = 0), 0), coalesce(sum(refused), 0) "
                "FROM outbox"
            ).fetchone()
        return waiting, refused

    def _refuse(self, number: int, why: str) -> None:
        with self._write() as connection:
            connection.execute(
                "UPDATE outbox SET refused = 1, why = ? WHERE id = ?", (why, number)
            )

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with translate_errors(self._path), database.transaction(self._connection):
            yield self._connection


def decode_session(data: bytes) -> Session:
    """Read a Session as the journal stores it."""
    try:
        return msgspec.json.decode(data, type=Session)
    except msgspec.DecodeError as err:
        # The data names a card; the error's own text names only the field.
        raise StoreCorruptError(
            f"a session in the journal is unreadable: {err}"
        ) from err
