"""Root's `doctor` looks with the rights of the service's user."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.agent.config.station_file import GOOD, write

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user"
)

#: A user and a group of every Debian; neither owns anything here.
USER: Final = "nobody"
GROUP: Final = "dialout"
PATIENCE_S: Final = 30.0
TELL_IDS: Final = """
import json, os
from agent.cli.service_user import become_service_user
found = {one.what: one.problem for one in become_service_user()}
ids = {"users": os.getresuid(), "groups": os.getresgid(), "more": os.getgroups()}
print(json.dumps([found, ids]))
"""
PIPE: Final = 'driver = "pipe"\npath = "front.cards"\n'
#: Nobody listens where its backends should be.
OFFLINE: Final = re.sub(r"https://\w+\.example", "http://127.0.0.1:9", GOOD)
#: All is imported before, since the Python of the tests may be root's alone.
RUN: Final = """
import anyio._backends._asyncio, agent.connections, agent.ocpi.sync
from agent.cli.main import main
main()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """Make a directory that every user may enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def systemctl(place: Path, *properties: str, status: int = 0) -> dict[str, str]:
    """Put a systemctl first on the path that tells these; return the environment."""
    lines = "".join(f"echo '{one}'\n" for one in properties)
    program = place / "systemctl"
    program.write_text(f"#!/bin/sh\n{lines}exit {status}\n")
    program.chmod(0o755)
    return os.environ | {"PATH": f"{place}:{os.environ['PATH']}"}


def service_of(user: str, groups: str = "") -> tuple[str, ...]:
    """Return what systemd tells of an installed service."""
    return ("LoadState=loaded", f"User={user}", f"SupplementaryGroups={groups}")


def become(environment: dict[str, str]) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Return what a process of root found, and whose process it is afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", TELL_IDS],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    found, ids = json.loads(done.stdout)
    return found, ids


def test_every_right_of_root_is_given_up(place: Path) -> None:
    """Its own groups come from the user database, the others from the unit."""
    found, ids = become(systemctl(place, *service_of(USER, GROUP)))
    assert found == {f"looking as {USER}, the user of rfid-agent.service": ""}
    user = pwd.getpwnam(USER)
    assert ids["users"] == [user.pw_uid] * 3
    assert ids["groups"] == [user.pw_gid] * 3
    group = int(
        subprocess.check_output(["getent", "group", GROUP], text=True).split(":")[2]
    )
    assert sorted(ids["more"]) == sorted([user.pw_gid, group])


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        (("LoadState=not-found", "User="), 0),
        (service_of(""), 0),
        (service_of("root"), 0),
        ((), 1),
        (("?",), 0),
    ],
)
def test_root_stays_root_where_no_other_user_runs_the_service(
    place: Path, properties: tuple[str, ...], status: int
) -> None:
    """It is not installed, runs as root, or there is no systemd to ask."""
    found, ids = become(systemctl(place, *properties, status=status))
    assert (found, ids["users"]) == ({}, [0, 0, 0])


def test_users_and_groups_that_are_not_there_are_named(place: Path) -> None:
    """With either of them missing systemd does not start the service at all."""
    found, ids = become(systemctl(place, *service_of("no-such-user")))
    assert "systemd-sysusers" in found["user no-such-user"]
    assert ids["users"] == [0, 0, 0]
    found, ids = become(systemctl(place, *service_of(USER, "no-such-group")))
    assert "groupadd --system no-such-group" in found["group no-such-group"]
    assert ids["users"] != [0, 0, 0]


def test_doctor_finds_what_only_root_may_open(place: Path) -> None:
    """A port without a group for us, a token and a state directory that are root's."""
    port = place / "ttyFAKE"
    port.touch(0o600)
    reader = f'driver = "serial"\nformat = "rdm6300"\nport = "{port}"\n'
    config = write(place, OFFLINE.replace(PIPE, reader))
    (place / "state").mkdir(mode=0o700)
    problems = doctor(config, systemctl(place, *service_of(USER)))
    (problem,) = [text for what, text in problems.items() if str(port) in what]
    assert "lets us in through no group" in problem
    (problem,) = [text for what, text in problems.items() if "state directory" in what]
    assert f"belongs to root, and {USER} cannot write it" in problem
    unreadable = problems["configuration, read by that user"]
    assert f"{place / 'cpo.token'}: Permission denied" in unreadable
    config.chmod(0o600)
    problems = doctor(config, systemctl(place, *service_of(USER)))
    assert "Permission denied" in problems["configuration, read by that user"]


def test_doctor_finds_what_only_root_can_see(place: Path) -> None:
    """Another user's program has the port open, that the service may open as well."""
    master, slave = os.openpty()
    try:
        port = Path(os.ttyname(slave))
        port.chmod(0o666)
        reader = f'driver = "serial"\nformat = "rdm6300"\nport = "{port}"\n'
        config = write(place, OFFLINE.replace(PIPE, reader))
        problems = doctor(config, systemctl(place, *service_of(USER)))
    finally:
        os.close(master)
        os.close(slave)
    (problem,) = [text for what, text in problems.items() if str(port) in what]
    assert "is open in another program: stop" in problem


@pytest.mark.parametrize(
    ("states", "stays_up"),
    [
        (("ActiveState=activating", "SubState=auto-restart"), False),
        (("ActiveState=failed", "SubState=failed"), False),
        (("ActiveState=activating", "SubState=start"), True),
        (("ActiveState=active", "SubState=running"), True),
        (("ActiveState=inactive", "SubState=dead"), True),
    ],
)
def test_a_service_that_does_not_stay_up_is_named(
    place: Path, states: tuple[str, ...], *, stays_up: bool
) -> None:
    """Its log has the reason, be it a secret that nobody but the service misses."""
    found, _ = become(systemctl(place, *service_of(USER), *states))
    problem = found.get("rfid-agent.service", "")
    assert problem == "" if stays_up else "journalctl" in problem


def doctor(config: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run `doctor` as root; return what is wrong."""
    done = run("doctor", "--json", "--config", str(config), env=environment)
    found = json.loads(done.stdout)
    return {one["what"]: one["problem"] for one in found if one["problem"]}


def run(
    *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `rfid-agent` as root."""
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_what_root_synchronises_belongs_to_the_service(place: Path) -> None:
    """Files of root's would be in its way at its next start."""
    config = write(place, OFFLINE)
    state = place / "state"
    state.mkdir()
    user = pwd.getpwnam(USER)
    for path in (state, *place.glob("*.token")):
        os.chown(path, user.pw_uid, user.pw_gid)
    done = run("sync", "--config", str(config))
    assert "Connection refused" in done.stderr
    made = {path.name: path.stat() for path in state.iterdir()}
    assert {"lock", "whitelist.key", "whitelist.db"} <= made.keys()
    owners = {(status.st_uid, status.st_gid) for status in made.values()}
    assert owners == {(user.pw_uid, user.pw_gid)}
