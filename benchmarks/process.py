"""The daemon as a process: how long it takes to start, and what it holds when idle."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.synchronisation import resident_mib
from benchmarks.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROUNDS = 7
_READY_WITHIN_S = 30
_CONFIG = """
[station]
country_code = "SE"
party_id = "ABC"
location_id = "LOC-1"
state_dir = "state"
[[evse]]
uid = "E1"
charger = { driver = "simulated", control = "e1.ctl", log = "e1.jsonl" }
[[reader]]
name = "front"
driver = "pipe"
path = "cards"
[[upstream]]
name = "cpo"
versions_url = "http://127.0.0.1:9/ocpi/versions"
token = { file = "cpo.token" }
"""


def measure(directory: Path) -> Iterator[Verdict]:
    """Start the daemon several times, the imports it is measured by in between."""
    directory.mkdir()
    token = directory / "cpo.token"
    token.write_text("benchmark")
    token.chmod(0o600)
    config = directory / "config.toml"
    config.write_text(_CONFIG)
    ready: list[float] = []
    imports: list[float] = []
    idle: list[float] = []
    for _ in range(_ROUNDS):
        begin = perf_counter()
        subprocess.run([sys.executable, "-c", "import httpx, sqlite_utils"], check=True)
        imports.append(perf_counter() - begin)
        begin = perf_counter()
        with _daemon(config) as process:
            ready.append(perf_counter() - begin)
            idle.append(resident_mib(process.pid))
    yield Verdict(
        "ready for a card / import httpx, sqlite_utils",
        median(ready) / median(imports),
        3.0,
        "x",
        note=f"{median(ready) * 1000:.0f} ms / {median(imports) * 1000:.0f} ms",
    )
    yield Verdict("resident memory when idle", median(idle), 64, "MiB")


@contextmanager
def _daemon(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the daemon; entered when it says that it is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        path = config.with_name("notify.sock")
        path.unlink(missing_ok=True)
        notifications.bind(str(path))
        notifications.settimeout(_READY_WITHIN_S)
        process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli.main", "run", "-c", str(config)],
            env={**os.environ, "NOTIFY_SOCKET": str(path)},
            stderr=subprocess.DEVNULL,
        )
        try:
            while b"READY=1" not in notifications.recv(4096):
                pass
            yield process
        finally:
            process.terminate()
            process.wait()
