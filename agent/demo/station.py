"""The real agent as a child process, touched only where the world would touch it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from string import Template
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from agent.cli.client import UnreachableError, ask
from agent.demo.cards import CARDS
from agent.domain.uid import Uid
from agent.errors import AgentError
from agent.store.keys import CardKeys, load_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

LOCATION: Final = "LOC-1"
#: The agent's command, as whoever runs the demo has it.
AGENT: Final = (sys.executable, "-m", "agent.cli.main")
EVSES: Final = ("SE*ABC*E1", "SE*ABC*E2")
STOP_LOCKOUT_S: Final = 0.3

_CONFIG: Final = Template("""\
# What the demo runs the agent with.
[station]
country_code = "SE"
party_id = "ABC"
location_id = "LOC-1"
state_dir = "state"

[authorization]
deadline = "1s"
stop_lockout = "300ms"

[clock]
max_wait = "0s"  # Nobody may have set the clock of a machine that tries this.

[[evse]]
uid = "SE*ABC*E1"
max_power_w = 1000000000000  # Hours pass in moments here.
charger = { driver = "simulated", control = "evse1.ctl", log = "evse1.jsonl" }

[[evse]]
uid = "SE*ABC*E2"
max_power_w = 1000000000000  # Hours pass in moments here.
charger = { driver = "simulated", control = "evse2.ctl", log = "evse2.jsonl" }

[[reader]]
name = "front"
driver = "pipe"
path = "cards"

[[upstream]]
name = "emsp"
versions_url = "$versions_url"
token = { file = "emsp.token" }
authorize_unknown = true
""")

_STARTS_WITHIN_S: Final = 30.0
_STOPS_WITHIN_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.05
_LOG_LINES: Final = 20


class StationDownError(AgentError):
    """The agent has ended or does not answer; the message has its last words."""


class Station:
    """Runs the agent in a directory of its own; a context manager.

    `events` are what the agent has told so far, oldest first, with a known card's
    name in place of its fingerprint. `hear` is called with each, and with None when
    the agent ends although nobody wanted it to, on a thread of its own.
    """

    def __init__(
        self,
        directory: Path,
        versions_url: str,
        credentials_token: str,
        hear: Callable[[dict[str, Any] | None], None] = lambda _: None,
    ) -> None:
        self.config = directory / "config.toml"
        self.events: list[dict[str, Any]] = []
        self._state = directory / "state"
        self._log = directory / "agent.log"
        self._hear = hear
        self._names: dict[str, str] = {}
        self._is_wanted = False
        self._locked_until: dict[str, float] = {}
        self.config.write_text(_CONFIG.substitute(versions_url=versions_url))
        secret = directory / "emsp.token"
        secret.touch(mode=0o600)
        secret.write_text(credentials_token)

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop(signal.SIGTERM)

    # ---- what drivers and cars do ---------------------------------------------------

    def tap(self, uid: str) -> None:
        """Hold a card to the reader for a moment."""
        self._wait_out_lockout(uid)
        self._write("cards", uid)

    def lay(self, uid: str) -> None:
        """Lay a card on the reader."""
        self._wait_out_lockout(uid)
        self._write("cards", f"+{uid}")

    def lift(self) -> None:
        """Take the card off the reader."""
        self._write("cards", "-")

    def tell_charger(self, evse_uid: str, line: str) -> None:
        """Write a line to a charger's control pipe, such as `plug`."""
        self._write(f"evse{EVSES.index(evse_uid) + 1}.ctl", line)

    def metered(self, evse_uid: str) -> list[dict[str, Any]]:
        """What the charger itself has written down, oldest first."""
        log = self._state / f"evse{EVSES.index(evse_uid) + 1}.jsonl"
        return [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]

    # ---- what operators do ----------------------------------------------------------

    def ask(self, command: str, **request: object) -> Any:  # noqa: ANN401 - whatever the command answers
        """Ask the agent something; raise StationDownError if it is not there."""
        try:
            return ask(self._state, command, lambda _: None, **request)
        except (UnreachableError, OSError) as err:
            raise StationDownError(self.last_words()) from err

    @property
    def has_ended(self) -> bool:
        """Whether the agent's process is gone."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The end of the agent's log."""
        lines = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        code = self._process.poll()
        state = "does not answer" if code is None else f"has ended with code {code}"
        return "\n".join([f"the agent {state}; the end of its log:", *lines])

    def fail_power(self) -> None:
        """Kill the agent in the middle of whatever it does, and start it again."""
        self._stop(signal.SIGKILL)
        self._start()
        # For a moment a card that charges is taken for one that lies on the reader.
        ends = time.monotonic() + STOP_LOCKOUT_S
        self._locked_until = {card.name: ends for card in CARDS}

    # ---- the process ----------------------------------------------------------------

    def _start(self) -> None:
        """Return when the agent is at work and we hear its events."""
        self._process = self._spawn()
        self._is_wanted = True
        try:
            self._wait_until_ready()
            self._listen()
        except BaseException:
            self._stop(signal.SIGKILL)
            raise

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program
                [*AGENT, "run", "--config", self.config],
                # A proxy for the internet must not be asked for the loopback.
                env=os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us; we tell the agent when to stop.
                process_group=0,
            )

    def _stop(self, number: signal.Signals) -> None:
        self._is_wanted = False
        self._process.send_signal(number)
        try:
            self._process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not self._is_ready():
            if self.has_ended or time.monotonic() > deadline:
                raise StationDownError(self.last_words())
            time.sleep(_LOOK_AGAIN_S)

    def _is_ready(self) -> bool:
        """Whether reader and chargers are up and there is a whitelist, old or new."""
        try:
            status = ask(self._state, "status")
        except (AgentError, OSError):
            return False
        up = {item["part"] for item in status["parts"] if item["ok"]}
        wanted = {"reader front", *(f"charger {evse_uid}" for evse_uid in EVSES)}
        listed = all(item["synchronized_at"] for item in status["whitelist"])
        return wanted <= up and listed

    def _listen(self) -> None:
        """Return when every event from now on will be heard."""
        fingerprint = CardKeys(load_key(self._state, None)).fingerprint
        self._names = {fingerprint(Uid.parse(card.uid)): card.name for card in CARDS}
        listening = threading.Event()
        watch = threading.Thread(
            target=self._watch, args=(listening,), name="events", daemon=True
        )
        watch.start()
        if not listening.wait(_STARTS_WITHIN_S):
            raise StationDownError(self.last_words())

    def _watch(self, listening: threading.Event) -> None:
        def hear(event: dict[str, Any]) -> None:
            if event["event"] == "watching":
                listening.set()
            else:
                self._take(event)

        with suppress(AgentError, OSError):
            ask(self._state, "watch", hear)
        if self._is_wanted:
            self._hear(None)

    def _take(self, event: dict[str, Any]) -> None:
        if (card := event.get("card")) is not None:
            event["card"] = self._names.get(card, card)
            if event.get("outcome") in ("granted", "started"):
                self._locked_until[event["card"]] = time.monotonic() + STOP_LOCKOUT_S
        self.events.append(event)
        self._hear(event)

    def _wait_out_lockout(self, uid: str) -> None:
        """Let the moment pass in which the agent ignores a card that had an effect."""
        name = next((card.name for card in CARDS if card.uid == uid), "")
        left = self._locked_until.get(name, 0.0) - time.monotonic()
        time.sleep(max(left, 0.0))

    def _write(self, pipe: str, line: str) -> None:
        try:
            # Without a reader at the other end this fails instead of waiting for one.
            descriptor = os.open(self._state / pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as err:
            raise StationDownError(self.last_words()) from err
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{line}\n")
