"""A damaged whitelist is set aside and begun anew; nothing is granted from it."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent.errors import StoreCorruptError, StoreFailedError
from agent.store import database
from agent.store.keys import CardKeys
from agent.store.whitelist import LINK, Whitelist
from tests.fakes.cards import uid_of
from tests.fakes.lists import listed, open_list, put_in_force, token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def make(folder: Path, cards: int = 2000) -> Path:
    """Keep a list of some pages in a folder, and name its file."""
    with closing(open_list(folder)) as whitelist:
        whitelist.upsert([token("A")])
        whitelist.upsert(
            [token("Z", uid=f"05{number:012X}") for number in range(cards)]
        )
    return (folder / LINK).resolve()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "no database": lambda _: b"garbage" * 1000,
    "torn header": lambda whole: whole[:50],
    "torn in the middle": lambda whole: whole[: len(whole) // 2],
    "a page of noise": lambda whole: whole[:8192] + b"\xa5" * 8192 + whole[16384:],
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_damage_found_at_the_start_is_set_aside(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is kept for a look, an empty list is in force, and the log says so."""
    file = make(tmp_path)
    broken = DAMAGES[damage](file.read_bytes())
    file.write_bytes(broken)

    with closing(open_list(tmp_path)) as whitelist:
        assert whitelist.count() == 0
        assert whitelist.sync_state("cpo").cursor is None
        put_in_force(whitelist, [token("B")])
        assert listed(whitelist, "AB") == "B"

    [kept] = [
        path
        for path in tmp_path.glob("*.damaged-*")
        if "-wal" not in path.name and "-shm" not in path.name
    ]
    assert kept.read_bytes() == broken
    assert "set aside" in caplog.text


def test_damage_while_running_never_grants(tmp_path: Path) -> None:
    """A page that turns bad raises StoreCorruptError; rebuilding starts afresh."""
    file = make(tmp_path)
    whole = file.read_bytes()
    with closing(open_list(tmp_path)) as whitelist:
        file.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))

        with pytest.raises(StoreCorruptError, match="damaged"):
            whitelist.verify()
        whitelist.rebuild(whitelist.file)

        assert whitelist.find(uid_of("A")) == []
        whitelist.upsert([token("B")])
        assert listed(whitelist, "AB") == "B"
    assert len(list(tmp_path.glob("*.damaged-*[0-9]"))) == 1


def test_a_list_that_was_replaced_meanwhile_is_not_set_aside(tmp_path: Path) -> None:
    """Damage that was seen in the predecessor says nothing of the list in force."""
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A")])
        damaged = whitelist.file
        put_in_force(whitelist, [token("B")])

        whitelist.rebuild(damaged)

        assert listed(whitelist, "AB") == "B"
    assert not list(tmp_path.glob("*.damaged-*"))


def test_a_row_with_an_unknown_number_is_damage(tmp_path: Path) -> None:
    """A row that names no party of this file is damage, never a grant or a crash."""
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.upsert([token("A")])
        whitelist._list.connection.execute("UPDATE tokens SET party = 99")
        with pytest.raises(StoreCorruptError):
            whitelist.find(uid_of("A"))

        whitelist._list.connection.execute("UPDATE tokens SET party = 1, issuer = 99")
        with pytest.raises(StoreCorruptError):
            whitelist.find(uid_of("A"))


def test_a_link_that_leads_nowhere_starts_afresh(tmp_path: Path) -> None:
    """Somebody deleted the file behind the link: an empty list, to be fetched."""
    make(tmp_path).unlink()

    with closing(open_list(tmp_path)) as whitelist:
        assert whitelist.count() == 0


def test_a_list_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    """It is neither read nor touched, and the message says what to do."""
    file = make(tmp_path, cards=0)
    with closing(database.connect(file)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('whitelist', '0099_from_the_future', '2030-01-01')"
        )
    before = file.read_bytes()

    with pytest.raises(StoreFailedError, match="0099_from_the_future"):
        open_list(tmp_path)

    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*.damaged-*"))


def test_another_secret_asks_for_a_new_list(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows that no key leads to are fetched again at once, not in a day."""
    caplog.set_level(logging.INFO)
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(whitelist, [token("A")])
    with closing(Whitelist(tmp_path, CardKeys(b"k" * 32), "b", ("cpo",))) as whitelist:
        assert whitelist.sync_state("cpo").swept_at is None
        assert whitelist.find(uid_of("A")) == []
