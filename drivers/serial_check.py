"""A look at a serial port that does not open it: opening one resets some devices."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drivers.findings import Finding, check_device

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the agent's processes are called; a port that it holds itself is well.
OURS: Final = "rfid-agent"


@dataclass(frozen=True, slots=True)
class SerialCheck:
    """Where to look; the fields are for tests."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")

    def check(self, url: str) -> Finding:
        """Look at what `drivers.serial_port.SerialPort` would open.

        Only root sees every program that holds a port. A serial server is left alone:
        many know one client only, and that is the running agent.
        """
        if "://" in url:
            return Finding(f"serial server {url}, not asked")
        path = Path(url)
        finding = check_device(path)
        if not finding.ok:
            return finding
        if problem := self._problem(path):
            return Finding(finding.what, problem)
        return finding

    def _problem(self, path: Path) -> str:
        status = path.stat()
        if not stat.S_ISCHR(status.st_mode) or self._is_of_another_kind(status.st_rdev):
            return "is no serial port: correct the path; see what is: ls /dev/serial"
        # Boot messages and a login prompt would be written to whatever hangs on it.
        if path.resolve().name in self._consoles():
            return (
                "is the kernel's console: take its console=… out of "
                "/boot/firmware/cmdline.txt (raspi-config does) and boot"
            )
        others = sorted({name for name in self._holders(path) if name != OURS})
        if others:
            return f"is open in another program: stop {', '.join(others)}"
        return ""

    def _is_of_another_kind(self, device: int) -> bool:
        """Say whether the kernel counts it among something else; it may say nothing."""
        entry = self.sys / f"dev/char/{os.major(device)}:{os.minor(device)}/subsystem"
        return entry.exists() and entry.resolve().name != "tty"

    def _consoles(self) -> set[str]:
        try:
            lines = (self.proc / "consoles").read_text(encoding="ascii").splitlines()
        except OSError:
            return set()
        return {line.split()[0] for line in lines if line.strip()}

    def _holders(self, path: Path) -> Iterator[str]:
        """Name the programs that have this port open, as far as we may see them."""
        target = str(path.resolve())
        for process in self.proc.glob("[0-9]*"):
            if process.name == str(os.getpid()):
                continue
            try:
                links = [link.readlink() for link in (process / "fd").iterdir()]
                name = (process / "comm").read_text(encoding="utf-8").strip()
            except OSError:  # Not ours to see, or it has just ended
                continue
            if any(str(link) == target for link in links):
                yield name


def check_serial_port(url: str) -> Finding:
    """Look at a serial port, or a serial server, without disturbing it."""
    return SerialCheck().check(url)
