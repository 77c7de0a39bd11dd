"""The model of a disk that forgets: what a cut leaves, and what it must not touch."""

from __future__ import annotations

import stat
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.torture.lossy_content import PAGE_BYTES
from tests.torture.lossy_disk import Disk, Names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.torture.lossy_disk import Inode

State = tuple[tuple[str, bytes], ...]

FILE: Final = stat.S_IFREG | 0o600
BOTH: Final = pytest.mark.parametrize("rule", list(Names))


def contents(disk: Disk) -> dict[str, bytes]:
    """Read everything."""
    return {name: bytes(inode.content) for name, inode in disk.names.items()}


def chance(seed: int) -> Random:
    """Throw dice that fall the same way each time."""
    return Random(seed)  # noqa: S311 - no secret


def outcomes(disk: Disk, seeds: Iterable[int] = range(200)) -> set[State]:
    """Cut the power again and again; return every state that was found."""
    return {tuple(sorted(contents(disk.cut(chance(seed))).items())) for seed in seeds}


def make(disk: Disk, name: str, content: bytes = b"") -> Inode:
    """Make a file that is durable, name and all."""
    inode = disk.make(name, FILE)
    inode.write(0, content)
    disk.sync(inode)
    disk.sync_names()
    return inode


# ---- data ---------------------------------------------------------------------------


@BOTH
def test_what_was_not_synced_is_gone(rule: Names) -> None:
    """A write is nothing until the file is synced, and everything afterwards."""
    disk = Disk(rule)
    inode = make(disk, "f", b"old")
    inode.write(0, b"new")
    assert contents(disk) == {"f": b"new"}
    assert contents(disk.cut(None)) == {"f": b"old"}
    disk.sync(inode)
    assert contents(disk.cut(None)) == {"f": b"new"}


@BOTH
def test_a_size_is_forgotten_as_well(rule: Names) -> None:
    """Cut off or extended: without a sync, neither was."""
    disk = Disk(rule)
    inode = make(disk, "f", b"12345")
    for size in (0, 9):
        inode.resize(size)
        assert contents(disk.cut(None)) == {"f": b"12345"}
        assert outcomes(disk) > {(("f", b"12345"),)}


def test_pages_survive_each_on_its_own() -> None:
    """The second page of a write may reach the disk without the first."""
    disk = Disk(Names.STRICT)
    inode = make(disk, "f", b"a" * PAGE_BYTES * 2)
    inode.write(0, b"b" * PAGE_BYTES * 2)
    found = {content[::PAGE_BYTES] for ((_, content),) in outcomes(disk)}
    assert found == {b"aa", b"ab", b"ba", b"bb"}


def test_a_page_is_one_of_its_versions() -> None:
    """Whole, and not of before the last sync."""
    disk = Disk(Names.STRICT)
    inode = make(disk, "f", b"0")
    inode.write(0, b"1")
    disk.sync(inode)
    inode.write(0, b"2")
    inode.write(0, b"3")
    assert outcomes(disk) == {(("f", version),) for version in (b"1", b"2", b"3")}


def test_a_page_behind_the_end_that_was_not_written_is_zeros() -> None:
    """The size of a file may reach the disk before what is in it."""
    disk = Disk(Names.STRICT)
    make(disk, "f").write(0, b"xy")
    assert outcomes(disk) == {(("f", left),) for left in (b"", b"\0\0", b"xy")}


def test_a_cut_off_end_never_shows_through_new_pages() -> None:
    """Old pages are there as long as the cutting off is not, and no longer."""
    disk = Disk(Names.STRICT)
    inode = make(disk, "f", b"old")
    inode.resize(0)
    inode.write(0, b"n")
    assert outcomes(disk) == {(("f", left),) for left in (b"old", b"", b"\0", b"n")}


# ---- names --------------------------------------------------------------------------


def test_strictly_a_name_needs_a_sync_of_its_directory() -> None:
    """Syncing the file alone is not enough."""
    disk = Disk(Names.STRICT)
    inode = disk.make("f", FILE)
    inode.write(0, b"x")
    disk.sync(inode)
    assert contents(disk.cut(None)) == {}
    disk.sync_names()
    assert contents(disk.cut(None)) == {"f": b"x"}


def test_journalled_names_come_with_a_sync_of_the_file() -> None:
    """And so does every change before them, but none after them."""
    disk = Disk(Names.JOURNALLED)
    make(disk, "gone")
    disk.unlink("gone")
    inode = disk.make("f", FILE)
    disk.make("later", FILE)
    disk.sync(inode)
    assert contents(disk.cut(None)) == {"f": b""}


def test_journalled_names_survive_in_order() -> None:
    """A later change never without an earlier one."""
    disk = Disk(Names.JOURNALLED)
    for name in "abc":
        disk.make(name, FILE)
    found = {"".join(name for name, _ in left) for left in outcomes(disk)}
    assert found == {"", "a", "ab", "abc"}


