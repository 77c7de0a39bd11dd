"""What a driver finds when it looks at its own surroundings, for `doctor`."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_GROUP_MAY: Final = stat.S_IRGRP | stat.S_IWGRP
_CONSOLES: Final = "tty"  # The group that login consoles belong to


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at; `problem` says what is wrong and what to do."""

    what: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problem


def check_device(path: Path) -> Finding:
    """Look at a device file: it is there, and we may read and write it."""
    what = f"device {path}"
    if not path.exists():
        return Finding(
            what,
            "is not there: check cable and power, and see what is: "
            "ls -l /dev/serial/by-id",
        )
    if os.access(path, os.R_OK | os.W_OK):
        return Finding(what)
    return Finding(what, _explain_refusal(path))


def user_name(uid: int | None = None) -> str:
    """Name a user, the one that we run as unless told; its number if it has no name."""
    uid = os.geteuid() if uid is None else uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # Of a container, perhaps
        return str(uid)


def _explain_refusal(path: Path) -> str:
    status = path.stat()
    group = _group_name(status.st_gid)
    if status.st_gid and status.st_mode & _GROUP_MAY == _GROUP_MAY:
        return (
            f"belongs to the group {group}; "
            f"let us in with: usermod -aG {group} {user_name()}"
        )
    seen = f"is {stat.filemode(status.st_mode)} {user_name(status.st_uid)} {group}"
    if group == _CONSOLES:
        # It stays so until udev names the port anew.
        return (
            f"{seen}, as a login console leaves it: systemctl disable --now "
            f"serial-getty@{path.resolve().name}, then reboot"
        )
    # Root's own group is no way in.
    return f"{seen}, which lets us in through no group: a udev rule has to give it one"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
