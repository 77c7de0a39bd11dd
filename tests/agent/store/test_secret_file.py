"""A file that is whole at any moment, and that nobody else reads."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from agent.errors import ConfigError, StoreFailedError
from agent.store import secret_file
from agent.store.secret_file import SecretFile

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"correct-horse-battery"


def test_round_trip(tmp_path: Path) -> None:
    """What was written is read, and was nothing before."""
    path = tmp_path / "connection.json"
    assert SecretFile(path).read() is None
    SecretFile(path).write(b"old")
    SecretFile(path).write(SECRET)
    assert SecretFile(path).read() == SECRET
    assert [one.name for one in tmp_path.iterdir()] == ["connection.json"]


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    """Whatever the umask, from the first byte on."""
    before = os.umask(0)
    try:
        SecretFile(tmp_path / "secret").write(SECRET)
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_open_is_shut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a careless restore others can read it once more, and never again."""
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    path.chmod(0o644)
    assert SecretFile(path).read() == SECRET
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(caplog.records) == 1
    assert SecretFile(path).read() == SECRET
    assert len(caplog.records) == 1
    assert SECRET.decode() not in caplog.text


def test_an_open_file_of_somebody_else(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mode that is not ours to change is told, and the file is read all the same."""
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    path.chmod(0o644)

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    assert SecretFile(path).read() == SECRET
    assert "was open to others" in caplog.text


def test_a_file_that_is_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another user is named, with the reason."""
    path = tmp_path / "secret"
    path.write_bytes(SECRET)

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(ConfigError, match="secret: Permission denied"):
        SecretFile(path).read()


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    """What is no file is an error with a name."""
    (tmp_path / "secret").mkdir()
    with pytest.raises(ConfigError, match="secret: Is a directory"):
        SecretFile(tmp_path / "secret").read()
    with pytest.raises(StoreFailedError, match="secret: "):
        SecretFile(tmp_path / "secret").write(SECRET)


def test_a_missing_folder(tmp_path: Path) -> None:
    """Nothing to read, and no place to write."""
    file = SecretFile(tmp_path / "gone" / "secret")
    assert file.read() is None
    with pytest.raises(StoreFailedError, match="No such file"):
        file.write(SECRET)


STEPS = ["open", "fsync", "rename"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_failed_write_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, reason: int
) -> None:
    """On a full or broken disk the old content stays, and no half of the new."""
    path = tmp_path / "secret"
    file = SecretFile(path)
    file.write(b"old")

    def refuse(*_: object) -> NoReturn:
        raise OSError(reason, os.strerror(reason))

    with monkeypatch.context() as patch:
        patch.setattr(type(path) if step == "rename" else os, step, refuse)
        with pytest.raises(StoreFailedError, match=os.strerror(reason)):
            file.write(SECRET)
    assert file.read() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]
    file.write(SECRET)
    assert file.read() == SECRET


def test_a_draft_of_an_earlier_crash(tmp_path: Path) -> None:
    """A half-written draft is neither read nor in the way, nor are its rights used."""
    path = tmp_path / "secret"
    draft = tmp_path / "secret.new"
    draft.write_bytes(b"half")
    draft.chmod(0o666)
    assert SecretFile(path).read() is None
    SecretFile(path).write(SECRET)
    assert SecretFile(path).read() == SECRET
    assert path.stat().st_mode & 0o777 == 0o600
    assert not draft.exists()


def test_a_draft_that_is_a_trap(tmp_path: Path) -> None:
    """A link in the draft's place is not followed."""
    trap = tmp_path / "trap"
    trap.write_bytes(b"untouched")
    (tmp_path / "secret.new").symlink_to(trap)
    SecretFile(tmp_path / "secret").write(SECRET)
    assert trap.read_bytes() == b"untouched"


def test_the_order_of_a_durable_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new content is on the disk before the old goes, and the name after."""
    done: list[str] = []
    fsync, rename = os.fsync, type(tmp_path).rename

    def note_fsync(descriptor: int) -> None:
        done.append("fsync")
        fsync(descriptor)

    def note_rename(path: Path, target: Path) -> Path:
        done.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(type(tmp_path), "rename", note_rename)
    SecretFile(tmp_path / "secret").write(SECRET)
    assert done == ["fsync", "rename", "fsync"]


def test_root_leaves_it_to_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of root must not lock the daemon out of its own file."""
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _, uid, gid: given.append((uid, gid)))
    monkeypatch.setattr(secret_file, "sync_directory", lambda _: None)
    SecretFile(tmp_path / "secret").write(SECRET)
    owner = tmp_path.stat()
    assert given == [(owner.st_uid, owner.st_gid)]


def test_nobody_else_changes_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon writes as itself."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("nothing to give")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "fchown", refuse)
    SecretFile(tmp_path / "secret").write(SECRET)
    assert (tmp_path / "secret").exists()
