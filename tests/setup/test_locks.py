"""The lists of what is installed: system packages, and the locked versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def requirements(lock: str) -> list[str]:
    """Return the requirements of a lock file, each on one line."""
    text = (PROJECT / lock).read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def pins(lock: str) -> set[str]:
    """Return the name==version of each requirement of a lock file."""
    return {line.split()[0] for line in requirements(lock)}


def test_every_package_has_a_group_and_a_reason() -> None:
    """The list of system packages can be read by people and by the script."""
    text = (PROJECT / "system-packages.txt").read_text()
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    entry = re.compile(r"(run|run-armhf|test|guest|unpacked) +[a-z0-9.+-]+ +# \S.*")
    assert [line for line in lines if not entry.fullmatch(line)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_version_and_hashes(lock: str) -> None:
    """What is installed is what was locked, byte for byte."""
    entry = re.compile(
        r"[a-z0-9-]+==[0-9][\w.]*( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+"
    )
    assert requirements(lock)
    assert [line for line in requirements(lock) if not entry.fullmatch(line)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_source(lock: str) -> None:
    """Where packages come from is the installing machine's business."""
    text = (PROJECT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash", ""), re.MULTILINE)


def test_what_runs_is_tested_in_the_same_version() -> None:
    """The lock for development contains the one for running."""
    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()


def test_the_locks_are_up_to_date_with_the_project() -> None:
    """Every dependency of pyproject.toml is locked; `make lock` mends this."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    running = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["web"],
    ]
    wanted = {
        "requirements.lock": running,
        "requirements-dev.lock": [*running, *project["dependency-groups"]["dev"]],
    }
    for lock, names in wanted.items():
        locked = {pin.partition("==")[0] for pin in pins(lock)}
        assert {re.split(r"[<>=\[]", name)[0] for name in names} - locked == set()
