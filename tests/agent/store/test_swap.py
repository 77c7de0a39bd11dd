"""Putting the next list in force: in one step, whatever happens in between."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from agent.errors import StoreFailedError
from agent.store import database
from agent.store.sync_states import save_state
from agent.store.token_reader import TokenReader
from agent.store.whitelist import LINK
from tests.fakes.cards import uid_of
from tests.fakes.lists import KEYS, add_page, listed, open_list, put_in_force, token

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.store.whitelist import Whitelist

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def test_what_is_no_longer_listed_is_gone(tmp_path: Path) -> None:
    """A full list replaces; it does not add."""
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A"), token("B")])
        put_in_force(whitelist, [token("B", valid=False), token("C")])

        assert listed(whitelist, "ABC") == "BC"
        assert not whitelist.find(uid_of("B"))[0].valid
        assert whitelist.count() == 2


def test_a_swap_survives_a_restart(tmp_path: Path) -> None:
    """What the link names is what is opened."""
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A")])
        put_in_force(whitelist, [token("B")])
    with closing(open_list(tmp_path)) as whitelist:
        assert listed(whitelist, "AB") == "B"


def test_the_other_upstreams_keep_their_tokens_and_states(tmp_path: Path) -> None:
    """Each token of another upstream means afterwards what it meant before."""
    theirs = [
        token(
            card,
            "hub",
            uid=spelling(uid_of(card).value),
            party_id=f"P{number % 3:02}",
            issuer=f"Issuer {number % 4}",
            language=[None, "sv", "de"][number % 3],
        )
        for number, (card, spelling) in enumerate(
            zip(
                "ABCDEFGH",
                [str.upper, str.lower, str.title, str.swapcase] * 2,
                strict=True,
            )
        )
    ]
    ours = [token("Z", party_id="ZZZ", issuer="Z", language="fr"), token("A")]
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, theirs)
        whitelist.finish_incremental("hub", MARCH)
        before = whitelist.sync_state("hub")

        put_in_force(whitelist, ours)
        put_in_force(whitelist, ours)

        found = {
            item.uid: item
            for card in "ABCDEFGH"
            for item in whitelist.find(uid_of(card))
            if item.upstream == "hub"
        }
        assert found == {item.uid: item for item in theirs}
        assert whitelist.sync_state("hub") == before
        assert whitelist.count_of("hub") == 8
        assert whitelist.count_of("cpo") == 2


def test_a_sweep_is_noted(tmp_path: Path) -> None:
    """The cursor is the newest token's, and the sweep has its time."""
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A", last_updated=MARCH), token("B")])

        state = whitelist.sync_state("cpo")

        assert state.cursor == MARCH
        assert state.swept_at is not None
        assert state.swept_at == state.synchronized_at


def test_an_empty_list_can_be_put_in_force(tmp_path: Path) -> None:
    """Whether that is wise is for the synchronisation to judge."""
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A")])
        whitelist.stage("cpo")
        whitelist.swap("cpo")

        assert whitelist.count() == 0


def test_a_reader_that_was_open_goes_on_with_its_list(tmp_path: Path) -> None:
    """Nobody who reads is disturbed; a new reader sees the new list."""
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A")])
        with closing(TokenReader(tmp_path / LINK, KEYS, ("cpo",))) as before:
            put_in_force(whitelist, [token("B")])
            put_in_force(whitelist, [token("C")])

            assert before.find(uid_of("A"))
            assert not before.find(uid_of("C"))
        with closing(TokenReader(tmp_path / LINK, KEYS, ("cpo",))) as after:
            assert after.find(uid_of("C"))


def test_only_one_list_stays(tmp_path: Path) -> None:
    """Replaced lists and their journals are removed."""
    with closing(open_list(tmp_path)) as whitelist:
        for card in "ABC":
            put_in_force(whitelist, [token(card)])
        kept = (tmp_path / LINK).resolve().name

        names = {
            path.name.split("-wal")[0].split("-shm")[0] for path in tmp_path.iterdir()
        }

        assert names == {LINK, kept}