def test_strictly_names_survive_in_any_order() -> None:
    """Each on its own."""
    disk = Disk(Names.STRICT)
    for name in "ab":
        disk.make(name, FILE)
    found = {"".join(name for name, _ in left) for left in outcomes(disk)}
    assert found == {"", "a", "b", "ab"}


@BOTH
def test_a_renamed_file_is_there_under_one_name(rule: Names) -> None:
    """Replacing is one step: the old file or the new one, never neither."""
    disk = Disk(rule)
    make(disk, "f", b"old")
    make(disk, "f.new", b"new")
    disk.rename("f.new", "f")
    assert contents(disk.cut(None)) == {"f": b"old", "f.new": b"new"}
    assert outcomes(disk) == {(("f", b"old"), ("f.new", b"new")), (("f", b"new"),)}
    disk.sync_names()
    assert outcomes(disk) == {(("f", b"new"),)}


@BOTH
def test_a_removed_file_comes_back_as_it_was_synced(rule: Names) -> None:
    """Removing is a change of a name; the file itself waits."""
    disk = Disk(rule)
    make(disk, "f", b"kept").write(0, b"lost")
    disk.unlink("f")
    assert contents(disk.cut(None)) == {"f": b"kept"}
    disk.sync_names()
    assert contents(disk.cut(None)) == {}


@BOTH
def test_two_names_of_a_file_stay_two_names_of_it(rule: Names) -> None:
    """A cut makes no copies."""
    disk = Disk(rule)
    disk.link("g", make(disk, "f"))
    disk.sync_names()
    left = disk.cut(None)
    assert left.names["f"] is left.names["g"]


# ---- always -------------------------------------------------------------------------

STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("make"), st.sampled_from("abc")),
        st.tuples(st.just("unlink"), st.sampled_from("abc")),
        st.tuples(st.just("rename"), st.sampled_from("abc"), st.sampled_from("abc")),
        st.tuples(
            st.just("write"), st.sampled_from("abc"), st.integers(0, 3 * PAGE_BYTES)
        ),
        st.tuples(
            st.just("resize"), st.sampled_from("abc"), st.integers(0, 3 * PAGE_BYTES)
        ),
        st.tuples(st.just("sync"), st.sampled_from("abc")),
        st.tuples(st.just("sync_names")),
    ),
    max_size=30,
)


def take(disk: Disk, number: int, step: tuple[object, ...]) -> None:
    """Take a random step, if it makes sense."""
    match step:
        case "make", str(name) if name not in disk.names:
            disk.make(name, FILE)
        case "unlink", str(name) if name in disk.names:
            disk.unlink(name)
        case "rename", str(old), str(new) if old in disk.names and old != new:
            disk.rename(old, new)
        case "write", str(name), int(offset) if name in disk.names:
            disk.names[name].write(offset, bytes([number + 1]) * 100)
        case "resize", str(name), int(size) if name in disk.names:
            disk.names[name].resize(size)
        case "sync", str(name) if name in disk.names:
            disk.sync(disk.names[name])
        case ("sync_names",):
            disk.sync_names()


@given(rule=st.sampled_from(Names), steps=STEPS, seed=st.none() | st.integers(0, 99))
def test_what_was_synced_is_never_touched(
    rule: Names, steps: list[tuple[object, ...]], seed: int | None
) -> None:
    """After a sync of everything, no cut changes anything, whatever was before."""
    disk = Disk(rule)
    for number, step in enumerate(steps):
        take(disk, number, step)
    for inode in disk.names.values():
        disk.sync(inode)
    disk.sync_names()
    left = disk.cut(None if seed is None else chance(seed))
    assert contents(left) == contents(disk)
    assert contents(left.cut(chance(1))) == contents(left)


@given(rule=st.sampled_from(Names), steps=STEPS, seed=st.none() | st.integers(0, 99))
def test_a_byte_is_never_made_up(
    rule: Names, steps: list[tuple[object, ...]], seed: int | None
) -> None:
    """What a cut leaves at a place, somebody has written there, or nobody did."""
    disk = Disk(rule)
    written: dict[int, set[int]] = {}
    for number, step in enumerate(steps):
        take(disk, number, step)
        for inode in disk.names.values():
            for place, byte in enumerate(inode.content):
                written.setdefault(place, {0}).add(byte)
    left = disk.cut(None if seed is None else chance(seed))
    for content in contents(left).values():
        assert all(byte in written[place] for place, byte in enumerate(content))


@BOTH
def test_a_dishonest_disk_keeps_nothing(rule: Names) -> None:
    """Every sync is confirmed, none is done."""
    disk = Disk(rule, honest=False)
    inode = make(disk, "f", b"x")
    assert contents(disk.cut(None)) == {}
    assert () in outcomes(disk)
    assert bytes(inode.content) == b"x"
