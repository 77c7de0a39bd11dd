"""The whitelist: which Tokens may charge, from the copy on this machine.

`whitelist.db` is a link to the list in force. A full synchronisation builds its
successor in a file of its own (see `staging`) and moves the link, which is one atomic
step: whoever is killed wherever, there is one whole list.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.errors import STORE_ERRORS, StoreCorruptError
from agent.store import database
from agent.store.comparison import are_alike
from agent.store.database import translate_errors
from agent.store.generations import Generations
from agent.store.opened_list import OpenedList
from agent.store.staging import Staging
from agent.store.sync_states import (
    Confirmations,
    SyncState,
    copy_other_states,
    is_worth_a_write,
    load_state,
    save_state,
)
from agent.store.token_reader import TokenReader
from agent.store.token_schema import CREATE_INDEX

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from agent.domain.tokens import Token, TokenType
    from agent.domain.uid import Uid
    from agent.store.keys import CardKeys

_LOGGER = logging.getLogger(__name__)

LINK = "whitelist.db"


class Whitelist:
    """The list in force: one thread finds, any may write, none disturbs another."""

    def __init__(
        self,
        state_dir: Path,
        keys: CardKeys,
        boot_id: str,
        upstreams: Sequence[str] = (),
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._state_dir = state_dir
        self._wall = wall
        self._keys = keys
        self._boot_id = boot_id
        self._upstreams = upstreams
        self._writing = threading.RLock()
        # Held for microseconds, so that a swap never closes the list under a tap.
        self._reading = threading.Lock()
        self._staging: dict[str, Staging] = {}
        self._confirmations = Confirmations()
        self._path = state_dir / LINK
        self._files = Generations(self._path)
        self._list = self._open()

    def find(self, uid: Uid) -> list[Token]:
        """Every upstream's RFID token with this uid, the first upstream in front."""
        with self._reading:
            return self._list.reader.find(uid)

    def find_token(
        self, upstream: str, country_code: str, party_id: str, uid: str, kind: TokenType
    ) -> Token | None:
        """Look up one token; may be called from any thread, and delays no tap."""
        with self._writing, self._new_reader() as reader:
            return reader.find_token(upstream, country_code, party_id, uid, kind)

    def confirmed_at(self, upstream: str) -> datetime | None:
        """When the upstream's list was last synchronised; quick, for every tap."""
        with self._reading:
            state = self._list.reader.sync_state(upstream)
        return self._confirmations.complete(upstream, state).synchronized_at

    def sync_state(self, upstream: str) -> SyncState:
        """What is known about one upstream's list."""
        with self._writing, self._new_reader() as reader:
            state = reader.sync_state(upstream)
            return self._confirmations.complete(upstream, state)

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
        """Take what an upstream says now; an older word never replaces a newer one.

        What is known already is not written.
        """
        with self._write():
            self._list.put(tokens)

    def learn(self, token: Token) -> None:
        """Take a token out of a real-time answer, into a list being staged as well."""
        with self._writing:
            self.upsert([token])
            if staging := self._staging.get(token.upstream):
                staging.learn(token)

    def make_durable(self) -> None:
        """Have what was written survive a power cut, too; by itself that takes time."""
        with self._writing:
            database.sync_log(self.file)

    def finish_incremental(self, upstream: str, cursor: datetime | None) -> None:
        """Move the cursor, everything before it being stored; None leaves it.

        A list that is found as it was is remembered as confirmed, and seldom written.
        """
        now = self._wall()
        with self._write() as connection:
            known = load_state(connection, upstream)
            if is_worth_a_write(known, cursor, now):
                self._confirmations.forget(upstream)
                reached = known.cursor if cursor is None else cursor
                state = replace(known, cursor=reached, synchronized_at=now)
                save_state(connection, upstream, state)
        self._confirmations.confirm(upstream, now)

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
        gone. Whatever fails, a whole list stays in force. One that says the same stays
        where it is.
        """
        with self._writing, translate_errors(self._path):
            staging = self._staging[upstream]
            now = self._wall()
            swept = SyncState(
                origin=staging.origin,
                cursor=staging.cursor,
                synchronized_at=now,
                swept_at=now,
            )
            self._confirmations.forget(upstream)
            if self._is_in_force(staging):
                with self._write() as connection:
                    save_state(connection, upstream, swept)
                self.abandon(upstream)
                said = "is what it was"
            else:
                self._replace_by(staging, swept)
                said = "replaced by its successor"
        _LOGGER.info("whitelist of %s %s", upstream, said)

    @property
    def file(self) -> Path:
        """The file in force."""
        return self._files.file

    def rebuild(self, damaged: Path) -> None:
        """Set the list aside in which damage was seen, and begin an empty one.

        If another one is in force by now, there is nothing to do.
        """
        with self._writing:
            if self.file != damaged:
                return
            self._files.set_aside()
            self._reopen()

    def close(self) -> None:
        """Close every connection; staged lists stay and are resumed."""
        with self._writing:
            for staging in self._staging.values():
                staging.close()
            self._staging.clear()
            self._save_confirmations()
            self._list.close()

    # ---- inside -------------------------------------------------------------------

    def _open(self) -> OpenedList:
        self._files.ensure_one()
        try:
            opened = self._open_file()
        except StoreCorruptError:
            self._files.set_aside()
            self._files.begin()
            opened = self._open_file()
        self._files.remove_orphans()
        return opened

    def _open_file(self) -> OpenedList:
        return OpenedList.open(self._files.file, self._keys, self._upstreams)

    def _reopen(self) -> None:
        """Turn to the list that the link names now; on failure the old one stays."""
        successor = self._open()
        with self._reading:
            predecessor, self._list = self._list, successor
        predecessor.close()

    def _new_reader(self) -> closing[TokenReader]:
        return closing(TokenReader(self._path, self._keys, self._upstreams))

    def _is_in_force(self, staging: Staging) -> bool:
        """Whether the list in force says just what is staged; a broken one does not."""
        try:
            with staging.transaction(), translate_errors(self._path):
                return are_alike(
                    staging.connection, self._list.connection, staging.upstream
                )
        except STORE_ERRORS:
            return False

    def _replace_by(self, staging: Staging, swept: SyncState) -> None:
        with staging.transaction():
            self._copy_others(staging)
            staging.connection.execute(CREATE_INDEX)
            save_state(staging.connection, staging.upstream, swept)
            staging.mark_complete()
        # Nothing may be added any more; a crawl that comes too late begins anew.
        self._staging.pop(staging.upstream)
        staging.finish()
        self._files.put_in_force(staging.path)
        self._reopen()

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
        copy_other_states(connection, staging.connection, staging.upstream)
        self._confirmations.save(staging.connection)

    def _save_confirmations(self) -> None:
        if not self._confirmations:
            return
        try:
            with self._write() as connection:
                self._confirmations.save(connection)
        except STORE_ERRORS as err:
            _LOGGER.warning("when the lists were confirmed cannot be written: %s", err)
        self._confirmations = Confirmations()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """Lock and transaction; whatever is written takes the confirmations along."""
        with self._writing, translate_errors(self._path):
            changes = self._list.connection.total_changes
            with self._list.transaction() as connection:
                yield connection
                if connection.total_changes != changes:
                    self._confirmations.save(connection)
