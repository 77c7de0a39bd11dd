"""One whitelist file, opened: the connection that writes, and the view that reads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from agent.store import database
from agent.store.database import translate_errors
from agent.store.token_reader import TokenReader
from agent.store.token_rows import TokenCodec
from agent.store.token_schema import (
    CREATE_INDEX,
    DELETE_OLDER,
    INSERT_UNLESS_NEWER,
    SELECT,
    migrations,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agent.domain.tokens import Token
    from agent.store.keys import CardKeys

_CHECK_AT_OPENING_BYTES = 32 * 1024 * 1024


class OpenedList(NamedTuple):
    """The list in force."""

    connection: sqlite3.Connection
    codec: TokenCodec
    reader: TokenReader

    @classmethod
    def open(cls, path: Path, keys: CardKeys, upstreams: Sequence[str]) -> Self:
        """Open or make it; raise StoreCorruptError if it is damaged, or not ours."""
        with translate_errors(path):
            connection = database.connect(path)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                if path.stat().st_size < _CHECK_AT_OPENING_BYTES:
                    database.check(connection, path)
                database.migrate(connection, migrations, path)
                connection.execute(CREATE_INDEX)
                codec = TokenCodec(connection, keys)
                codec.sign()
                reader = TokenReader(path, keys, upstreams)
            except BaseException:
                connection.close()
                raise
        return cls(connection, codec, reader)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything inside at once, or nothing, dictionaries included."""
        try:
            with database.transaction(self.connection):
                yield self.connection
        except BaseException:
            self.codec.reload()
            raise

    def put(self, tokens: Sequence[Token]) -> None:
        """Store tokens inside the caller's transaction.

        What is there already, or in a newer version, is not written.
        """
        for row in self.codec.rows(tokens):
            key, party, value = row[:2], row[2], row[2:]
            stored = self.connection.execute(SELECT, key).fetchall()
            if [other for other in stored if other[0] == party] == [value]:
                continue
            self.connection.execute(DELETE_OLDER, (*key, party, row[-1]))
            self.connection.execute(INSERT_UNLESS_NEWER, (*row, *key, party))

    def close(self) -> None:
        """Close both."""
        self.reader.close()
        self.connection.close()
