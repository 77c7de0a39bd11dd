"""What a look at a serial port finds, and that it does not open it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.modbus import ModbusCharger
from drivers.chargers.modbus_config import ModbusConfig
from drivers.chargers.openevse import OpenEvseCharger, OpenEvseConfig
from drivers.meters.modbus import ModbusMeter, ModbusMeterConfig
from drivers.readers.nfc import NfcConfig, NfcReader
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from drivers.serial_check import SerialCheck, check_serial_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from drivers.findings import Finding

HOLD = """
import os, sys
os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def port() -> Iterator[str]:
    """Give a pseudo-terminal that this process has open, as it may."""
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def add_process(proc: Path, pid: int, name: str, *opened: str) -> None:
    """Pretend that a program runs and has these files open."""
    (proc / str(pid) / "fd").mkdir(parents=True)
    (proc / str(pid) / "comm").write_text(f"{name}\n")
    for number, path in enumerate(opened):
        (proc / str(pid) / "fd" / str(number)).symlink_to(path)


def test_a_port_that_is_there_is_well(port: str, tmp_path: Path) -> None:
    """It may be used, and nobody else does."""
    add_process(tmp_path, 7, "getty", "/dev/tty1")
    finding = SerialCheck(tmp_path).check(port)
    assert (finding.what, finding.problem) == (f"device {port}", "")


def test_a_port_that_is_not_there() -> None:
    """A cable, mostly."""
    assert "is not there" in check_serial_port("/dev/ttyUSB-nowhere").problem


def test_a_file_is_no_port(tmp_path: Path) -> None:
    """A path that was mistyped may lead to something else."""
    (tmp_path / "file").touch()
    assert "is no serial port" in check_serial_port(str(tmp_path / "file")).problem


@pytest.mark.parametrize(("kind", "is_port"), [("tty", True), ("hidraw", False)])
def test_another_device_is_no_port(
    port: str,
    tmp_path: Path,
    kind: str,
    is_port: bool,  # noqa: FBT001 - a table
) -> None:
    """A reader of another kind at that path: nobody is asked to stop what holds it."""
    number = Path(port).stat().st_rdev
    entry = tmp_path / f"dev/char/{os.major(number)}:{os.minor(number)}"
    (tmp_path / "class" / kind).mkdir(parents=True)
    entry.mkdir(parents=True)
    (entry / "subsystem").symlink_to(tmp_path / "class" / kind)
    add_process(tmp_path, 7, "udevd", port)
    problem = SerialCheck(tmp_path, tmp_path).check(port).problem
    assert ("stop udevd" if is_port else "is no serial port") in problem


def test_a_console_is_named(port: str, tmp_path: Path) -> None:
    """Boot messages are no charger's language."""
    name = Path(port).name
    (tmp_path / "consoles").write_text(f"{name}                -W- (EC  p a)    4:64\n")
    assert "kernel's console" in SerialCheck(tmp_path).check(port).problem


def test_a_program_that_holds_it_is_named(port: str, tmp_path: Path) -> None:
    """ModemManager asks everything that is plugged in whether it is a modem."""
    add_process(tmp_path, 7, "ModemManager", "/dev/null", port)
    add_process(tmp_path, 8, "getty", "/dev/tty1", port)
    problem = SerialCheck(tmp_path).check(port).problem
    assert problem == "is open in another program: stop ModemManager, getty"


def test_a_link_is_followed(port: str, tmp_path: Path) -> None:
    """The kernel knows devices by their own names only."""
    link = tmp_path / "by-id"
    link.symlink_to(port)
    proc = tmp_path / "proc"
    add_process(proc, 7, "minicom", port)
    assert "minicom" in SerialCheck(proc).check(str(link)).problem


def test_the_agent_itself_may_hold_it(port: str, tmp_path: Path) -> None:
    """The doctor comes while the patient is at work."""
    add_process(tmp_path, 7, "rfid-agent", port)
    assert SerialCheck(tmp_path).check(port).ok


def test_a_process_that_ends_meanwhile_is_nobody(port: str, tmp_path: Path) -> None:
    """It is gone before its name could be read."""
    (tmp_path / "7" / "fd").mkdir(parents=True)
    (tmp_path / "7" / "fd" / "0").symlink_to(port)
    assert SerialCheck(tmp_path).check(port).ok


def test_a_real_program_is_found(port: str) -> None:
    """The same with the kernel's own files."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert "is open in another program: stop python" in (
            check_serial_port(port).problem
        )
        holder.communicate()
    assert check_serial_port(port).ok


def test_a_serial_server_is_left_alone() -> None:
    """Many know one client only."""
    finding = check_serial_port("socket://192.0.2.7:4001")
    assert (finding.what, finding.ok) == (
        "serial server socket://192.0.2.7:4001, not asked",
        True,
    )


DRIVERS: dict[str, Callable[[str], Iterable[Finding]]] = {
    "serial reader": lambda port: SerialReader(
        SerialReaderConfig(port=port, format=Format.RDM6300)
    ).check(),
    "nfc": lambda port: NfcReader(NfcConfig(device=port)).check(),
    "openevse": lambda port: OpenEvseCharger(OpenEvseConfig(port=port)).check(),
    "modbus charger": lambda port: ModbusCharger(
        ModbusConfig(port=port, limit_amps=16)
    ).check(),
    "modbus meter": lambda port: ModbusMeter(ModbusMeterConfig(port=port)).check(),
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_driver_on_a_serial_port_looks_at_it(driver: str, port: str) -> None:
    """A cable that is out is named before anybody starts the agent."""
    assert all(finding.ok for finding in DRIVERS[driver](port))
    problems = [one.problem for one in DRIVERS[driver]("/dev/ttyUSB-nowhere")]
    assert [problem for problem in problems if "is not there" in problem]
