"""The journal that takes a damaged one's place: which rows may go over into it.

A row is known by its number of columns and believed when it decodes and its columns
agree with the Session they stand beside. What passes was written once; only a bit that
flipped within a number or a name goes unnoticed, as it would in a whole database. It
may be a version of yesterday, since a damaged file can hold a page twice: of several
the one that got furthest counts. That leaves

* a session open that had ended: at the start it meets its charger's real state, which
  ends it;
* a report that had been delivered: it is told again, a whole object under the same id,
  which changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar
from uuid import NAMESPACE_OID, uuid5

import msgspec
from msgspec import Meta, Struct

from agent.domain.instant import ocpi_datetime
from agent.domain.messages import Change
from agent.domain.reports import Document, recipients
from agent.domain.sessions import Session, SessionStatus
from agent.errors import StoreCorruptError
from agent.store.outbox import FINAL, INSERT, decode_session, name_report

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from agent.domain.reports import Subscriber
    from agent.store.leaves import Row

T = TypeVar("T")
# The number after the greatest one must be free for the next row.
_ID = Annotated[int, Meta(gt=0, lt=2**48)]
_FLAG = Literal[0, 1]
# From 1970, which a clock without a battery may show. Time never runs backwards, so
# that a year from the far future would stay.
_YEARS: Final = range(1970, 2100)


class _SessionRow(Struct, frozen=True, array_like=True):
    id: str
    evse_uid: str
    is_open: _FLAG
    started_at: str
    data: bytes
    reported: _FLAG


class _Reading(Struct, frozen=True, array_like=True):
    id: _ID
    session_id: str
    at: str
    wh: int


class _Report(Struct, frozen=True, array_like=True):
    id: _ID
    session_id: str
    sink: str
    change: Literal["pending", "start", "update", "end", "cdr"]
    correlation_id: str
    snapshot: bytes
    refused: _FLAG
    why: str | None


class _Boot(Struct, frozen=True, array_like=True):
    number: _ID
    boot_id: str
    base: Annotated[int, Meta(ge=946_684_800_000, lt=4_102_444_800_000)]  # 20xx


#: What is read first and last, as numbers of columns: nothing depends on readings.
FIRST: Final = (3, 6, 8)
READINGS: Final = 4


class Successor:
    """Fills an empty journal inside the caller's transaction."""

    def __init__(
        self, connection: sqlite3.Connection, subscribers: Sequence[Subscriber] = ()
    ) -> None:
        self._connection = connection
        self._subscribers = subscribers
        self._sinks = {one.name for one in subscribers}
        #: Sessions that are known from a report alone, so far.
        self._without_row: set[str] = set()

    def take(self, row: Row) -> bool:
        """Take a row over; return whether it could be believed."""
        # An id that is the rowid is not among the values of a row.
        values = (row.rowid, *row.values[1:])
        try:
            match len(values):
                case 3:
                    self._take_boot(_convert(values, _Boot))
                case 4 if not isinstance(values[-1], str):
                    self._take_reading(_convert(values, _Reading))
                case 6:
                    self._take_session(_convert(row.values, _SessionRow))
                case 8:
                    self._take_report(_convert(values, _Report))
                case _:
                    pass  # The migrations, which are applied anew
        except (msgspec.ValidationError, StoreCorruptError, ValueError):
            return False
        return True

    def tell_lost_ends(self) -> int:
        """Write the reports of ends anew that are lost; return how many.

        Its start needs no report of its own: the end is told as a whole object. What
        was delivered cannot be told from what was lost, so whoever has nothing waiting
        hears it once more, unless he is known to have the CDR.
        """
        ended = self._connection.execute(
            "SELECT id, data FROM sessions WHERE is_open = 0 AND reported = 0 "
            "ORDER BY started_at, id"
        ).fetchall()
        return sum(self._tell_lost_end(decode_session(data), data) for _, data in ended)

    # ---- inside -------------------------------------------------------------------

    def _tell_lost_end(self, session: Session, data: bytes) -> int:
        waiting = set(
            self._connection.execute(
                "SELECT sink, change FROM outbox WHERE session_id = ?", (session.id,)
            )
        )
        # The same one, should this be cut and begun again.
        correlation_id = str(uuid5(NAMESPACE_OID, f"{session.id} {Change.END.value}"))
        lost = 0
        for sink, document in recipients(self._subscribers, Change.END, session):
            change, name = name_report(Change.END, document, correlation_id)
            if sink in session.cdr_urls:
                continue
            if (sink, change) not in waiting:
                self._connection.execute(INSERT, (session.id, sink, change, name, data))
                lost += 1
            elif document is Document.CDR:
                self._put_last(session.id, sink, change)
        if not (lost or waiting):
            # Nobody is left to be told, so that it may be forgotten.
            self._connection.execute(
                "UPDATE sessions SET reported = 1 WHERE id = ?", (session.id,)
            )
        return lost

    def _put_last(self, session_id: str, sink: str, change: str) -> None:
        """Let a report follow an end that was written anew, if one was."""
        self._connection.execute(
            "UPDATE outbox SET id = (SELECT max(id) + 1 FROM outbox) "
            "WHERE session_id = ?1 AND sink = ?2 AND change = ?3 AND id < "
            "(SELECT max(id) FROM outbox WHERE session_id = ?1 AND sink = ?2)",
            (session_id, sink, change),
        )

    def _take_session(self, row: _SessionRow) -> None:
        session = _believe(row.data)
        stated = (row.id, row.evse_uid, row.is_open)
        # It may have been dated anew since its row was begun.
        if stated != _columns(session)[:3] or (row.reported and session.is_open):
            raise StoreCorruptError("a session contradicts its columns")
        self._keep(session, row.data, reported=row.reported, is_row=True)

    def _take_report(self, row: _Report) -> None:
        session = _believe(row.snapshot)
        if row.session_id != session.id:
            raise StoreCorruptError("a report contradicts its session")
        if row.sink not in {session.upstream, *self._sinks}:
            raise StoreCorruptError("a report to nobody")
        if (row.change in FINAL) == session.is_open:
            raise StoreCorruptError("a report contradicts its session's state")
        self._connection.execute(
            "INSERT OR IGNORE INTO outbox (id, session_id, sink, change, "
            "correlation_id, snapshot, refused, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            msgspec.structs.astuple(row),
        )
        # It was written together with its session, whose own row may be lost.
        self._keep(session, row.snapshot, reported=0, is_row=False)

    def _take_reading(self, row: _Reading) -> None:
        at = datetime.fromisoformat(row.at)
        if at.year not in _YEARS or ocpi_datetime(at) != row.at:
            raise StoreCorruptError("a meter reading of no moment")
        self._connection.execute(
            "INSERT OR IGNORE INTO meter_readings (id, session_id, at, wh) "
            "VALUES (?, ?, ?, ?)",
            msgspec.structs.astuple(row),
        )

    def _take_boot(self, row: _Boot) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO boots (number, boot_id, base) VALUES (?, ?, ?)",
            msgspec.structs.astuple(row),
        )

    def _keep(
        self, session: Session, data: bytes, *, reported: int, is_row: bool
    ) -> None:
        """Keep this version of a session unless there is one that got further."""
        known = self._connection.execute(
            "SELECT data, reported FROM sessions WHERE id = ?", (session.id,)
        ).fetchone()
        if known is not None:
            data_known, reported_known = known
            is_row_known = session.id not in self._without_row
            if _progress(
                decode_session(data_known), reported_known, is_row=is_row_known
            ) >= _progress(session, reported, is_row=is_row):
                return
        self._connection.execute(
            "INSERT OR REPLACE INTO sessions "
            "(id, evse_uid, is_open, started_at, data, reported) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*_columns(session), data, reported),
        )
        if is_row:
            self._without_row.discard(session.id)
        else:
            self._without_row.add(session.id)