def test_orphans_are_removed_at_the_next_start(tmp_path: Path) -> None:
    """Lists left by a swap that was cut are deleted; damaged ones are kept."""
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A")])
    orphan = tmp_path / "whitelist-17.db"
    orphan.write_bytes(b"left behind")
    (tmp_path / "whitelist-17.db-wal").write_bytes(b"left behind")
    damaged = tmp_path / "whitelist-3.db.damaged-20260301T120000000000"
    damaged.write_bytes(b"kept")

    with closing(open_list(tmp_path)) as whitelist:
        assert listed(whitelist, "A") == "A"

    assert not list(tmp_path.glob("whitelist-17*"))
    assert damaged.exists()


def test_learned_while_staging_survives_the_swap(tmp_path: Path) -> None:
    """A real-time answer between the pages is not undone by the older list."""
    blocked = token("A", valid=False, last_updated=MARCH)
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token("A")], "page 2", listed=1)

        whitelist.learn(blocked)
        whitelist.learn(token("B"))
        add_page(staging, [token("C")], listed=1)
        whitelist.swap("cpo")

        assert whitelist.find(uid_of("A")) == [blocked]
        assert listed(whitelist, "ABC") == "ABC"


def test_learning_about_one_upstream_leaves_the_staged_list_of_another(
    tmp_path: Path,
) -> None:
    """The other upstream's next list holds what that upstream lists."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("hub")
        add_page(staging, [token("B", "hub")], listed=1)

        whitelist.learn(token("A"))

        assert staging.seen == 1
        whitelist.swap("hub")
        assert whitelist.count_of("hub") == 1
        assert listed(whitelist, "AB") == "AB"


def test_a_disk_that_is_full_while_swapping_leaves_the_old_list(tmp_path: Path) -> None:
    """The swap fails, every card is found as before, and the next try works."""
    many = [token("Z", "hub", contract_id=f"C{n}" * 8) for n in range(999)]
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A", "hub"), *many])
        put_in_force(whitelist, [token("B")])
        staging = whitelist.stage("cpo")
        add_page(staging, [token("C")], listed=1)
        staging.connection.execute("PRAGMA max_page_count = 1")

        with pytest.raises(StoreFailedError, match="full"):
            whitelist.swap("cpo")

        assert listed(whitelist, "ABC") == "AB"
        assert whitelist.count_of("hub") == 1000


def test_a_swap_that_failed_works_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dictionaries are not confused by what was rolled back."""
    theirs = token("A", "hub", issuer="Their issuer", party_id="AAA")
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.upsert([theirs])
        add_page(whitelist.stage("cpo"), "B")
        with monkeypatch.context() as patched:
            patched.setattr("agent.store.whitelist.save_state", fail_once(save_state))
            with pytest.raises(StoreFailedError):
                whitelist.swap("cpo")

        whitelist.swap("cpo")

        assert whitelist.find(uid_of("A")) == [theirs]
        assert listed(whitelist, "AB") == "AB"


