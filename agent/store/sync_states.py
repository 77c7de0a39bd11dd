"""How far each upstream's list is known: the table, and what it need not hold yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from agent.errors import StoreCorruptError
from agent.store.moments import from_milliseconds_or_none, to_milliseconds_or_none

if TYPE_CHECKING:
    import sqlite3

WRITTEN_AFTER: Final = timedelta(days=1)


class SyncState(Struct, frozen=True, kw_only=True):
    """How far one upstream's list is known; `cursor` is its newest `last_updated`.

    `origin` is where the list came from.
    """

    origin: str | None = None
    cursor: datetime | None = None
    synchronized_at: datetime | None = None
    swept_at: datetime | None = None


def load_state(connection: sqlite3.Connection, upstream: str) -> SyncState:
    """Read what a file knows of an upstream's list."""
    row = connection.execute(
        "SELECT origin, cursor, synchronized_at, swept_at FROM upstreams "
        "WHERE name = ?",
        (upstream,),
    ).fetchone()
    if row is None:
        return SyncState()
    origin, cursor, synchronized_at, swept_at = row
    return SyncState(
        origin=origin,
        cursor=from_milliseconds_or_none(cursor),
        synchronized_at=_parse(synchronized_at),
        swept_at=_parse(swept_at),
    )


def save_state(connection: sqlite3.Connection, upstream: str, state: SyncState) -> None:
    """Write what is known of an upstream's list, inside the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO upstreams "
        "(name, origin, cursor, synchronized_at, swept_at) VALUES (?, ?, ?, ?, ?)",
        (
            upstream,
            state.origin,
            to_milliseconds_or_none(state.cursor),
            _format(state.synchronized_at),
            _format(state.swept_at),
        ),
    )


def copy_other_states(
    source: sqlite3.Connection, target: sqlite3.Connection, upstream: str
) -> None:
    """Take over what another file knows of all upstreams but this one."""
    target.executemany(
        "INSERT OR REPLACE INTO upstreams VALUES (?, ?, ?, ?, ?)",
        source.execute("SELECT * FROM upstreams WHERE name <> ?", (upstream,)),
    )


class Confirmations:
    """When each list was last found to be what its upstream says.

    An idle station learns that every hour, and that alone is no reason to write. It is
    written with the next change, at an orderly end, or when what is written is a day
    old. A power cut makes the list seem up to a day older, and no younger, than it is.
    """

    def __init__(self) -> None:
        self._newest: dict[str, datetime] = {}

    def confirm(self, upstream: str, at: datetime) -> None:
        """Remember that the list in force was confirmed."""
        self._newest[upstream] = at

    def __bool__(self) -> bool:
        return bool(self._newest)

    def forget(self, upstream: str) -> None:
        """Leave it to the table, which is about to know better."""
        self._newest.pop(upstream, None)

    def complete(self, upstream: str, state: SyncState) -> SyncState:
        """Add what is not written yet; a list that never was confirmed is not now."""
        newest = self._newest.get(upstream)
        if newest is None or state.synchronized_at is None:
            return state
        return replace(state, synchronized_at=newest)

    def save(self, connection: sqlite3.Connection) -> None:
        """Write, inside the caller's transaction, what is not written yet."""
        for upstream, at in self._newest.items():
            text = _format(at)
            connection.execute(
                "UPDATE upstreams SET synchronized_at = ? "
                "WHERE name = ? AND synchronized_at <> ?",
                (text, upstream, text),
            )


def is_worth_a_write(state: SyncState, cursor: datetime | None, now: datetime) -> bool:
    """Say whether a synchronisation up to `cursor` has to become durable at once."""
    reached = to_milliseconds_or_none(cursor)
    if reached is not None and reached != to_milliseconds_or_none(state.cursor):
        return True
    written_at = state.synchronized_at
    # A time in the future was taken from a clock that was wrong.
    return written_at is None or not written_at <= now < written_at + WRITTEN_AFTER


def _format(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _parse(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError as err:
        raise StoreCorruptError(f"not a time in the whitelist: {err}") from err
