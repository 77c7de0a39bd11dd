"""What the journal knows of time: how far it has come, and when each boot began.

A Pi has no clock battery. The last time it knew is kept, so that time never runs
backwards over a reboot, and so is the base of each boot that was synchronized.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from agent.store import database
from agent.store.database import translate_errors
from agent.store.moments import from_milliseconds, to_milliseconds

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from sqlite_utils import Database

BOOTS_KEPT = 100  # Far more than sessions ever wait to be told of


def create_tables(database: Database) -> None:
    """Lay out the boots with their bases, and the last known time (one row)."""
    database.table("boots").create(
        {"number": int, "boot_id": str, "base": int},
        pk="number",
        not_null={"boot_id", "base"},
    ).create_index(["boot_id"], unique=True)
    database.table("last_known").create({"id": int, "at": int}, pk="id")


class Times:
    """The journal's two tables of times; shares the journal's connection."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def bases(self) -> dict[str, datetime]:
        """When each boot began that was synchronized: wall time at monotonic zero."""
        with translate_errors(self._path):
            rows = self._connection.execute("SELECT boot_id, base FROM boots")
            return {boot_id: from_milliseconds(base) for boot_id, base in rows}

    def learn_base(self, boot_id: str, base: datetime) -> None:
        """Remember when this boot began; the first word on it stands."""
        with translate_errors(self._path), database.transaction(self._connection):
            self._connection.execute(
                "INSERT OR IGNORE INTO boots (boot_id, base) VALUES (?, ?)",
                (boot_id, to_milliseconds(base)),
            )
            self._connection.execute(
                "DELETE FROM boots WHERE number <= (SELECT max(number) FROM boots) - ?",
                (BOOTS_KEPT,),
            )

    def last_known(self) -> datetime | None:
        """The latest moment that anything in the journal speaks of."""
        with translate_errors(self._path):
            (told,) = self._connection.execute(
                "SELECT max(at) FROM last_known"
            ).fetchone()
            (read,) = self._connection.execute(
                "SELECT max(at) FROM meter_readings"
            ).fetchone()
            (begun,) = self._connection.execute(
                "SELECT max(started_at) FROM sessions"
            ).fetchone()
        moments = [datetime.fromisoformat(text) for text in (read, begun) if text]
        if told is not None:
            moments.append(from_milliseconds(told))
        return max(moments, default=None)

    def advance(self, connection: sqlite3.Connection, at: datetime) -> None:
        """Keep a moment, unless a later one is known; inside a transaction."""
        connection.execute(
            "INSERT INTO last_known (id, at) VALUES (1, ?) "
            "ON CONFLICT (id) DO UPDATE SET at = max(at, excluded.at)",
            (to_milliseconds(at),),
        )

    def note(self, now: datetime) -> None:
        """Keep how far time has come; at an orderly end, and when it is set right."""
        with translate_errors(self._path), database.transaction(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO last_known (id, at) VALUES (1, ?)",
                (to_milliseconds(now),),
            )
