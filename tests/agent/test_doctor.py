"""What doctor looks at, and that it names causes."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from agent import doctor
from agent.config import load_config
from tests.agent.config.station_file import GOOD, write

if TYPE_CHECKING:
    from pathlib import Path

    from drivers.findings import Finding


def examine(path: Path) -> dict[str, str]:
    """Collect the findings of a configuration file."""

    async def collect() -> list[Finding]:
        return [one async for one in doctor.examine(load_config(path))]

    return {one.what: one.problem for one in asyncio.run(collect())}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a configuration whose backends are nowhere."""
    nowhere = GOOD.replace("https://backend.example", "http://127.0.0.1:9")
    nowhere = nowhere.replace("https://hub.example", "http://127.0.0.1:9")
    return write(tmp_path, nowhere)


def problem_of(found: dict[str, str], start: str) -> str:
    """Return what is wrong with the one thing whose name begins like this."""
    (problem,) = [text for what, text in found.items() if what.startswith(start)]
    return problem


def test_a_station_that_never_ran(path: Path) -> None:
    """Its files are not there yet, its drivers are fine, its backends are silent."""
    found = examine(path)
    state = f"state directory {path.parent / 'state'}"
    assert found[f"{state}, made at the first start"] == ""
    assert problem_of(found, "reader front (pipe)") == ""
    assert problem_of(found, "charger of SE*ABC*E1 (simulated)") == ""
    assert "127.0.0.1" in problem_of(found, "upstream cpo") or "refused" in problem_of(
        found, "upstream cpo"
    )


def test_a_state_directory_that_nobody_can_make_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's own is made by systemd, as root; another one is not."""
    monkeypatch.setattr("os.access", lambda *_: False)
    problem = problem_of(examine(path), "state directory")
    assert f"cannot make it in {path.parent};" in problem
    monkeypatch.setattr(doctor, "_MADE_BY_SYSTEMD", path.parent / "state")
    assert problem_of(examine(path), "state directory") == ""


def test_a_token_of_the_service_that_does_not_run_is_no_mistake(path: Path) -> None:
    """Systemd hands it to the running service only, so its backend is not asked."""
    text = path.read_text().replace(
        '{ file = "cpo.token" }', '{ credential = "cpo-token" }'
    )
    path.write_text(text)
    found = examine(path)
    assert problem_of(found, "upstream cpo, not asked: only the running service") == ""
    assert problem_of(found, "configuration: [[upstream]] number 1 token") == ""
    assert "Connection refused" in problem_of(found, "upstream hub")


def test_a_damaged_journal_is_named(path: Path) -> None:
    """It is looked at, and left as it is."""
    state = path.parent / "state"
    state.mkdir()
    (state / "journal.db").write_bytes(b"no database" * 1000)
    found = examine(path)
    assert "journal.db" in problem_of(found, "database journal.db")
    assert (state / "journal.db").read_bytes() == b"no database" * 1000
    assert problem_of(found, "database whitelist.db, not begun yet") == ""


def test_a_full_disk_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is left, and what is needed."""
    (path.parent / "state").mkdir()
    usage = type("Usage", (), {"free": 5 * 2**20})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert "5 MiB left" in problem_of(examine(path), "state directory")


def sensor(hwmon: Path, number: int, name: str, **readings: str) -> None:
    """Add a chip to /sys/class/hwmon, as the kernel lays it out."""
    chip = hwmon / f"hwmon{number}"
    chip.mkdir(parents=True)
    for file, content in {"name": name, **readings}.items():
        (chip / file).write_text(f"{content}\n")


@pytest.mark.parametrize(("alarm", "words"), [("0", ""), ("1", "too weak right now")])
def test_a_weak_power_supply_is_named(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    alarm: str,
    words: str,
) -> None:
    """A Raspberry Pi tells by one of its sensors, whose number may be any."""
    sensor(tmp_path / "hwmon", 0, "cpu_thermal", temp1_input="51000")
    sensor(tmp_path / "hwmon", 1, "pwmfan", in0_lcrit_alarm="1")
    sensor(tmp_path / "hwmon", 2, "rpi_volt", in0_lcrit_alarm=alarm)
    monkeypatch.setattr(doctor, "_SENSORS", tmp_path / "hwmon")
    problem = problem_of(examine(path), "power supply")
    assert (words in problem) if words else not problem


@pytest.mark.parametrize("readings", [{}, {"in0_lcrit_alarm": "?"}])
def test_where_nothing_tells_of_the_supply_nothing_is_said(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    readings: dict[str, str],
) -> None:
    """Neither that it is weak nor that it is fine."""
    sensor(tmp_path / "hwmon", 0, "rpi_volt", **readings)
    monkeypatch.setattr(doctor, "_SENSORS", tmp_path / "hwmon")
    assert not [what for what in examine(path) if what.startswith("power")]


def test_a_backend_that_hangs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for a while, which is told, and the others are asked as well."""
    monkeypatch.setattr(doctor, "BACKEND_WITHIN_S", 0.05)
    asked: list[str] = []

    async def main() -> dict[str, str]:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            text = GOOD.replace("https://backend.example", url)
            text = text.replace("https://hub.example", url)
            config = load_config(write(tmp_path, text))
            looking = doctor.look_at_backends(config, asked.append)
            return {one.what: one.problem async for one in looking}

    found = asyncio.run(main())
    assert list(found) == asked == ["upstream cpo", "upstream hub"]
    assert {problem[:12] for problem in found.values()} == {"no answer wi"}
