"""A full synchronisation in the making: the next whitelist, in a file of its own.

Rows are only appended, in the order they arrive, and the index is built once at the
end: that costs a fraction of the writes that random insertion would. Rows and the
position of the crawl are committed together, so a crawl that was cut goes on where it
was. After a power cut it begins again: nothing here is fsync'ed before it is complete.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.errors import StoreCorruptError
from agent.store import database
from agent.store.database import translate_errors
from agent.store.moments import from_milliseconds_or_none, to_milliseconds_or_none
from agent.store.token_rows import TokenCodec
from agent.store.token_schema import INSERT, migrations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from agent.domain.tokens import Token
    from agent.store.keys import CardKeys

_CACHE_KIB = 4096  # The index is sorted in this much memory, the rest in a file
_COMPLETE = "complete"  # In place of an owner: this crawl is not to be resumed
_CRAWL = (
    "CREATE TABLE IF NOT EXISTS crawl (one INTEGER PRIMARY KEY CHECK (one = 1), "
    "owner TEXT NOT NULL, position TEXT, seen INTEGER NOT NULL, newest INTEGER, "
    "begun_at INTEGER)"
)


class Staging:
    """The staged list of one upstream; its methods may be called from any thread.

    `origin` says whose list it is; what was begun from another origin, or in another
    boot, is thrown away.

    `position` is where the crawl goes on, in the crawler's own words, None at the
    beginning; `seen` counts the tokens so far.
    """

    def __init__(
        self, path: Path, upstream: str, keys: CardKeys, boot_id: str, origin: str = ""
    ) -> None:
        self.path = path
        self.upstream = upstream
        self.origin = origin
        self._owner = f"{boot_id} {origin}"
        self.position: str | None = None
        self.seen = 0
        self._newest: datetime | None = None
        self._begun_at: datetime | None = None
        self._using = threading.RLock()
        with translate_errors(path):
            try:
                self._open(keys)
            except (StoreCorruptError, sqlite3.DatabaseError):
                self._remove_files()
                self._open(keys)

    @property
    def cursor(self) -> datetime | None:
        """Up to when (`last_updated`) this list knows everything.

        What changes while the list is being read may be on a page that was read
        before, so the newest token proves nothing beyond the first page's time.
        """
        if self._newest is None or self._begun_at is None:
            return self._newest
        return min(self._newest, self._begun_at)

    @property
    def is_read(self) -> bool:
        """Whether the crawl has been through; then only a new one makes sense."""
        return self.position is None and self.seen > 0

    def append(
        self,
        tokens: Sequence[Token],
        position: str | None,
        *,
        listed: int,
        served_at: datetime | None = None,
    ) -> None:
        """Add a page and remember where the next one begins, both or neither.

        `listed` is how many items the page had, broken ones included; `served_at` is
        the server's own time.
        """
        seen = self.seen + listed
        times = [token.last_updated for token in tokens]
        if self._newest is not None:
            times.append(self._newest)
        newest = max(times, default=None)
        begun_at = self._begun_at or served_at
        with self.transaction():
            self.connection.executemany(INSERT, self._codec.rows(tokens))
            self.connection.execute(
                "UPDATE crawl SET position = ?, seen = ?, newest = ?, begun_at = ?",
                (
                    position,
                    seen,
                    to_milliseconds_or_none(newest),
                    to_milliseconds_or_none(begun_at),
                ),
            )
        self.position, self.seen = position, seen
        self._newest, self._begun_at = newest, begun_at

    def is_empty(self) -> bool:
        """Say whether the crawl has not brought one readable token so far."""
        return self._newest is None

    def count(self) -> int:
        """How many readable tokens are staged, those that were learned included."""
        with self._using, translate_errors(self.path):
            # Rows are appended and never deleted, so the last one's number says it.
            (rows,) = self.connection.execute(
                "SELECT ifnull(max(id), 0) FROM tokens"
            ).fetchone()
        return int(rows)

    def count_distinct(self) -> int:
        """How many they are without those that came twice; sorts the whole list."""
        with self._using, translate_errors(self.path):
            (rows,) = self.connection.execute(
                "SELECT count(*) FROM "
                "(SELECT DISTINCT key_high, key_low, party FROM tokens)"
            ).fetchone()
        return int(rows)

    def learn(self, token: Token) -> None:
        """Add a token that came by another way; the crawl stays where it is."""
        with self.transaction():
            self.connection.executemany(INSERT, self._codec.rows([token]))

    def adopt(self, rows: Iterable[tuple[Any, ...]], source: TokenCodec) -> None:
        """Take whole rows over from another file, inside the caller's transaction."""
        self.connection.executemany(
            INSERT, (self._codec.translate(row, source) for row in rows)
        )

    def mark_complete(self) -> None:
        """Say, inside the caller's transaction, that nothing is to be added again."""
        self.connection.execute("UPDATE crawl SET owner = ?", (_COMPLETE,))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside at once, or nothing, dictionaries included."""
        with self._using, translate_errors(self.path):
            try:
                with database.transaction(self.connection):
                    yield
            except BaseException:
                self._codec.reload()
                raise

    def close(self) -> None:
        """Close the file, to be resumed."""
        with self._using:
            self.connection.close()

    def finish(self) -> None:
        """Close the file for good, everything in it durable."""
        self.close()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self._journal().unlink(missing_ok=True)

    def delete(self) -> None:
        """Close and remove the file."""
        self.close()
        self._remove_files()

    def _open(self, keys: CardKeys) -> None:
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
            self._resume()
            self._codec = TokenCodec(self.connection, keys)
            self._codec.sign()
        except BaseException:
            self.connection.close()
            raise

    def _resume(self) -> None:
        self.connection.execute(
            "INSERT OR IGNORE INTO crawl (one, owner, seen) VALUES (1, ?, 0)",
            (self._owner,),
        )
        owner, self.position, self.seen, newest, begun_at = self.connection.execute(
            "SELECT owner, position, seen, newest, begun_at FROM crawl"
        ).fetchone()
        if owner != self._owner or self.is_read:
            raise StoreCorruptError(f"{self.path} cannot be resumed")
        self._newest = from_milliseconds_or_none(newest)
        self._begun_at = from_milliseconds_or_none(begun_at)

    def _remove_files(self) -> None:
        self.path.unlink(missing_ok=True)
        self._journal().unlink(missing_ok=True)

    def _journal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-journal")