@pytest.mark.parametrize("step", ["connect", "migrate", "check", "sync_directory"])
def test_a_list_that_cannot_be_opened_leaves_the_old_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The swap fails, taps go on with the old list; the next start has a whole one."""
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.upsert([token("A"), token("B")])
        add_page(whitelist.stage("cpo"), "BC")
        with monkeypatch.context() as patched:
            patched.setattr(database, step, fail_once(getattr(database, step)))
            with pytest.raises(StoreFailedError):
                whitelist.swap("cpo")

        assert listed(whitelist, "ABC") == "AB"
    with closing(open_list(tmp_path)) as whitelist:
        assert listed(whitelist, "ABC") in ("AB", "BC")


def test_a_tap_in_the_middle_of_a_swap_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the successor is being opened the old list answers."""
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.upsert([token("A")])
        add_page(whitelist.stage("cpo"), "B")
        answers: list[str] = []

        def tap_and(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any signature
                answers.append(listed(whitelist, "AB"))
                return call(*args, **kwargs)

            return wrapper

        for step in ("check", "connect", "migrate", "sync_directory"):
            monkeypatch.setattr(database, step, tap_and(getattr(database, step)))
        whitelist.swap("cpo")

        assert answers
        assert set(answers) == {"A"}
        assert listed(whitelist, "AB") == "B"


def fail_once(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let the first call fail as a full disk does."""
    calls = count()

    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any signature
        if next(calls) == 0:
            raise sqlite3.OperationalError("database or disk is full")
        return call(*args, **kwargs)

    return wrapper


class Snapshots:
    """Copies a folder at every step, as a kill in that moment would leave it."""

    def __init__(self, folder: Path, into: Path) -> None:
        self._folder = folder
        self._into = into
        self.taken: list[Path] = []
        self._busy = False

    def take(self, *_: object) -> None:
        """Copy the folder, links as links."""
        if self._busy:
            return
        self._busy = True
        copy = self._into / f"{len(self.taken):03}"
        shutil.copytree(self._folder, copy, symlinks=True)
        self.taken.append(copy)
        self._busy = False

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Copy before and after each call."""

        def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any signature
            self.take()
            try:
                return call(*args, **kwargs)
            finally:
                self.take()

        return wrapper


OLD = [token("A"), token("B", valid=False), token("H", "hub"), token("A", "hub")]
NEW = [token("B"), token("C"), token("D", uid=uid_of("D").value.title())]


def contents(whitelist: Whitelist) -> list[str]:
    """Say what is known of each card."""
    return [
        repr(
            (
                card,
                [replace(item, upstream="x") for item in whitelist.find(uid_of(card))],
                [item.upstream for item in whitelist.find(uid_of(card))],
            )
        )
        for card in "ABCDH"
    ]


def interrupted_swap(folder: Path, into: Path, patch: pytest.MonkeyPatch) -> list[Path]:
    """Swap the old list for the new one, and return what each kill would leave."""
    snapshots = Snapshots(folder, into)
    with closing(open_list(folder)) as whitelist:
        whitelist.upsert(OLD)
        staging = whitelist.stage("cpo")
        add_page(staging, NEW[:1], "page 2", listed=1)
        add_page(staging, NEW[1:], listed=2)
        staging.connection.set_trace_callback(snapshots.take)
        with patch.context() as patched:
            for owner, name in (
                (os, "replace"),
                (os, "fsync"),
                (Path, "rename"),
                (Path, "symlink_to"),
                (Path, "unlink"),
                (database, "sync_directory"),
                (database, "connect"),
            ):
                patched.setattr(owner, name, snapshots.around(getattr(owner, name)))
            whitelist.swap("cpo")
    snapshots.take()
    return snapshots.taken


def test_a_kill_in_any_moment_leaves_one_whole_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the link moves it is the old list, after that the new one, never a mix."""
    (tmp_path / "live").mkdir()
    seen: list[list[str]] = []
    for copy in interrupted_swap(tmp_path / "live", tmp_path / "copies", monkeypatch):
        with closing(open_list(copy)) as whitelist:
            seen.append(contents(whitelist))
            whitelist.verify()

    old, new = seen[0], seen[-1]
    assert old != new
    turn = seen.index(new)
    assert seen == [old] * turn + [new] * (len(seen) - turn)
    assert len(seen) > 20


def test_after_a_kill_in_any_moment_the_next_list_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of the interrupted swap adds nothing to the list after it."""
    (tmp_path / "live").mkdir()
    for copy in interrupted_swap(tmp_path / "live", tmp_path / "copies", monkeypatch):
        with closing(open_list(copy)) as whitelist:
            staging = whitelist.stage("cpo")
            assert staging.position in (None, "page 2")
            if staging.position is None:
                add_page(staging, "C", "page 2")
            add_page(staging, "E")
            whitelist.swap("cpo")

            cards = listed(whitelist, "ABCDEH")
            assert set(cards) - set("B") == set("ACEH"), copy
            assert [t.upstream for t in whitelist.find(uid_of("A"))] == ["hub"], copy
            assert whitelist.count_of("hub") == 2
