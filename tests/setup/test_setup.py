"""scripts/setup, with every program it calls replaced by one that takes notes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FILES = [
    "pyproject.toml",
    "requirements.lock",
    "requirements-dev.lock",
    "system-packages.txt",
]
# What the scripts, and the pretended programs, use of the real machine.
REAL = ["cat", "chmod", "cut", "dirname", "env", "grep", "mkdir", "mktemp", "rm"]
REAL += ["sed", "sh", "sha256sum", "tr"]

# Notes go to the file calls, next to the folder that holds the programs.
NOTE = '#!/bin/sh\nnotes=$(dirname "$0")/../calls\necho "${0##*/} $*" >>"$notes"\n'
# Knows every package but those listed in the file missing.
DPKG_QUERY = """#!/bin/sh
shift 3
for package; do
    grep -qx "$package" "$(dirname "$0")/../missing" || echo "$package=installed"
done
"""
# Makes environments that hold nothing but this program itself.
PYTHON = (
    NOTE
    + """
case "$*" in
    "-c import sys; sys.exit"*) exit "${TOO_OLD:-0}" ;;
    -VV) echo "Python 3.11.2" ;;
    "-m venv "*)
        mkdir -p "$4/bin"
        cat "$0" >"$4/bin/python"
        chmod +x "$4/bin/python"
        ;;
    *"--require-hashes"*) echo "a build went wrong"; exit "${PIP_EXIT:-0}" ;;