def _convert(values: tuple[object, ...], kind: type[T]) -> T:
    return msgspec.convert(values, kind, builtin_types=(bytes,))


def _believe(data: bytes) -> Session:
    """Decode a session; raise StoreCorruptError also if a field's name was damaged.

    Such a field would be taken for missing, and its default would be an invention.
    """
    session = decode_session(data)
    if _has_damaged_name(msgspec.json.decode(data), msgspec.to_builtins(session)):
        raise StoreCorruptError("the name of a session's field is damaged")
    if session.started_at.wall.year not in _YEARS:
        raise StoreCorruptError("a session of another century")
    return session


def _has_damaged_name(stored: dict[str, Any], known: dict[str, Any]) -> bool:
    """Compare the names of fields, also of what is within, such as the tariff."""
    strange = {len(name) for name in stored.keys() - known.keys()}
    # Fields of other releases are strange, too, but do not look like a missing one.
    if strange & {len(name) for name in known.keys() - stored.keys()}:
        return True
    return any(
        _has_damaged_name(stored[name], known[name])
        for name in stored.keys() & known.keys()
        if isinstance(stored[name], dict)
    )


def _columns(session: Session) -> tuple[str, str, int, str]:
    return (
        session.id,
        session.evse_uid,
        int(session.is_open),
        ocpi_datetime(session.started_at.wall),
    )


def _progress(
    session: Session, reported: int, *, is_row: bool
) -> tuple[int, bool, bool, bool, bool, int, datetime]:
    """Order the versions of one session: a session never goes backwards.

    Its own row counts more than a report in the same state: a register reading that is
    missing is made up for by the next one, a wrong one is not.
    """
    return (
        reported,
        not session.is_open,
        session.stop_reason is not None,
        session.status is not SessionStatus.PENDING,
        is_row,
        session.energy_wh,
        session.updated_at.wall,
    )
