"""The outbox: what has to be told upstream, in order, until it has been."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_OID, uuid5

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agent.domain.messages import Change
from agent.domain.reports import Document, Report, recipients
from agent.domain.sessions import Session
from agent.errors import STORE_ERRORS, StoreCorruptError
from agent.store import database
from agent.store.database import translate_errors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from agent.domain.messages import Record
    from agent.domain.reports import Subscriber


_LOGGER = logging.getLogger(__name__)

#: In the column `change`: a CDR, or why the session was recorded.
INSERT: Final = (
    "INSERT INTO outbox (session_id, sink, change, correlation_id, snapshot) "
    "VALUES (?, ?, ?, ?, ?)"
)
#: What says of a session that it has ended, in the column `change`.
FINAL: Final = (Change.END.value, Document.CDR.value)


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
    """The reports of the journal's sessions to every subscriber who is concerned.

    Shares the journal's connection. The order holds within a session and sink.
    `on_told` runs in the transaction that delivers a session's last report.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        subscribers: Sequence[Subscriber],
        on_told: Callable[[sqlite3.Connection, Session], None],
    ) -> None:
        self._path = path
        self._subscribers = subscribers
        self._connection = connection
        self._on_told = on_told
        #: A card was forgotten, and the log of changes still remembers it.
        self._log_remembers = False
        #: Sessions that a power cut could have told again from an earlier report on.
        self._undurable: set[str] = set()

    def enqueue(
        self, connection: sqlite3.Connection, record: Record, correlation_id: str
    ) -> bool:
        """Add a snapshot inside the caller's transaction; say if anybody is told.

        It takes the place of an update that still waits: it says all that one would
        have said. Starts and ends are never dropped.
        """
        session = record.session
        data = msgspec.json.encode(session)
        told = recipients(self._subscribers, record.change, session)
        for sink, document in told:
            connection.execute(
                "DELETE FROM outbox WHERE session_id = ? AND sink = ? AND change = ? "
                "AND refused = 0",
                (session.id, sink, Change.UPDATE.value),
            )
            row = name_report(record.change, document, correlation_id)
            connection.execute(INSERT, (session.id, sink, *row, data))
        return bool(told)

    def due(self, sink: str, limit: int, busy: Iterable[str] = ()) -> list[Report]:
        """Take a look at the oldest report of each session, oldest first.

        Sessions in `busy` are left out, and so are those whose oldest report was
        refused: the order within a session holds. When nothing is due, what was
        forgotten meanwhile is cut out of the log as well.
        """
        with translate_errors(self._path):
            rows = self._connection.execute(
                "SELECT id, session_id, correlation_id, change, snapshot "
                "FROM outbox AS this "
                "WHERE sink = ? AND refused = 0 AND NOT EXISTS (SELECT 1 FROM outbox "
                "AS earlier WHERE earlier.session_id = this.session_id "
                "AND earlier.sink = this.sink AND earlier.id < this.id) "
                "AND session_id NOT IN (SELECT value FROM json_each(?)) "
                "ORDER BY id LIMIT ?",
                (sink, msgspec.json.encode(list(busy)).decode(), limit),
            ).fetchall()
        if self._log_remembers and not rows:
            self._log_remembers = False
            cut_log(self._path, self._connection)
        if not self._undurable.isdisjoint(row[1] for row in rows):
            # What was told must not come back behind what is told now.
            self._undurable.clear()
            database.sync_log(self._path)
        reports = []
        for number, _, correlation_id, change, data in rows:
            try:
                session = decode_session(data)
            except StoreCorruptError as err:
                _LOGGER.error("report %d cannot be sent: %s", number, err)  # noqa: TRY400 - no bug
                self._refuse(number, str(err))
            else:
                reports.append(
                    Report(
                        id=number,
                        sink=sink,
                        correlation_id=correlation_id,
                        session=session,
                        document=_document_of(change),
                    )
                )
        return reports

    def seal(self, report: Report, session: Session) -> Session:
        """Make the final form of a session durable before its CDR is first sent.

        There is one for all sinks: return what was sealed before, if anything was.
        """
        with self._write() as connection:
            row = connection.execute(
                "SELECT snapshot FROM outbox WHERE id = ?", (report.id,)
            ).fetchone()
            if row is not None and (sealed := decode_session(row[0])) != report.session:
                return sealed
            connection.execute(
                "UPDATE outbox SET snapshot = ? WHERE session_id = ? "
                "AND change IN (?, ?)",
                (msgspec.json.encode(session), session.id, *FINAL),
            )
            kept = self._kept(connection, session)
            _save(connection, replace(session, cdr_urls=kept.cdr_urls))
        return session

    def delivered(self, report: Report, url: str | None = None) -> None:
        """Forget a delivered report; `url` is where the backend keeps a CDR.

        A power cut may bring it back, and then it is told again, which does no harm
        unless a later one was: only the session's next report waits for the disk, so
        that a long backlog drains quickly.
        """
        with self._write(durable=False) as connection:
            connection.execute("DELETE FROM outbox WHERE id = ?", (report.id,))
            if url is not None and report.document is Document.CDR:
                kept = self._kept(connection, report.session)
                urls = kept.cdr_urls | {report.sink: url}
                _save(connection, replace(kept, cdr_urls=urls))
            # The last one need not be the end: not everybody is told of that.
            (told,) = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND is_open = 0) "
                "AND NOT EXISTS (SELECT 1 FROM outbox WHERE session_id = ?1)",
                (report.session.id,),
            ).fetchone()
            if told:
                self._on_told(connection, report.session)
        self._undurable.add(report.session.id)
        if told:
            self._undurable.discard(report.session.id)
        self._log_remembers = self._log_remembers or bool(told)

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
            with self._write(durable=False) as connection:
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

    def drop_refused(self, number: int) -> int:
        """Give one refused report up for good; return how many there were."""
        with self._write() as connection:
            row = connection.execute(
                "DELETE FROM outbox WHERE id = ? AND refused = 1 "
                "RETURNING session_id, snapshot",
                (number,),
            ).fetchone()
            if row is None:
                return 0
            session_id, data = row
            (left,) = connection.execute(
                "SELECT count(*) FROM outbox WHERE session_id = ?", (session_id,)
            ).fetchone()
            # What cannot be read may be the reason why it was refused.
            with suppress(StoreCorruptError):
                session = decode_session(data)
                if not left and not session.is_open:
                    self._on_told(connection, session)
        return 1

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

    def _kept(self, connection: sqlite3.Connection, session: Session) -> Session:
        """Read the session's own row; a damaged one is taken for the given one."""
        row = connection.execute(
            "SELECT data FROM sessions WHERE id = ?", (session.id,)
        ).fetchone()
        try:
            return decode_session(row[0]) if row is not None else session
        except StoreCorruptError as err:
            _LOGGER.error("session %s is mended by its report: %s", session.id, err)  # noqa: TRY400 - no bug
            return session

    def _refuse(self, number: int, why: str) -> None:
        with self._write() as connection:
            connection.execute(
                "UPDATE outbox SET refused = 1, why = ? WHERE id = ?", (why, number)
            )

    @contextmanager
    def _write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Commit everything inside; at the latest the next durable commit makes it so.

        Never half of it is there, whenever the power goes.
        """
        with translate_errors(self._path):
            if not durable:
                self._connection.execute("PRAGMA synchronous = NORMAL")
            try:
                with database.transaction(self._connection):
                    yield self._connection
            finally:
                if not durable:
                    self._connection.execute("PRAGMA synchronous = FULL")


def name_report(
    change: Change, document: Document, correlation_id: str
) -> tuple[str, str]:
    """Say what stands in the columns `change` and `correlation_id` of a report.

    A CDR is never taken for an attempt to deliver the end it follows.
    """
    if document is Document.SESSION:
        return change.value, correlation_id
    return document.value, str(uuid5(NAMESPACE_OID, f"{correlation_id} {document}"))


def cut_log(path: Path, connection: sqlite3.Connection) -> None:
    """Cut off the log of changes, which remembers a card that was forgotten.

    Nothing else depends on it, so a log that stays is cut off another time.
    """
    try:
        with translate_errors(path):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except STORE_ERRORS as err:
        _LOGGER.warning("the journal's log could not be cut off: %s", err)


def _document_of(change: str) -> Document:
    return Document.CDR if change == Document.CDR.value else Document.SESSION


def _save(connection: sqlite3.Connection, session: Session) -> None:
    connection.execute(
        "UPDATE sessions SET data = ? WHERE id = ?",
        (msgspec.json.encode(session), session.id),
    )


def decode_session(data: bytes) -> Session:
    """Read a Session as the journal stores it."""
    try:
        return msgspec.json.decode(data, type=Session)
    except msgspec.DecodeError as err:
        # The data names a card; the error's own text names only the field.
        raise StoreCorruptError(
            f"a session in the journal is unreadable: {err}"
        ) from err
