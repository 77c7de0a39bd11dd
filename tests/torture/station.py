"""A charge point under torture: its files, its daemons, its cars and cards."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agent.cli.client import UnreachableError, ask
from tests.e2e import tables
from tests.torture.chargers import ChargerLog
from tests.torture.daemons import PATIENCE_S, DiedError
from tests.torture.orders import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.torture.backend import Backend
    from tests.torture.daemons import Daemon, Zygote
    from tests.torture.orders import Passage

T = TypeVar("T")

EVSE: Final = "e1"
READER: Final = "front"
#: Both kinds of intervals: no reading is reported before the end, or each at once.
NEVER: Final = "1h"
ALWAYS: Final = "0.001ms"
_POLL_S: Final = 0.002
_FACT: Final = re.compile(r"(\w+)=(\S+)")


class Station:
    """A station over any number of starts; one thread uses it.

    `readers` says which EVSEs each reader serves. The daemon's state lies in `state`,
    which may be on a file system of its own; the world around it is in `directory`.
    """

    def __init__(
        self,
        zygote: Zygote,
        backend: Backend,
        directory: Path,
        *,
        state: Path | None = None,
        readers: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.backend = backend
        self.directory = directory
        self.state = state or directory / "state"
        self.readers = dict(readers or {READER: (EVSE,)})
        self.chargers = {
            evse: ChargerLog(directory / f"{evse}.jsonl")
            for served in self.readers.values()
            for evse in served
        }
        self.update_every = NEVER
        self.meter_every = ALWAYS
        #: Every run so far, the last one living or dead.
        self.runs: list[Daemon] = []
        #: How often a full disk is asked again, None for as seldom as in life.
        self.record_again_s: float | None = None
        self._zygote = zygote

    # ---- its daemon -----------------------------------------------------------------

    @property
    def daemon(self) -> Daemon:
        """The last one that was started."""
        return self.runs[-1]

    def launch(self, kill_at: Passage | None = None) -> None:
        """Run the daemon, ready or not."""
        self.write_config()
        order = Run(
            config=str(self._config),
            directories=(str(self.directory), str(self.state)),
            kill_at=kill_at,
            record_again_s=self.record_again_s,
        )
        self.runs.append(self._zygote.run(order))

    def start(self, kill_at: Passage | None = None) -> None:
        """Run the daemon and return when it is ready."""
        self.launch(kill_at)
        self.daemon.expect("ready:")

    def kill(self) -> None:
        """End the daemon at once; harmless when it has ended, or never was."""
        if self.runs:
            self.daemon.kill()

    def terminate(self) -> None:
        """End it in order; DiedError if it dies in a passage on its way out."""
        status = self.daemon.terminate()
        if self.daemon.died_in is not None:
            raise DiedError(str(self.daemon.died_in))
        assert status == 0, f"exit status {status}; the log:\n{self.log()}"

    def reload(self) -> None:
        """Have the daemon read its configuration again; return when it is ready."""
        self.write_config()
        self.daemon.skip()
        self.daemon.send(signal.SIGHUP)
        self.daemon.expect("ready:")

    def log(self) -> str:
        """What was said in all runs."""
        return "\n---- next run\n".join(run.log() for run in self.runs)

    def write_config(self) -> None:
        """Write the configuration file; the only place that knows how it looks."""
        content = tables.default_tables() | {
            "evse": [
                tables.evse(uid_of(name), str(self.directory / name))
                for name in self.chargers
            ],
            "reader": [
                tables.pipe_reader(name)
                | {
                    "path": str(self.cards(name)),
                    "evses": [uid_of(evse) for evse in served],
                }
                for name, served in self.readers.items()
            ],
            "reporting": {
                "meter_every": self.meter_every,
                "update_every": self.update_every,
            },
        }
        content["station"]["state_dir"] = str(self.state)
        content["upstream"][0]["versions_url"] = self.backend.versions_url
        secret = self.directory / tables.TOKEN_FILE
        secret.write_text(self.backend.credentials_token)
        secret.chmod(0o600)
        self._config.write_text(tables.to_toml(content))

    @property
    def _config(self) -> Path:
        return self.directory / "config.toml"

    # ---- what it says ---------------------------------------------------------------

    def ask(self, command: str, **request: object) -> Any:  # noqa: ANN401 - whatever the command answers
        """Send one command to the daemon; DiedError when it ends instead."""
        try:
            return ask(self.state, command, lambda _: None, **request)
        except (UnreachableError, OSError):
            # A daemon that was ready answers unless it is dying.
            self.daemon.wait_for_end()
            raise

    def session_of(self, evse: str = EVSE) -> str | None:
        """Ask the daemon which session it has at an EVSE."""
        rows = self.ask("status")["evses"]
        found = next(row["session_id"] for row in rows if row["uid"] == uid_of(evse))
        return None if found is None else str(found)

    def wait_until_told(self) -> None:
        """Wait until the backend has been told everything."""
        nothing = {"waiting": 0, "refused": 0}
        self.until(lambda: self.ask("status")["outbox"] == nothing, "an empty outbox")

    def wait_for_whitelist(self) -> None:
        """Wait until the daemon has as many cards as the backend has listed."""
        wanted = len(self.backend.tokens)
        self.until(
            lambda: self.ask("status")["whitelist"][0]["tokens"] == wanted,
            "the whitelist",
        )

    def until(self, condition: Callable[[], T | None], what: str) -> T:
        """Return the condition's first true value; DiedError if the daemon ends."""
        deadline = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited for {what}:\n{self.log()}"
            self.daemon.listen(_POLL_S)
        return value

    # ---- what people do -------------------------------------------------------------

    def tap(self, card: str, reader: str = READER) -> dict[str, str]:
        """Hold a card to a reader for a moment; return the facts of its outcome."""
        self.daemon.skip()
        self.write(self.cards(reader), card)
        received = facts_of(self.daemon.expect("tap.received"))
        return facts_of(self.daemon.expect(received["tap_id"], "outcome="))

    def plug(self, evse: str = EVSE) -> None:
        """Plug a car in."""
        self.tell_charger("plug", evse)
        charger = self.chargers[evse]
        self.until(lambda: charger.is_plugged, "a car that is plugged in")

    def unplug(self, evse: str = EVSE) -> None:
        """Let the car leave."""
        self.tell_charger("unplug", evse)
        charger = self.chargers[evse]
        self.until(lambda: not charger.is_plugged, "a car that has left")

    def draw(self, watts: int, evse: str = EVSE) -> None:
        """Let the car draw this much."""
        self.tell_charger(f"draw {watts}", evse)
        charger = self.chargers[evse]
        self.until(lambda: charger.watts == watts, "the car's wish")

    def meter(self, register_wh: int, evse: str = EVSE) -> None:
        """Let the register stand at this."""
        self.tell_charger(f"meter {register_wh}", evse)
        charger = self.chargers[evse]
        self.until(lambda: charger.register_wh >= register_wh, "the register")

    def tell_charger(self, line: str, evse: str = EVSE) -> None:
        """Give the simulated charger a line."""
        self.write(self.control(evse), line)

    def cards(self, reader: str) -> Path:
        """Where cards are held to a reader."""
        return self.directory / f"{reader}.cards"

    def control(self, evse: str) -> Path:
        """Where a charger is told what happens to it."""
        return self.directory / f"{evse}.ctl"

    def write(self, pipe: Path, line: str) -> None:
        """Write a line once somebody reads."""
        opened = self.until(lambda: open_pipe(pipe), f"a reader of {pipe.name}")
        try:
            os.write(opened, f"{line}\n".encode())
        finally:
            os.close(opened)


def uid_of(evse: str) -> str:
    """Return the EVSE's uid: its name with the station's in front."""
    return f"SE*ABC*{evse.upper()}"


def facts_of(line: str) -> dict[str, str]:
    """Read the facts of an event that was logged."""
    return dict(_FACT.findall(line))


def open_pipe(path: Path) -> int | None:
    """Open a named pipe for writing; None while nobody reads."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