esac
"""
)


@dataclass(frozen=True)
class Machine:
    """A clone of the project and a folder of pretended programs."""

    clone: Path
    programs: Path

    def add(self, name: str, script: str) -> None:
        """Put a program on the PATH."""
        path = self.programs / name
        path.write_text(script)
        path.chmod(0o755)

    def lacks(self, *packages: str) -> None:
        """Pretend that packages are not installed."""
        (self.clone / "missing").write_text("".join(f"{p}\n" for p in packages))

    def setup(
        self, goal: str = "run", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run scripts/setup without a terminal."""
        return subprocess.run(
            [self.clone / "scripts/setup", goal],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
            env={"PATH": str(self.programs), **variables},
        )

    def calls(self, name: str) -> list[str]:
        """Return the arguments of each call of a program so far."""
        notes = [*self.clone.glob("calls"), *self.clone.glob(".venv/calls")]
        lines = [line for file in notes for line in file.read_text().splitlines()]
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{name} ")]

    def installs(self) -> list[str]:
        """Return the pip installations so far."""
        return [call for call in self.calls("python") if " install " in call]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a Debian machine where all packages are there and we are not root."""
    shutil.copytree(PROJECT / "scripts", tmp_path / "scripts")
    for name in FILES:
        shutil.copy(PROJECT / name, tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in REAL:
        program = shutil.which(name)
        assert program is not None
        (programs / name).symlink_to(program)
    machine = Machine(tmp_path, programs)
    machine.lacks()
    machine.add("dpkg", "#!/bin/sh\necho arm64\n")
    machine.add("dpkg-query", DPKG_QUERY)
    machine.add("apt-get", NOTE)
    machine.add("id", "#!/bin/sh\necho 1000\n")
    machine.add("python3", PYTHON)
    return machine


def test_nothing_missing_installs_no_package(machine: Machine) -> None:
    """Only the environment is made, from the lock and nothing else."""
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert machine.calls("apt-get") == []
    locked, project = machine.installs()
    assert locked.endswith("install --require-hashes -r requirements.lock")
    assert project.endswith("install --no-deps --no-build-isolation --editable .")


def test_a_second_run_has_nothing_to_do(machine: Machine) -> None:
    """What was set up stays, and nothing is said."""
    machine.setup()
    before = machine.installs()
    done = machine.setup()
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.installs() == before


def test_a_changed_lock_is_installed(machine: Machine) -> None:
    """The environment follows the lock file."""
    machine.setup()
    with (machine.clone / "requirements.lock").open("a") as lock:
        lock.write("# another version\n")
    machine.setup()
    assert len(machine.installs()) == 4


def test_testing_covers_running(machine: Machine) -> None:
    """After a set-up for tests there is nothing left to do for running."""
    done = machine.setup("test")
    assert done.returncode == 0, done.stderr
    assert machine.calls("python")[-1] == "-m tests.interop.environment"
    machine.setup("run")
    assert len(machine.installs()) == 2


def test_the_virtual_machine_gets_packages_of_its_own(machine: Machine) -> None:
    """What it needs here is installed; what it has inside is fetched and unpacked."""
    machine.lacks("qemu-system-x86", "pcscd", "busybox-static", "linux-image-amd64")
    machine.add("id", "#!/bin/sh\necho 0\n")
    machine.setup("test")
    done = machine.setup("guest")
    assert done.returncode == 0, done.stderr
    assert [call.split()[-2:] for call in machine.calls("apt-get") if "-y" in call] == [
        ["--no-install-recommends", "pcscd"],
        ["pcscd", "qemu-system-x86"],
    ]
    # The environment is the one of the tests.
    assert len(machine.installs()) == 2
    assert machine.calls("python")[-1] == "-m tests.guest.packages"


def test_neither_root_nor_sudo_prints_the_command(machine: Machine) -> None:
    """Whoever has root can paste what is missing; we stop before anything else."""
    machine.lacks("gcc", "libpcsclite-dev", "pcscd")
    done = machine.setup()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].strip() == (
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get "
        "-o DPkg::Lock::Timeout=300 install -y --no-install-recommends "
        "gcc libpcsclite-dev"
    )
    assert machine.calls("apt-get") == machine.installs() == []


def test_sudo_that_asks_is_not_used_without_a_terminal(machine: Machine) -> None:
    """A build server gets the command, not a password prompt."""
    machine.lacks("gcc")
    machine.add("sudo", "#!/bin/sh\nexit 1\n")
    done = machine.setup()
    assert done.returncode == 1
    assert "apt-get update && " in done.stderr
    assert machine.calls("apt-get") == []


@pytest.mark.parametrize("how", ["root", "sudo"])
def test_missing_packages_are_announced_and_installed(
    machine: Machine, how: str
) -> None:
    """The lists are refreshed first, and only what is missing is asked for."""
    machine.lacks("gcc", "pcscd")
    if how == "root":
        machine.add("id", "#!/bin/sh\necho 0\n")
    else:
        machine.add("sudo", '#!/bin/sh\n[ "$1" != -n ] || shift\n"$@"\n')
        machine.add("true", "#!/bin/sh\n")
    done = machine.setup("test")
    assert done.returncode == 0, done.stderr
    assert "gcc # compiles pyscard" in done.stderr
    assert machine.calls("apt-get") == [
        "update",
        "-o DPkg::Lock::Timeout=300 install -y --no-install-recommends gcc pcscd",
    ]


def test_a_failed_installation_is_shown_and_tried_again(machine: Machine) -> None:
    """The chatter of pip appears when it matters, and half is not taken for done."""
    done = machine.setup(PIP_EXIT="3")
    assert done.returncode == 3
    assert "a build went wrong" in done.stderr
    assert machine.setup().returncode == 0
    assert len(machine.installs()) == 3


def test_an_old_python_is_refused(machine: Machine) -> None:
    """Nothing is installed for an interpreter that cannot run the agent."""
    machine.lacks("gcc")
    done = machine.setup(TOO_OLD="1")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "apt-get" not in done.stderr


def test_root_leaves_nothing_in_the_folder(machine: Machine) -> None:
    """Files of root would be in the way of the owner, who sets up the next time."""
    machine.lacks("gcc")
    machine.add("id", "#!/bin/sh\necho 0\n")
    before = set(machine.clone.rglob("*")) | {machine.clone / "calls"}
    assert machine.setup("packages").returncode == 0
    assert machine.calls("apt-get")
    assert set(machine.clone.rglob("*")) == before


def test_a_system_without_python_gets_it(machine: Machine) -> None:
    """A small Debian has none; the packages that are missing bring it along."""
    (machine.programs / "python3").rename(machine.clone / "later")
    machine.lacks("python3-venv")
    machine.add("id", "#!/bin/sh\necho 0\n")
    later = 'PATH=/usr/bin:/bin mv "${0%/*}/../later" "${0%/*}/python3"\n'
    machine.add("apt-get", f"{NOTE}[ $1 = update ] || {later}")
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert "python3-venv" in machine.calls("apt-get")[-1]
    assert len(machine.installs()) == 2


@pytest.mark.parametrize("python", ["python3", "python3.99"])
def test_an_interpreter_that_is_not_there_is_named(
    machine: Machine, python: str
) -> None:
    """No package brings one of any other name, so none is installed for it."""
    machine.lacks("gcc")
    machine.add("id", "#!/bin/sh\necho 0\n")
    (machine.programs / "python3").unlink()
    done = machine.setup(PYTHON=python)
    assert done.returncode == 1
    assert f"Python 3.11 or newer is needed, and {python} is not" in done.stderr
    assert bool(machine.calls("apt-get")) == (python == "python3")


def test_an_unknown_goal_is_a_usage_error(machine: Machine) -> None:
    """A misspelt goal sets nothing up."""
    assert machine.setup("tests").returncode == 2
    assert machine.calls("python3") == []
