"""The daemon as a child that is observed, and the world around it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from string import Template
from typing import TYPE_CHECKING, Any, Final, Self

from agent.cli.client import ask
from agent.errors import AgentError
from benchmarks.tracing import Trace
from tests.pages_server import PagesServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from starlette.types import ASGIApp, Receive, Scope, Send

#: What the daemon shows to every backend here.
TOKEN: Final = PagesServer.credentials_token
_CONFIG: Final = Template("""
[station]
country_code = "SE"
party_id = "ABC"
location_id = "LOC-1"
state_dir = "state"
[authorization]
stop_lockout = "0s"
[clock]
max_wait = "0s"
[reporting]
meter_every = "$meter_every"
update_every = "$update_every"
[[evse]]
uid = "E1"
max_power_w = 1000000000000
charger = { driver = "simulated", control = "../e1.ctl", log = "../e1.jsonl" }
[[reader]]
name = "front"
driver = "pipe"
path = "../cards"
[[upstream]]
name = "cpo"
versions_url = "$versions_url"
token = { file = "cpo.token" }
sync_every = "$sync_every"
""")
_USUAL: Final = {"meter_every": "60s", "update_every": "5min", "sync_every": "1h"}
_PATIENCE_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.02


class Station:
    """The daemon under observation; a context manager."""

    def __init__(self, directory: Path, versions_url: str, **times: str) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.state.mkdir(parents=True)
        self._config = directory / "config.toml"
        self._config.write_text(
            _CONFIG.substitute(_USUAL | times, versions_url=versions_url)
        )
        secret = directory / "cpo.token"
        secret.touch(mode=0o600)
        secret.write_text(TOKEN)
        log = str(directory.resolve() / "e1.jsonl")
        self.trace = Trace(directory / "trace", lambda path: path != log)

    def __enter__(self) -> Self:
        agent = (sys.executable, "-m", "agent.cli.main", "run", "-c", str(self._config))
        self._process = subprocess.Popen(
            [*self.trace.command, *agent],
            env=os.environ | {"NO_PROXY": "127.0.0.1", "WATCHDOG_USEC": "1000000"},
            stderr=subprocess.DEVNULL,
        )
        try:
            self.wait(self._is_ready)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """The daemon itself."""
        return self._process.pid

    def write(self, pipe: str, line: str) -> None:
        """Write a line to a named pipe: a card number, or what a car does."""
        descriptor = os.open(self.directory / pipe, os.O_WRONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{line}\n")

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        ends = time.monotonic() + _PATIENCE_S
        while not is_so():
            if time.monotonic() > ends or self._process.poll() is not None:
                raise RuntimeError("the daemon has ended, or waits for something")
            time.sleep(_LOOK_AGAIN_S)

    def status(self) -> dict[str, Any]:
        """Ask it how it is."""
        answer: dict[str, Any] = ask(self.state, "status")
        return answer

    def is_told(self) -> bool:
        """Whether everything is reported; the journal answers when it has written."""
        return bool(self.status()["outbox"]["waiting"] == 0)

    def count_readings(self) -> int:
        """Look into the journal."""
        path = f"{(self.state / 'journal.db').as_uri()}?mode=ro"
        with closing(sqlite3.connect(path, uri=True)) as journal:
            (readings,) = journal.execute(
                "SELECT count(*) FROM meter_readings"
            ).fetchone()
        return int(readings)

    def _is_ready(self) -> bool:
        try:
            status = self.status()
        except (AgentError, OSError):
            return False
        [listed] = status["whitelist"]
        up = {part["part"] for part in status["parts"] if part["ok"]}
        return listed["swept_at"] is not None and {"reader front", "charger E1"} <= up

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class RequestCounter:
    """Counts the requests for tokens, in front of a server."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note one, and pass it on."""
        if scope.get("path", "").endswith("/tokens"):
            self._seen.append(scope["path"])
        await self._app(scope, receive, send)
