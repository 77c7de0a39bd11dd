"""What a driver finds when it looks at its own surroundings, for `doctor`."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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
            what, "is not there: check cable and power, and see what is: ls /dev/serial"
        )
    if os.access(path, os.R_OK | os.W_OK):
        return Finding(what)
    group = grp.getgrgid(path.stat().st_gid).gr_name
    user = pwd.getpwuid(os.geteuid()).pw_name
    return Finding(
        what,
        f"belongs to the group {group}; let us in with: usermod -aG {group} {user}",
    )
