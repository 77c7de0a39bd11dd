"""What `doctor` says of a device file: there or not, and how to be let in."""

from __future__ import annotations

import grp
import os
import pwd
from typing import TYPE_CHECKING

import pytest

from drivers.findings import check_device, user_name

if TYPE_CHECKING:
    from pathlib import Path

NOBODYS_ID = 2**31 - 7  # Neither a user nor a group of any machine


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a file that we may not open, though root may open all."""
    path = tmp_path / "ttyUSB0"
    path.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    return path


def belongs_to(path: Path, group_id: int, mode: int) -> None:
    """Let a file have a group; only root can give files away."""
    if os.geteuid():
        pytest.skip("only root can give a file to a group that is not its own")
    os.chown(path, 0, group_id)
    path.chmod(mode)


def test_a_device_that_may_be_used(tmp_path: Path) -> None:
    """It is there, and open to us."""
    path = tmp_path / "ttyUSB0"
    path.touch()
    assert check_device(path).ok


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    """Also where a link leads nowhere."""
    link = tmp_path / "by-id"
    link.symlink_to(tmp_path / "ttyUSB0")
    assert "is not there" in check_device(link).problem


def test_the_group_that_lets_us_in(closed: Path) -> None:
    """The command that mends it can be copied."""
    dialout = grp.getgrnam("dialout").gr_gid
    belongs_to(closed, dialout, 0o660)
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert f"usermod -aG dialout {user}" in check_device(closed).problem


@pytest.mark.parametrize(
    ("group_id", "mode", "shown"),
    [
        # What the kernel makes before udev has come by, or without any rule.
        (0, 0o600, "-rw------- root root"),
        # Nobody is told to join root's own group.
        (0, 0o660, "-rw-rw---- root root"),
    ],
)
def test_a_group_that_does_not_let_us_in(
    closed: Path, group_id: int, mode: int, shown: str
) -> None:
    """Joining it would not help, so a rule has to."""
    belongs_to(closed, group_id, mode)
    problem = check_device(closed).problem
    assert shown in problem
    assert "udev rule" in problem
    assert "usermod" not in problem


def test_a_port_that_was_a_console(closed: Path) -> None:
    """The program that lets people log in there leaves it so, also when it has gone."""
    belongs_to(closed, grp.getgrnam("tty").gr_gid, 0o620)
    link = closed.with_name("serial0")
    link.symlink_to(closed)
    problem = check_device(link).problem
    assert "-rw--w---- root tty" in problem
    assert "systemctl disable --now serial-getty@ttyUSB0" in problem
    assert "reboot" in problem
    assert "udev rule" not in problem


def test_numbers_without_names(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container neither user nor group need have one; it is no crash."""
    belongs_to(closed, NOBODYS_ID, 0o660)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODYS_ID)
    assert user_name() == str(NOBODYS_ID)
    assert f"usermod -aG {NOBODYS_ID} {NOBODYS_ID}" in check_device(closed).problem
