"""The whitelist's files: one in force, whoever is killed wherever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.store.generations import Generations

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> Generations:
    """Name a list in a folder that is not there yet."""
    generations = Generations(tmp_path / "state" / "whitelist.db")
    generations.ensure_one()
    return generations


def test_a_new_link_leads_to_the_first_file(files: Generations) -> None:
    """The file itself is made by whoever opens it."""
    assert files.file == files.link.with_name("whitelist-1.db")
    assert files.link.is_symlink()
    assert not files.file.exists()


def test_a_link_that_leads_somewhere_stays(files: Generations) -> None:
    """What is in force is not begun anew."""
    files.file.write_bytes(b"list")

    files.ensure_one()

    assert files.link.read_bytes() == b"list"


def test_a_finished_file_takes_over(files: Generations) -> None:
    """It gets a number that no list has, and its own name is gone."""
    files.file.write_bytes(b"old")
    files.link.with_name("whitelist-7.db").write_bytes(b"stray")
    staged = files.link.with_name("whitelist-staged-cpo.db")
    staged.write_bytes(b"new")

    files.put_in_force(staged)

    assert files.link.read_bytes() == b"new"
    assert files.file.name == "whitelist-8.db"
    assert not staged.exists()


def test_a_damaged_file_is_kept_and_not_in_force(files: Generations) -> None:
    """The next one begins beside it, under another number."""
    files.file.write_bytes(b"damaged")

    files.set_aside()
    assert not files.link.exists()
    files.begin()

    assert files.file.name == "whitelist-2.db"
    assert not files.file.exists()
    [kept] = files.link.parent.glob("whitelist-1.db.damaged-*")
    assert kept.read_bytes() == b"damaged"


def test_orphans_go_and_everything_else_stays(files: Generations) -> None:
    """Only lists with a number that are not in force are deleted."""
    kept = [
        "whitelist-1.db",
        "whitelist-1.db-wal",
        "whitelist-3.db.damaged-20260301T120000000000",
        "whitelist-staged-cpo.db",
        "journal.db",
    ]
    for name in (*kept, "whitelist-2.db", "whitelist-2.db-shm", "whitelist-17.db-wal"):
        files.link.with_name(name).write_bytes(b"")

    files.remove_orphans()

    names = {path.name for path in files.link.parent.iterdir()}
    assert names == {*kept, "whitelist.db"}
