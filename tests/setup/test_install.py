"""scripts/install, into a folder, with an interpreter that only takes notes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
EXTRAS = PROJECT / "systemd/extras"

# Makes environments that hold nothing but this program; a script on its standard
# input is for the real interpreter.
PYTHON = f"""#!/bin/sh
case "$1 $2" in
    "-m venv")
        mkdir -p "$3/bin" "$3/lib/python3.new" &&
            rm -f "$3/bin/python" && cp "$0" "$3/bin/python"
        ;;
    "-c import pip") test -d "$(dirname "$0")/../lib/python3.new" ;;
    "-m pip")
        echo "$*" >>"$(dirname "$0")/../pip-calls"
        for last; do :; done
        [ ! -d "$last" ] || ls "$last" >"$(dirname "$0")/../built"
        ;;
    "- "*) exec {sys.executable} "$@" ;;
esac
"""


@dataclass(frozen=True)
class Station:
    """A machine's file system, where the agent is installed."""

    root: Path
    python: Path

    def install(
        self, extras: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Install, or upgrade; None leaves EXTRAS out."""
        variables = {} if extras is None else {"EXTRAS": extras}
        return subprocess.run(
            [PROJECT / "scripts/install"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "DESTDIR": str(self.root),
                "PYTHON": str(self.python),
                **variables,
                **more,
            },
        )

    def pip_calls(self) -> list[str]:
        """What pip was asked for, and forget it."""
        notes = self.root / "opt/rfid-agent/pip-calls"
        calls = notes.read_text().splitlines()
        notes.unlink()
        return calls

    def files_of_extras(self) -> set[str]:
        """Name the files that only an extra brings."""
        return {
            str(path.relative_to(self.root))
            for directory in ("etc", "usr")
            for path in (self.root / directory).rglob("*")
            if path.is_file()
            and re.search(r"service\.d/|-(gpio|wedge|modbus|nfc-usb)\.", str(path))
        }


GPIO = {
    "etc/systemd/system/rfid-agent.service.d/gpio.conf",
    "etc/udev/rules.d/60-rfid-agent-gpio.rules",
    "usr/lib/sysusers.d/rfid-agent-gpio.conf",
}
WEDGE = {"etc/systemd/system/rfid-agent.service.d/wedge.conf"}


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Give a machine without the agent."""
    python = tmp_path / "python3"
    python.write_text(PYTHON)
    python.chmod(0o755)
    root = tmp_path / "root"
    root.mkdir()
    return Station(root, python)


def test_without_extras_only_what_everybody_needs(station: Station) -> None:
    """No drop-in opens a device that nobody asked for."""
    done = station.install()
    assert done.returncode == 0, done.stderr
    locked, project = station.pip_calls()
    assert locked.endswith("install --require-hashes -r requirements.lock")
    assert "--no-deps" in project
    assert station.files_of_extras() == set()


def test_what_a_careful_root_installs_is_open_to_the_service(
    station: Station,
) -> None:
    """Its umask is not ours: another user has to run the program."""
    before = os.umask(0o077)
    try:
        done = station.install("gpio")
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    folders = [station.root / "opt/rfid-agent", station.root / "usr/bin"]
    folders += [path.parent for path in station.root.rglob("*.conf")]
    closed = [path for path in folders if path.stat().st_mode & 0o005 != 0o005]
    assert closed == []


def test_the_program_is_built_from_a_copy(station: Station, tmp_path: Path) -> None:
    """Root's files would be in the owner's way here, and old ones be installed.

    Nothing is left of the copy.
    """
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = station.install(TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    source = Path(station.pip_calls()[-1].split()[-1])
    assert source.parent == temporary
    built = (station.root / "opt/rfid-agent/built").read_text().split()
    assert built == ["README.md", "agent", "drivers", "pyproject.toml"]
    assert list(temporary.iterdir()) == []


def test_extras_bring_their_packages_and_permissions(station: Station) -> None:
    """Packages come in the tested versions, with hashes; the service may use them."""
    done = station.install("gpio modbus wedge")
    assert done.returncode == 0, done.stderr
    _, extras, _ = station.pip_calls()
    assert "--require-hashes --constraint requirements-dev.lock" in extras
    assert [word.partition(">")[0] for word in extras.split()[-3:]] == [
        "gpiod",
        "pymodbus",
        "evdev",
    ]
    assert station.files_of_extras() == GPIO | WEDGE


def test_an_upgrade_keeps_the_extras(station: Station) -> None:
    """Whoever forgets them once does not lose a charger."""
    station.install("gpio")
    station.pip_calls()
    station.install()
    assert any("gpiod" in call for call in station.pip_calls())
    assert station.files_of_extras() == GPIO


def test_an_environment_of_an_older_python_is_made_anew(station: Station) -> None:
    """The Python of the system's next release finds nothing in it, not even pip."""
    station.install("gpio")
    station.pip_calls()
    home = station.root / "opt/rfid-agent"
    (home / "lib/python3.new").rename(home / "lib/python3.old")
    done = station.install()
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (home / "lib").iterdir()] == ["python3.new"]
    assert any("gpiod" in call for call in station.pip_calls())
    assert station.files_of_extras() == GPIO


def test_an_environment_that_works_is_kept(station: Station) -> None:
    """An upgrade makes no new one, which would take minutes."""
    station.install()
    kept = station.root / "opt/rfid-agent/lib/kept"
    kept.touch()
    station.install()
    assert kept.exists()


def test_an_extra_that_is_not_wanted_any_more_goes(station: Station) -> None:
    """The service loses the permission with it."""
    station.install("gpio wedge")
    station.install("wedge")
    assert station.files_of_extras() == WEDGE
    station.install("")
    assert station.files_of_extras() == set()


def test_an_extra_without_packages_installs_none(station: Station) -> None:
    """The library libusb comes with the system's packages."""
    station.install("nfc-usb")
    assert len(station.pip_calls()) == 2


def test_an_unknown_extra_installs_nothing(station: Station) -> None:
    """A slip of the pen is told with what there is."""
    done = station.install("gpoi")
    assert done.returncode == 2
    assert done.stderr == (
        "install: there is no extra gpoi; EXTRAS is any of: gpio modbus nfc-usb wedge\n"
    )
    assert list(station.root.iterdir()) == []


def test_every_package_of_an_extra_is_locked() -> None:
    """Pip would refuse to install what has no hash."""
    lock = (PROJECT / "requirements-dev.lock").read_text()
    for package in ("gpiod", "pymodbus", "evdev"):
        assert re.search(rf"^{package}==\S+", lock, re.MULTILINE), package


def test_every_folder_of_an_extra_can_be_asked_for(station: Station) -> None:
    """No folder is left out of the script."""
    names = sorted(path.name for path in EXTRAS.iterdir())
    assert station.install(" ".join(names)).returncode == 0


@pytest.mark.stack
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_the_service_with_every_extra_is_valid(tmp_path: Path) -> None:
    """Drop-ins are understood, and the service stays locked in."""
    program = shutil.which("true")
    assert program is not None
    unit = tmp_path / "rfid-agent.service"
    text = (PROJECT / "systemd/rfid-agent.service").read_text()
    unit.write_text(text.replace("/usr/bin/rfid-agent", program))
    drop_ins = tmp_path / "rfid-agent.service.d"
    drop_ins.mkdir()
    for extra in EXTRAS.iterdir():
        shutil.copy(extra / "service.conf", drop_ins / f"{extra.name}.conf")
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            "--recursive-errors=no",
            unit,
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
