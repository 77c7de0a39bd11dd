"""A full synchronisation in the making: the next whitelist, in a file of its own.

Rows are only appended, in the order they arrive, and the index is built once at the
end: that costs a fraction of the writes that random insertion would. Rows and the
position of the crawl are committed together, so a crawl that was cut goes on where it
was. After a power cut it begins again: nothing here is fsync'ed before it is complete.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.errors import StoreCorruptError
from agent.store import database
from agent.store.database import translate_errors
from agent.store.token_rows import TokenCodec
from agent.store.token_schema import INSERT, migrations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from agent.domain.tokens import Token
    from agent.store.keys import CardKeys

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CACHE_KIB = 4096  # The index is sorted in this much memory, the rest in a file
_CRAWL = (
    "CREATE TABLE IF NOT EXISTS crawl (one INTEGER PRIMARY KEY CHECK (one = 1), "
    "boot_id TEXT NOT NULL, position TEXT, seen INTEGER NOT NULL, cursor INTEGER)"
)


class Staging:
    """The staged list of one upstream.

    `position` is where the crawl goes on, in the crawler's own words, None at the
    beginning; `seen` counts the tokens so far; `cursor` is their newest
    `last_updated`.
    """

    def __init__(self, path: Path, upstream: str, keys: CardKeys, boot_id: str) -> None:
        self.path = path
        self.upstream = upstream
        self.position: str | None = None
        self.seen = 0
        self.cursor: datetime | None = None
        with translate_errors(path):
            try:
                self._open(keys, boot_id)
            except (StoreCorruptError, sqlite3.DatabaseError):
                self._remove_files()
                self._open(keys, boot_id)

    def append(
        self, tokens: Sequence[Token], position: str | None = None, listed: int = 0
    ) -> None:
        """Add a page and remember where the next one begins, both or neither.

        `listed` is how many items the page had, broken ones included. Without a
        `position` the crawl stays where it is.
        """
        newest = max((token.last_updated for token in tokens), default=None)
        cursor = newest if self.cursor is None else max(self.cursor, newest or _EPOCH)
        with translate_errors(self.path):
            try:
                with database.transaction(self.connection):
                    self.connection.executemany(INSERT, self._codec.rows(tokens))
                    self.connection.execute(
                        "UPDATE crawl SET position = coalesce(?, position), "
                        "seen = seen + ?, cursor = ?",
                        (position, listed, _to_milliseconds(cursor)),
                    )
            except sqlite3.Error:
                self._codec.reload()
                raise
        self.position = position or self.position
        self.seen += listed
        self.cursor = cursor

    def adopt(self, rows: Iterable[tuple[Any, ...]], source: TokenCodec) -> None:
        """Take whole rows over from another file, inside the caller's transaction."""
        self.connection.executemany(
            INSERT, (self._codec.translate(row, source) for row in rows)
        )

    def close(self) -> None:
        """Close the file, to be resumed."""
        self.connection.close()

    def finish(self) -> None:
        """Close the file for good, everything in it durable."""
        self.connection.execute("DROP TABLE crawl")
        self.connection.close()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self._journal().unlink(missing_ok=True)

    def delete(self) -> None:
        """Close and remove the file."""
        self.connection.close()
        self._remove_files()

    def _open(self, keys: CardKeys, boot_id: str) -> None:
        self.connection = database.connect(self.path)
        try:
            # Durable when complete; until then a kill is survived and a power cut
            # is noticed by the boot id.
            self.connection.execute("PRAGMA synchronous = OFF")
            self.connection.execute("PRAGMA journal_mode = TRUNCATE")
            self.connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self.connection.execute("PRAGMA temp_store = FILE")
            database.migrate(self.connection, migrations, self.path)
            self.connection.execute(_CRAWL)
            self._resume(boot_id)
            self._codec = TokenCodec(self.connection, keys)
        except BaseException:
            self.connection.close()
            raise

    def _resume(self, boot_id: str) -> None:
        self.connection.execute(
            "INSERT OR IGNORE INTO crawl (one, boot_id, seen) VALUES (1, ?, 0)",
            (boot_id,),
        )
        begun_at, self.position, self.seen, cursor = self.connection.execute(
            "SELECT boot_id, position, seen, cursor FROM crawl"
        ).fetchone()
        if begun_at != boot_id:
            raise StoreCorruptError(f"{self.path} was begun before the last reboot")
        if cursor is not None:
            self.cursor = _EPOCH + cursor * _MILLISECOND

    def _remove_files(self) -> None:
        self.path.unlink(missing_ok=True)
        self._journal().unlink(missing_ok=True)

    def _journal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-journal")


def _to_milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MILLISECOND
