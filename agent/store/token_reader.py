"""Reading the list in force, from the daemon or beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.tokens import Token, TokenType
from agent.domain.uid import Uid
from agent.store import database
from agent.store.database import translate_errors
from agent.store.sync_states import SyncState, load_state
from agent.store.token_rows import ListedToken, TokenCodec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agent.store.keys import CardKeys


class TokenReader:
    """A read-only view of one whitelist file; used from one thread at a time.

    A view keeps showing the list it was opened on, even after a swap.
    """

    def __init__(self, path: Path, keys: CardKeys, upstreams: Sequence[str]) -> None:
        self._path = path
        self._rank = {name: rank for rank, name in enumerate(upstreams)}
        with translate_errors(path):
            self._connection = database.connect(path, read_only=True)
            try:
                self._codec = TokenCodec(self._connection, keys)
            except BaseException:
                self._connection.close()
                raise

    def find(self, uid: Uid, token_type: TokenType = TokenType.RFID) -> list[Token]:
        """Every party's token with this uid, the upstream listed first in front."""
        with translate_errors(self._path):
            found = self._codec.find(uid, token_type)
        # What an upstream listed that is no longer configured counts for nothing.
        tokens = [token for token in found if token.upstream in self._rank]
        if len(tokens) > 1:
            tokens.sort(key=lambda token: self._rank[token.upstream])
        return tokens

    def find_token(
        self, upstream: str, country_code: str, party_id: str, uid: str, kind: TokenType
    ) -> Token | None:
        """Look up one party's token, whatever the case of its name; the newest."""
        party = (country_code.casefold(), party_id.casefold())
        found = [
            token
            for token in self.find(Uid.parse(uid), kind)
            if token.upstream == upstream
            and (token.country_code.casefold(), token.party_id.casefold()) == party
        ]
        return max(found, key=lambda token: token.last_updated, default=None)

    def listed(self) -> Iterator[ListedToken]:
        """Every row as far as it can be shown: without its card number."""
        with translate_errors(self._path):
            yield from self._codec.listed()

    def count(self) -> int:
        """How many rows there are; reads the whole index."""
        with translate_errors(self._path):
            (rows,) = self._connection.execute("SELECT count(*) FROM tokens").fetchone()
        return int(rows)

    def count_of(self, upstream: str) -> int:
        """How many rows one upstream has; reads the whole list."""
        with translate_errors(self._path):
            (rows,) = self._connection.execute(
                "SELECT count(*) FROM tokens JOIN parties ON party = parties.id "
                "WHERE upstream = ?",
                (upstream,),
            ).fetchone()
        return int(rows)

    def sync_state(self, upstream: str) -> SyncState:
        """What is known about one upstream's list."""
        with translate_errors(self._path):
            return load_state(self._connection, upstream)

    def verify(self) -> None:
        """Read every page of the file; raise StoreCorruptError if one is broken."""
        database.check(self._connection, self._path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
