"""Space for stops: held while there is plenty, given up once, taken back later."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from agent.store.reserve import FILE, PLENTY, SIZE_BYTES, Reserve

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_BYTES = 4096


@pytest.fixture
def set_free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the disk have as many bytes free as the list's only item says."""
    free = [PLENTY * SIZE_BYTES]

    def statvfs(_: object) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=free[0] // BLOCK_BYTES, f_frsize=BLOCK_BYTES)

    monkeypatch.setattr(os, "statvfs", statvfs)
    return free


def size_on_disk(folder: Path) -> int:
    """Count what the file really takes."""
    file = folder / FILE
    return file.stat().st_blocks * 512 if file.exists() else 0


def test_space_is_held_where_there_is_plenty(
    tmp_path: Path, set_free: list[int]
) -> None:
    """The file takes the space on the disk, not only in its directory entry."""
    assert set_free
    assert Reserve(tmp_path).hold()
    assert size_on_disk(tmp_path) >= SIZE_BYTES
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_nothing_is_taken_from_a_disk_that_is_nearly_full(
    tmp_path: Path, set_free: list[int]
) -> None:
    """It would be missing where it is needed."""
    set_free[0] -= BLOCK_BYTES
    reserve = Reserve(tmp_path)
    assert not reserve.hold()
    assert not reserve.release()
    assert size_on_disk(tmp_path) == 0


def test_space_is_given_up_once_and_taken_back(
    tmp_path: Path, set_free: list[int]
) -> None:
    """Until there is plenty again, nothing is held."""
    reserve = Reserve(tmp_path)
    reserve.hold()
    assert reserve.release()
    assert not reserve.release()
    assert size_on_disk(tmp_path) == 0
    free, set_free[0] = set_free[0], 0
    assert not reserve.hold()
    set_free[0] = free
    assert reserve.hold()


def test_space_is_found_again_after_a_restart(
    tmp_path: Path, set_free: list[int]
) -> None:
    """What an earlier run holds is held, also on a full disk."""
    Reserve(tmp_path).hold()
    set_free[0] = 0
    assert Reserve(tmp_path).hold()


def test_a_torso_is_not_taken_for_space(tmp_path: Path, set_free: list[int]) -> None:
    """An empty file, or one full of holes, holds nothing."""
    set_free[0] = 0
    with (tmp_path / FILE).open("wb") as file:
        file.truncate(SIZE_BYTES)
    assert not Reserve(tmp_path).hold()


def test_a_disk_that_takes_nothing_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starts are refused then, and the journal says why."""
    assert not Reserve(tmp_path / "gone").hold()

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    reserve = Reserve(tmp_path)
    assert reserve.hold()
    monkeypatch.setattr(os, "unlink", refuse)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    assert not reserve.release()
