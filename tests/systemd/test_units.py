"""The service, its user, its folders and its permissions are what we say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
SERVICE = "rfid-agent.service"
PROGRAM = "/usr/bin/rfid-agent"
EXPOSURE_LIMIT = 2.0

pytestmark = pytest.mark.stack


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program, keep what it says in plain text."""
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
    )


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Give the unit as it is, but for a program that exists on this machine."""
    path = tmp_path / SERVICE
    program = shutil.which("true")
    assert program is not None
    path.write_text((UNITS / SERVICE).read_text().replace(PROGRAM, program))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give an empty file system in which the agent's user was created."""
    (tmp_path / "etc").mkdir()
    users = UNITS / "rfid-agent.sysusers.conf"
    done = run("systemd-sysusers", f"--root={tmp_path}", users)
    assert done.returncode == 0, done.stderr
    return tmp_path


def settings(section: str, key: str) -> list[str]:
    """Return every value of a setting, as the unit file lists them."""
    lines = (UNITS / SERVICE).read_text().splitlines()
    start = lines.index(f"[{section}]") + 1
    ends = (n for n, line in enumerate(lines[start:], start) if line.startswith("["))
    body = lines[start : next(ends, len(lines))]
    return [line.partition("=")[2] for line in body if line.startswith(f"{key}=")]


def test_systemd_has_nothing_to_say_about_the_unit(service: Path) -> None:
    """No unknown key, no misspelt value, no missing program."""
    # A unit that ours depends on may have faults of its own: not our subject.
    done = run(
        "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", service
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_misspelt_key_would_be_noticed(service: Path) -> None:
    """The check above is able to fail."""
    service.write_text(
        service.read_text().replace("RestrictRealtime=", "RestrictRealTime=")
    )
    done = run(
        "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", service
    )
    assert "RestrictRealTime" in done.stderr


def test_the_service_is_locked_in(service: Path) -> None:
    """The exposure that systemd computes stays below our limit."""
    done = run("systemd-analyze", "security", "--no-pager", "--offline=true", service)
    overall = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert overall is not None, done.stderr
    assert float(overall[1]) <= EXPOSURE_LIMIT


def test_start_up_waits_for_neither_network_nor_clock() -> None:
    """A card is decided from a cold boot with the cable cut."""
    dependencies = [
        value
        for key in ("After", "Wants", "Requires", "BindsTo", "Requisite")
        for value in settings("Unit", key)
    ]
    assert dependencies == ["pcscd.socket", "pcscd.socket"]


def test_a_bad_configuration_reaches_no_running_service() -> None:
    """Start and reload check the configuration first, and then only use it."""
    check = f"{PROGRAM} check-config /etc/rfid-agent/config.toml"
    assert settings("Service", "ExecStartPre") == [check]
    assert settings("Service", "ExecReload") == [check, "/bin/kill -HUP $MAINPID"]


def test_a_missing_secret_does_not_prevent_the_start() -> None:
    """Credentials are named without a path: systemd skips those not found."""
    credentials = settings("Service", "LoadCredential")
    assert credentials
    assert not [value for value in credentials if "/" in value]


def test_serial_ports_of_every_kind_may_be_opened() -> None:
    """Classes as the kernel's drivers register them; a number holds before that."""
    classes = {
        "char-188",  # ttyUSB
        "char-166",  # ttyACM
        "char-204",  # ttyAMA
        "char-4",  # ttyS
        "char-ttySC",  # The kernel chooses its number.
    }
    allowed = settings("Service", "DeviceAllow")
    assert len(allowed) == len(classes)
    assert set(allowed) == {f"{one} rw" for one in classes}
    assert settings("Service", "DevicePolicy") == ["closed"]


def test_what_reload_calls_is_installed() -> None:
    """A small Debian may lack even kill."""
    (reload,) = (one for one in settings("Service", "ExecReload") if "kill" in one)
    assert reload.startswith("/bin/kill ")
    packages = (UNITS.parent / "system-packages.txt").read_text()
    assert re.search("^run +procps ", packages, re.MULTILINE)


def test_the_user_is_locked(root: Path) -> None:
    """Nobody can log in as the agent."""
    passwd = (root / "etc/passwd").read_text().split(":")
    assert passwd[0] == "rfid-agent"
    assert passwd[5:] == ["/var/lib/rfid-agent", "/usr/sbin/nologin\n"]
    assert settings("Service", "User") == [passwd[0]]


def test_the_folders_file_parses(root: Path) -> None:
    """Its modes, users and groups are understood once the user exists."""
    # --clean reads every line and needs no privilege, unlike --create.
    folders = UNITS / "rfid-agent.tmpfiles.conf"
    done = run("systemd-tmpfiles", f"--root={root}", "--clean", folders)
    assert (done.returncode, done.stderr) == (0, "")
    entry = folders.read_text().splitlines()[-1]
    assert entry == "d /etc/rfid-agent 0750 root rfid-agent -"


def test_polkit_lets_our_user_read_cards_and_nobody_else() -> None:
    """Both actions of pcsc-lite, one user, no other condition."""
    rule = (UNITS / "50-rfid-agent.rules").read_text()
    code = re.sub(r"^\s*//.*$", "", rule, flags=re.MULTILINE)
    assert re.findall(r'action\.id == "([^"]+)"', code) == [
        "org.debian.pcsc-lite.access_pcsc",
        "org.debian.pcsc-lite.access_card",
    ]
    condition = " ".join(code.split())
    assert '") && subject.user == "rfid-agent") { return polkit.Result.YES; }' in (
        condition
    )
    assert condition.count("polkit.Result.") == condition.count("subject.") == 1


def test_every_device_rule_gives_one_reader_to_our_group() -> None:
    """A rule names one vendor and product and never opens a device to all."""
    text = (UNITS / "60-rfid-agent.rules").read_text()
    rules = [line for line in text.splitlines() if "GROUP" in line]
    grant = re.compile(
        r'(ATTRS?)\{idVendor\}=="[0-9a-f]{4}", \1\{idProduct\}=="[0-9a-f]{4}", '
        r'GROUP(:?)="rfid-agent", MODE\2="0660"'
    )
    assert rules
    assert [rule for rule in rules if not grant.fullmatch(rule)] == []


def test_no_later_rule_takes_a_keyboard_back() -> None:
    """99-com.rules of Raspberry Pi OS gives all of them to the group input."""
    text = (UNITS / "60-rfid-agent.rules").read_text()
    keyboards = [line for line in text.splitlines() if line.startswith("ATTRS")]
    assert keyboards
    assert [line for line in keyboards if 'GROUP:="' not in line] == []
    assert [line for line in keyboards if 'MODE:="' not in line] == []


def test_device_rules_jump_to_labels_that_exist() -> None:
    """A GOTO without its LABEL would skip the rest of the file."""
    text = (UNITS / "60-rfid-agent.rules").read_text()
    targets = set(re.findall(r'GOTO="(\w+)"', text))
    assert targets == set(re.findall(r'LABEL="(\w+)"', text))


def test_the_blacklist_names_drivers_only() -> None:
    """It blacklists what grabs our readers, and does nothing else."""
    text = (UNITS / "rfid-agent-reader-blacklist.conf").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert sorted(lines) == sorted(
        f"blacklist {module}" for module in ("nfc", "pn533", "pn533_usb", "port100")
    )
