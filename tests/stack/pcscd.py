"""The real pcscd with virtual readers, as a child process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.stack import virtual_card

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

SOCKET: Final = Path("/run/pcscd/pcscd.comm")  # Fixed when pcscd is built
DRIVERS: Final = Path("/usr/lib/pcsc/drivers/serial")
DEADLINE_S: Final = 5.0
#: vpcd goes on without its reader then, whose cards find nobody to connect to.
NO_PORT: Final = "Could not initialize connection to virtual ICC"

READER_CONF: Final = """\
FRIENDLYNAME "{name}"
DEVICENAME /dev/null:0x{port:X}
LIBPATH {library}
CHANNELID 0x{port:X}
"""


@dataclass(frozen=True, slots=True)
class VirtualSlot:
    """One virtual reader: its PC/SC name, and the port for its card."""

    reader: str
    port: int


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other test of this machine has a pcscd; skip where none can run."""
    if reason := why_unavailable():
        pytest.skip(reason)
    SOCKET.parent.mkdir(exist_ok=True)
    with (SOCKET.parent / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _answers():
            pytest.skip("another pcscd is running")
        yield


@contextlib.contextmanager
def run_pcscd(directory: Path, *, pairs: int = 1) -> Iterator[Pcscd]:
    """Run a pcscd with empty slots, alone."""
    with alone(), Pcscd(directory, pairs=pairs) as pcscd:
        yield pcscd


def why_unavailable() -> str | None:
    """Say why pcscd cannot run here, if it never can."""
    if not shutil.which("pcscd"):
        return "pcscd is not installed (package pcscd)"
    if not _driver():
        return "vpcd is not installed (package vsmartcard-vpcd)"
    if not os.access(SOCKET.parent if SOCKET.parent.exists() else "/run", os.W_OK):
        return f"this user may not write to {SOCKET.parent}"
    return None


class Pcscd:
    """A pcscd with `pairs` of virtual slots, and nothing else.

    vpcd keeps its state in static variables and serves two slots, so each pair has a
    copy of the library in `directory`.
    """

    def __init__(self, directory: Path, *, pairs: int = 1) -> None:
        self.slots = [
            VirtualSlot(f"Virtual PCD {pair} 00 {slot:02X}", port + slot)
            for pair, port in enumerate(_ports(pairs))
            for slot in range(2)
        ]
        self._log = directory / "pcscd.log"
        self._config = directory / "reader.conf.d"
        self._no_readers = directory / "no-readers.conf.d"
        self._process: subprocess.Popen[bytes] | None = None
        self._configure(directory, pairs)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, plugged: bool = True) -> None:
        """Start it, with or without its readers; return when it serves clients."""
        config = self._config if plugged else self._no_readers
        SOCKET.parent.mkdir(exist_ok=True)
        if _answers():
            raise RuntimeError("another pcscd is running")
        said_before = len(self._said())
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["pcscd", "--foreground", "-c", str(config), *_no_polkit()],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + DEADLINE_S
        while not _answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"pcscd does not start:\n{self._said()}")
            time.sleep(0.002)
        if NO_PORT in (said := self._said()[said_before:]):
            self.kill()
            raise RuntimeError(f"somebody has a port of vpcd:\n{said}")

    def stop(self) -> None:
        """Let it end in order (SIGTERM); harmless when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL), which leaves its socket behind."""
        self._end(signal.SIGKILL)

    def unplug(self) -> None:
        """Take all readers away; vpcd knows no other way than a restart."""
        self.stop()
        self.start(plugged=False)

    def plug(self) -> None:
        """Bring the readers back."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Make it hang (SIGSTOP)."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def _said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        if self._process:
            self.resume()
            self._process.send_signal(how)
            try:
                self._process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _configure(self, directory: Path, pairs: int) -> None:
        self._config.mkdir(parents=True)
        self._no_readers.mkdir()
        driver = _driver()
        if not driver:
            raise RuntimeError("vpcd is not installed")
        for pair, port in enumerate(_ports(pairs)):
            library = directory / f"libifdvpcd-{pair}.so"
            shutil.copy(driver, library)
            (self._config / f"vpcd-{pair}").write_text(
                READER_CONF.format(
                    name=f"Virtual PCD {pair}", port=port, library=library
                )
            )


def _ports(pairs: int) -> range:
    return range(virtual_card.PORT, virtual_card.PORT + 2 * pairs, 2)


def _driver() -> Path | None:
    return next(DRIVERS.glob("libifdvpcd.so.*"), None)


def _no_polkit() -> list[str]:
    """Give the switch that lets every user in, for a pcscd that has one."""
    usage = subprocess.run(
        ["pcscd", "--help"], capture_output=True, check=False, text=True
    )
    return ["--disable-polkit"] if "--disable-polkit" in usage.stdout else []


def _answers() -> bool:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(SOCKET))
        return True
    return False
