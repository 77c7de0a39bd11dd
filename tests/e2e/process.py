"""The daemon as a process: started from its configuration file, stopped, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from agent.control import SOCKET
from tests.e2e.streams import EventStream, ServiceManager
from tests.e2e.tables import (
    TOKEN_FILE,
    Backend,
    Tables,
    default_tables,
    secret_of,
    to_toml,
)
from tests.e2e.waiting import PATIENCE_S, until
from tests.interop.environment import PROJECT_ROOT

if TYPE_CHECKING:
    from types import TracebackType

    from tests.e2e.streams import Event

COMMAND: Final = (sys.executable, "-m", "agent.cli.main")
STOPS_WITHIN_S: Final = 5.0


class DaemonProcess:
    """A daemon and its files, over any number of starts.

    A context manager. It starts the daemon, unless told not to; leaving it ends the
    daemon in order and looks at what is left behind. Change `tables` and `environment`
    before start(), restart() or reload().
    """

    def __init__(self, server: Backend, *, start: bool = True) -> None:
        self.tables: Tables = default_tables()
        self.environment: dict[str, str] = {}
        self._start_at_once = start
        self._log_read = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._stream: EventStream | None = None
        self._heard: list[Event] = []
        # Short, because a socket's path may have 107 characters.
        self._home = tempfile.TemporaryDirectory(prefix="station-")
        self.directory = Path(self._home.name)
        self.state = self.directory / "state"
        self.state.mkdir(mode=0o700)
        self.config = self.directory / "config.toml"
        self.manager = ServiceManager(self.directory / "notify")
        self.use(server)

    def __enter__(self) -> Self:
        if self._start_at_once:
            try:
                self.start()
            except BaseException:
                self._clean_up()
                raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc is None:
                self.terminate()
                self.inspect()
        finally:
            self._clean_up()

    def inspect(self) -> None:
        """Look at what a test has left behind; the daemon has ended."""

    # ---- start and end --------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The running daemon's process."""
        assert self._process is not None, "the daemon does not run"
        return self._process.pid

    def use(self, server: Backend) -> None:
        """Point the first upstream to this server, from the next start on."""
        self.tables["upstream"][0]["versions_url"] = server.versions_url
        secret = self.directory / TOKEN_FILE
        secret.write_text(secret_of(server))
        secret.chmod(0o600)

    def write_config(self) -> None:
        """Write the tables into the configuration file."""
        self.config.write_text(to_toml(self.tables))

    def start(self) -> None:
        """Run the daemon and return when it is ready."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Run the daemon, ready or not."""
        assert self._process is None, "the daemon runs already"
        self.write_config()
        notify = {"NOTIFY_SOCKET": str(self.manager.path)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "run", "--config", str(self.config)],
                cwd=PROJECT_ROOT,
                env=os.environ | notify | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        """Wait for READY=1, then listen to events."""
        self.manager.expect("READY=1", self.is_alive)
        self.watch()

    def watch(self) -> None:
        """Listen to events from now on."""
        self._hang_up()
        self._stream = EventStream(self.state / SOCKET)

    def terminate(self) -> None:
        """End it as systemd would, and check how; harmless when it does not run."""
        if self._process is None:
            return
        began = time.monotonic()
        self._process.terminate()
        status = self.exit_status()
        took_s = time.monotonic() - began
        assert status == 0, f"exit status {status}"
        assert took_s < STOPS_WITHIN_S, f"took {took_s:.1f} s to end"

    def kill(self) -> None:
        """End it at once, wherever it is; harmless when it does not run."""
        if self._process is not None:
            self._process.kill()
            self.exit_status()

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        os.kill(self.pid, signal.SIGINT)

    def restart(self) -> None:
        """Start again on the same state, after an orderly end if it still runs."""
        self.terminate()
        self.start()

    def reload(self) -> None:
        """Have the tables read while it runs; wait_until_ready() when they are good."""
        self.write_config()
        os.kill(self.pid, signal.SIGHUP)

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def exit_status(self) -> int:
        """Wait for its end."""
        assert self._process is not None, "the daemon does not run"
        status = self._process.wait(PATIENCE_S)
        self._process = None
        self._hang_up()
        return status

    # ---- what it says ---------------------------------------------------------------

    @property
    def events(self) -> EventStream:
        """The events since the daemon was ready."""
        assert self._stream is not None, "the daemon does not run"
        return self._stream

    def heard(self) -> list[Event]:
        """Every event of all runs."""
        return self._heard + (self._stream.all() if self._stream else [])

    def log(self) -> str:
        """Everything that was logged, over all starts."""
        return self._log.read_text() if self._log.exists() else ""

    def expect_log(self, *texts: str) -> str:
        """Return the next line with these texts; those before it are passed over."""
        return until(lambda: self._find_line(texts), f"{texts} in the log")

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _find_line(self, texts: tuple[str, ...]) -> str | None:
        lines = self.log().splitlines()
        for number in range(self._log_read, len(lines)):
            if all(text in lines[number] for text in texts):
                self._log_read = number + 1
                return lines[number]
        return None

    # ---- inside ---------------------------------------------------------------------

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._heard += self._stream.all()
            self._stream = None

    def _clean_up(self) -> None:
        self.kill()
        # Shown by pytest when the test has failed.
        sys.stdout.write(self.log())
        self.manager.close()
        self._home.cleanup()
