"""A charge point under test: its driver, its charger, and the questions one asks."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from agent.cli.client import ask
from tests.e2e import leaks
from tests.e2e.process import COMMAND, DaemonProcess
from tests.e2e.tables import EVSE, READER
from tests.e2e.waiting import PATIENCE_S, until
from tests.interop.environment import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.streams import Event
    from tests.e2e.tables import Backend


Completed = subprocess.CompletedProcess[str]


def run_cli(*arguments: str) -> Completed:
    """Run `rfid-agent`, as a person would."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=PROJECT_ROOT,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=PATIENCE_S,
    )


class AgentProcess(DaemonProcess):
    """The daemon, and what happens around it.

    Every card that is tapped is noted in `cards`; in the end none of them may stand in
    the log, in an event or in a whitelist file.
    """

    def __init__(self, server: Backend, *, start: bool = True) -> None:
        super().__init__(server, start=start)
        self.cards: set[str] = set()

    def inspect(self) -> None:
        """Look for card numbers where none may be, and for bugs that were logged."""
        assert "Traceback" not in self.log()
        assert leaks.find_in_text(self.log(), self.cards) == []
        events = "\n".join(json.dumps(event) for event in self.heard())
        assert leaks.find_in_text(events, self.cards) == []
        assert self.find_card_numbers("whitelist*.db*") == []

    def find_card_numbers(self, pattern: str) -> list[str]:
        """Name the files of the state directory that hold a card's number."""
        return leaks.find_in_files(self.state.glob(pattern), self.cards)

    # ---- questions ------------------------------------------------------------------

    def ask(
        self,
        command: str,
        on_progress: Callable[[dict[str, Any]], None] = lambda _: None,
        **request: object,
    ) -> Any:  # noqa: ANN401 - whatever the command answers
        """Send one command to the control socket."""
        return ask(self.state, command, on_progress, **request)

    def cli(self, *arguments: str) -> Completed:
        """Run `rfid-agent` beside the daemon, on the same configuration file."""
        return run_cli(*arguments, "--config", str(self.config))

    def wait_for_whitelist(self, tokens: int) -> None:
        """Wait until a whole synchronisation has put so many tokens in force."""

        def is_there() -> bool:
            (upstream, *_) = self.ask("status")["whitelist"]
            return (upstream["tokens"], bool(upstream["swept_at"])) == (tokens, True)

        until(is_there, f"a whitelist of {tokens}")

    def wait_until_good(self, part: str) -> None:
        """Wait until the daemon has said that this part of it works."""

        def is_good() -> bool:
            parts = {one["part"]: one["ok"] for one in self.ask("status")["parts"]}
            return bool(parts.get(part))

        until(is_good, f"{part} to work")

    def sessions(self) -> list[dict[str, Any]]:
        """Read the journal, newest session first; needs no daemon."""
        listed: list[dict[str, Any]] = json.loads(
            self.cli("sessions", "list", "--json").stdout
        )
        return listed

    def wait_for_empty_outbox(self) -> None:
        """Wait until nothing is left to tell."""
        until(
            lambda: self.ask("status")["outbox"] == {"waiting": 0, "refused": 0},
            "an empty outbox",
        )

    # ---- the driver and the charger -------------------------------------------------

    def tap(self, uid: str, reader: str = READER) -> Event:
        """Hold a card to a pipe reader for a moment; return the outcome."""
        self.lay_on(uid, reader)
        return self.outcome()

    def lay_on(self, uid: str, reader: str = READER) -> None:
        """Tap without waiting for the outcome."""
        self.cards.add(uid)
        self._write(self.state / f"{reader}.cards", uid)

    def outcome(self) -> Event:
        """Return the outcome of the next tap."""
        tap = self.events.expect(event="tap.received")
        return self.outcome_of(tap)

    def outcome_of(self, tap: Event) -> Event:
        """Return what became of this tap."""

        def find() -> Event | None:
            for event in self.events.all():
                if event.get("tap_id") == tap["tap_id"] and "outcome" in event:
                    return event
            return None

        return until(find, "the outcome of a tap")

    def plug(self, evse: str = EVSE) -> None:
        """Plug a car in, and return when the station knows it."""
        self.charger("plug", evse)
        until(lambda: self.evse(evse)["vehicle"] != "absent", "the vehicle")

    def unplug(self, evse: str = EVSE) -> None:
        """Let the car leave, and return when the station knows."""
        self.charger("unplug", evse)
        until(lambda: self.evse(evse)["vehicle"] == "absent", "the empty socket")

    def draw(self, watts: int, evse: str = EVSE) -> None:
        """Let the car draw this much."""
        self.charger(f"draw {watts}", evse)

    def meter(self, register_wh: int, evse: str = EVSE) -> None:
        """Set the energy register, and return when the station knows the energy."""
        self.charger(f"meter {register_wh}", evse)
        until(lambda: self.evse(evse)["energy_wh"] == register_wh, "the reading")

    def charger(self, line: str, evse: str = EVSE) -> None:
        """Give the simulated charger a line."""
        self._write(self.charger_file("control", evse), line)

    def charger_log(self, evse: str = EVSE) -> list[dict[str, Any]]:
        """Everything the charger did, oldest first."""
        lines = self.charger_file("log", evse).read_text().splitlines()
        return [json.loads(line) for line in lines]

    def is_energy_on(self, evse: str = EVSE) -> bool:
        """Whether the charger lets energy flow."""
        lines = self.charger_log(evse)
        return bool(lines and lines[-1]["enabled"])

    def evse(self, evse: str = EVSE) -> dict[str, Any]:
        """What the daemon knows of an EVSE."""
        rows: list[dict[str, Any]] = self.ask("status")["evses"]
        return next(row for row in rows if row["uid"] == evse)

    def charger_file(self, key: str, evse: str = EVSE) -> Path:
        """Where the charger's `control` pipe or its `log` is."""
        table = next(row for row in self.tables["evse"] if row["uid"] == evse)
        return self.state / str(table["charger"][key])

    def _write(self, pipe: Path, line: str) -> None:
        """Write a line as a shell would, once somebody reads."""

        def opened() -> int | None:
            try:
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                return None

        descriptor = until(opened, f"a reader of {pipe.name}")
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
