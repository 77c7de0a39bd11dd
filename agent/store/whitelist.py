"""The whitelist: which Tokens may charge, from the copy on this machine.

`whitelist.db` is a link to the list in force. A full synchronisation builds its
successor in a file of its own (see `staging`) and moves the link, which is one atomic
step: whoever is killed wherever, there is one whole list.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import StoreCorruptError
from agent.store import database
from agent.store.database import translate_errors
from agent.store.moments import to_milliseconds_or_none
from agent.store.staging import Staging
from agent.store.token_reader import SyncState, TokenReader
from agent.store.token_rows import TokenCodec
from agent.store.token_schema import (
    CREATE_INDEX,
    DELETE_OLDER,
    INSERT_UNLESS_NEWER,
    migrations,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agent.domain.tokens import Token
    from agent.domain.uid import Uid
    from agent.store.keys import CardKeys

_LOGGER = logging.getLogger(__name__)

LINK = "whitelist.db"
_CHECK_AT_OPENING_BYTES = 32 * 1024 * 1024


class _List(NamedTuple):
    """One opened list: a connection that writes, and a view that reads."""

    connection: sqlite3.Connection
    codec: TokenCodec
    reader: TokenReader

    def close(self) -> None:
        self.reader.close()
        self.connection.close()


class Whitelist:
    """The list in force.

    `find` may be called from one thread, the writing methods from any; a reader is
    never disturbed by a writer.
    """

    def __init__(
        self,
        state_dir: Path,
        keys: CardKeys,
        boot_id: str,
        upstreams: Sequence[str] = (),
    ) -> None:
        self._state_dir = state_dir
        self._keys = keys
        self._boot_id = boot_id
        self._upstreams = upstreams
        self._writing = threading.RLock()
        # Held for microseconds, so that a swap never closes the list under a tap.
        self._reading = threading.Lock()
        self._staging: dict[str, Staging] = {}
        self._path = state_dir / LINK
        self._list = self._open()

    def find(self, uid: Uid) -> list[Token]:
        """Every upstream's RFID token with this uid, the first upstream in front."""
        with self._reading:
            return self._list.reader.find(uid)

    def confirmed_at(self, upstream: str) -> datetime | None:
        """When the upstream's list was last synchronised; quick, for every tap."""
        with self._reading:
            return self._list.reader.sync_state(upstream).synchronized_at

    def sync_state(self, upstream: str) -> SyncState:
        """What is known about one upstream's list."""
        with self._writing, self._new_reader() as reader:
            return reader.sync_state(upstream)

    def count(self) -> int:
        """How many rows there are; reads the whole index, so not for the loop."""
        with self._writing, self._new_reader() as reader:
            return reader.count()

    def count_of(self, upstream: str) -> int:
        """How many rows one upstream has; reads the whole list."""
        with self._writing, self._new_reader() as reader:
            return reader.count_of(upstream)

    def verify(self) -> None:
        """Read every page; raise StoreCorruptError if one is broken."""
        with self._new_reader() as reader:
            reader.verify()

    # ---- writing ------------------------------------------------------------------

    def upsert(self, tokens: Sequence[Token]) -> None:
        """Take what an upstream says now; an older word never replaces a newer one."""
        with self._write():
            for row in self._list.codec.rows(tokens):
                same = row[:3]
                self._list.connection.execute(DELETE_OLDER, (*same, row[-1]))
                self._list.connection.execute(INSERT_UNLESS_NEWER, (*row, *same))

    def learn(self, token: Token) -> None:
        """Take a token out of a real-time answer, into a list being staged as well."""
        with self._writing:
            self.upsert([token])
            if staging := self._staging.get(token.upstream):
                staging.learn(token)

    def finish_incremental(self, upstream: str, cursor: datetime | None) -> None:
        """Move the cursor, everything before it being stored."""
        with self._write():
            self._list.connection.execute(
                "INSERT INTO upstreams (name, cursor, synchronized_at) "
                "VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
                "cursor = coalesce(excluded.cursor, cursor), "
                "synchronized_at = excluded.synchronized_at",
                (
                    upstream,
                    to_milliseconds_or_none(cursor),
                    datetime.now(UTC).isoformat(),
                ),
            )

    def stage(self, upstream: str, origin: str = "") -> Staging:
        """Begin the next list of `origin`, or go on with the one that was cut."""
        with self._writing:
            if upstream in self._staging and self._staging[upstream].is_read:
                self.abandon(upstream)
            if upstream not in self._staging:
                path = self._state_dir / f"whitelist-staged-{upstream}.db"
                self._staging[upstream] = Staging(
                    path, upstream, self._keys, self._boot_id, origin
                )
            return self._staging[upstream]

    def abandon(self, upstream: str) -> None:
        """Throw a staged list away."""
        with self._writing:
            if staging := self._staging.pop(upstream, None):
                staging.delete()

    def swap(self, upstream: str) -> None:
        """Put the staged list of an upstream in force, in one step.

        The other upstreams' tokens move over; what this upstream no longer lists is
        gone. Whatever fails, a whole list stays in force.
        """
        with self._writing, translate_errors(self._path):
            staging = self._staging[upstream]
            with staging.transaction():
                self._copy_others(staging)
                staging.connection.execute(CREATE_INDEX)
                _save_sweep(staging)
                staging.mark_complete()
            # Nothing may be added any more; a crawl that comes too late begins anew.
            self._staging.pop(upstream)
            staging.finish()
            successor = self._successor()
            staging.path.rename(successor)
            # The link must not be durable before the name that it leads to.
            database.sync_directory(self._state_dir)
            self._point_to(successor)
            self._reopen()
        _LOGGER.info("whitelist of %s replaced by its successor", upstream)

    @property
    def file(self) -> Path:
        """The file in force."""
        return self._path.resolve()

    def rebuild(self, damaged: Path) -> None:
        """Set the list aside in which damage was seen, and begin an empty one.

        If another one is in force by now, there is nothing to do.
        """
        with self._writing:
            if self.file != damaged:
                return
            database.set_aside(self._path.resolve())
            self._path.unlink(missing_ok=True)
            self._reopen()

    def close(self) -> None:
        """Close every connection; staged lists stay and are resumed."""
        with self._writing:
            for staging in self._staging.values():
                staging.close()
            self._staging.clear()
            self._list.close()

    # ---- files --------------------------------------------------------------------

    def _open(self) -> _List:
        self._state_dir.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            self._point_to(self._successor())
        try:
            opened = self._connect()
        except StoreCorruptError:
            database.set_aside(self._path.resolve())
            self._point_to(self._successor())
            opened = self._connect()
        self._remove_orphans()
        return opened

    def _connect(self) -> _List:
        path = self._path.resolve()
        with translate_errors(path):
            connection = database.connect(path)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                if path.stat().st_size < _CHECK_AT_OPENING_BYTES:
                    database.check(connection, path)
                database.migrate(connection, migrations, path)
                connection.execute(CREATE_INDEX)
                codec = TokenCodec(connection, self._keys)
                codec.sign()
                reader = TokenReader(path, self._keys, self._upstreams)
            except BaseException:
                connection.close()
                raise
        return _List(connection, codec, reader)

    def _reopen(self) -> None:
        """Turn to the list that the link names now; on failure the old one stays."""
        successor = self._open()
        with self._reading:
            predecessor, self._list = self._list, successor
        predecessor.close()

    def _new_reader(self) -> closing[TokenReader]:
        return closing(TokenReader(self._path, self._keys, self._upstreams))

    def _successor(self) -> Path:
        return self._state_dir / f"whitelist-{self._generation() + 1}.db"

    def _generation(self) -> int:
        numbers = [
            int(number)
            for path in self._state_dir.glob("whitelist-*.db*")
            if (number := path.name.split("-")[1].split(".")[0]).isdigit()
        ]
        return max(numbers, default=0)

    def _point_to(self, target: Path) -> None:
        link = self._state_dir / f"{LINK}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
        os.replace(link, self._path)  # noqa: PTH105 - the one atomic step deserves its name
        database.sync_directory(self._state_dir)

    def _remove_orphans(self) -> None:
        """Delete lists that a finished or an interrupted swap has left behind."""
        current = self._path.resolve().name
        for path in self._state_dir.glob("whitelist-[0-9]*.db*"):
            if not path.name.startswith(current) and ".damaged-" not in path.name:
                path.unlink(missing_ok=True)

    def _copy_others(self, staging: Staging) -> None:
        connection = self._list.connection
        others = connection.execute(
            "SELECT count(*) FROM parties WHERE upstream <> ?", (staging.upstream,)
        ).fetchone()[0]
        if others:
            rows = connection.execute(
                "SELECT tokens.* FROM tokens JOIN parties ON party = parties.id "
                "WHERE upstream <> ?",
                (staging.upstream,),
            )
            staging.adopt(rows, self._list.codec)
        states = connection.execute(
            "SELECT * FROM upstreams WHERE name <> ?", (staging.upstream,)
        )
        staging.connection.executemany(
            "INSERT OR REPLACE INTO upstreams VALUES (?, ?, ?, ?, ?)", states
        )

    @contextmanager
    def _write(self) -> Iterator[None]:
        """Lock, transaction, and dictionaries that forget what was rolled back."""
        with self._writing, translate_errors(self._path):
            try:
                with database.transaction(self._list.connection):
                    yield
            except BaseException:
                self._list.codec.reload()
                raise


def _save_sweep(staging: Staging) -> None:
    """Note in a complete list what it is, and how far it reaches."""
    now = datetime.now(UTC).isoformat()
    staging.connection.execute(
        "INSERT OR REPLACE INTO upstreams "
        "(name, origin, cursor, synchronized_at, swept_at) VALUES (?, ?, ?, ?, ?)",
        (
            staging.upstream,
            staging.origin,
            to_milliseconds_or_none(staging.cursor),
            now,
            now,
        ),
    )
