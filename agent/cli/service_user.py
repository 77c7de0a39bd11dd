"""Seeing with the service's eyes: root may open what the service may not."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from drivers.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UNIT: Final = "rfid-agent.service"
_ANSWER_WITHIN_S: Final = 10.0


def become_service_user() -> list[Finding]:
    """Give root's rights up, for good, for those of the installed service.

    Nothing happens, and nothing is found, where this is not root's process, or where
    systemd knows no such service or runs it as root.
    """
    if os.geteuid() != 0:
        return []
    unit = _ask_systemd()
    name = unit.get("User", "")
    if unit.get("LoadState") != "loaded" or name in ("", "root"):
        return []
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return [_is_missing(f"user {name}", "systemd-sysusers")]
    findings = []
    groups = set(os.getgrouplist(name, user.pw_gid))
    for group in unit.get("SupplementaryGroups", "").split():
        try:
            groups.add(grp.getgrnam(group).gr_gid)
        except KeyError:
            findings.append(_is_missing(f"group {group}", f"groupadd --system {group}"))
    _become(user.pw_uid, user.pw_gid, groups)
    looking = Finding(f"looking as {name}, the user of {_UNIT}")
    return [looking, *findings, *_find_failure(unit)]


def become_owner_of(state_dir: Path) -> None:
    """Let root write there as the service does, which files of root's would hinder.

    Where there is no directory yet systemd gives all of it to the service.
    """
    if os.geteuid() == 0 and state_dir.is_dir():
        owner = state_dir.stat()
        _become(owner.st_uid, owner.st_gid, ())


def _become(uid: int, gid: int, groups: Iterable[int]) -> None:
    os.setgroups(sorted(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _find_failure(unit: dict[str, str]) -> list[Finding]:
    """Say that the service does not stay up: the reason is in the log alone."""
    if unit.get("ActiveState") != "failed" and unit.get("SubState") != "auto-restart":
        return []
    problem = f"does not stay up; it says why: journalctl -u {_UNIT} -n 20"
    return [Finding(_UNIT, problem)]


def _is_missing(what: str, remedy: str) -> Finding:
    return Finding(
        what, f"is not there, so {_UNIT} cannot start; make it with: {remedy}"
    )


def _ask_systemd() -> dict[str, str]:
    """Return what systemd says of the service, drop-ins included; {} without it."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return {}
    properties = "LoadState,ActiveState,SubState,User,SupplementaryGroups"
    try:
        told = subprocess.run(  # noqa: S603 - no word of it comes from outside
            [systemctl, "show", f"--property={properties}", _UNIT],
            capture_output=True,
            check=True,
            text=True,
            timeout=_ANSWER_WITHIN_S,
        )
    except (OSError, subprocess.SubprocessError):
        return {}  # It is installed, but does not run here.
    return dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
