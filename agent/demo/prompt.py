"""The prompt after the tour: tap, plug and cut by hand."""

from __future__ import annotations

import cmd
import subprocess
from typing import TYPE_CHECKING

from agent.demo.cards import CARDS, find_card
from agent.demo.station import AGENT, EVSES, StationDownError
from agent.demo.voices import describe_heard

if TYPE_CHECKING:
    from agent.demo.screen import Screen
    from agent.demo.stage import Stage


try:
    from readline import get_line_buffer
except ImportError:  # Some builds of Python lack it; one can type without.

    def get_line_buffer() -> str:
        """Not know what has been typed."""
        return ""


class _UsageError(Exception):
    """A command that cannot be understood; the message says what would be right."""


class Prompt(cmd.Cmd):
    """Obeys a person: one method per command, whose docstring is its help."""

    prompt = "demo> "

    def __init__(self, stage: Stage, screen: Screen) -> None:
        super().__init__()
        self._stage = stage
        self._station = stage.station
        self._screen = screen

    def run(self) -> None:
        """Obey until quit, Ctrl-D or Ctrl-C; raise StationDownError without agent."""
        try:
            self.cmdloop()
        except KeyboardInterrupt:
            self._screen.typed = None
            self._screen.note("")
        finally:
            self._screen.typed = None

    def preloop(self) -> None:
        """Begin to wait for a line."""
        self._screen.typed = self._show_typed

    def precmd(self, line: str) -> str:
        """Stop waiting: until the command is done, nobody types."""
        self._screen.typed = None
        return line

    def postcmd(self, stop: bool, line: str) -> bool:  # noqa: FBT001 - cmd's own shape
        """Wait again, unless that was the last line."""
        del line
        if not stop:
            self._screen.typed = self._show_typed
        return stop

    def _show_typed(self) -> str:
        return f"{self.prompt}{get_line_buffer()}"

    # ---- the driver -----------------------------------------------------------------

    def do_tap(self, arg: str) -> None:
        """Hold a card to the reader for a moment: tap ada, tap 04A1B2C3D4E5F6."""
        self._station.tap(_read_card(arg))

    def do_lay(self, arg: str) -> None:
        """Lay a card on the reader and leave it there: lay ada."""
        self._station.lay(_read_card(arg))

    def do_lift(self, _: str) -> None:
        """Take the card off the reader."""
        self._station.lift()

    def do_plug(self, arg: str) -> None:
        """Plug a car in: plug, plug 2."""
        self._station.tell_charger(_read_evse(arg), "plug")

    def do_unplug(self, arg: str) -> None:
        """Unplug the car: unplug, unplug 2."""
        self._station.tell_charger(_read_evse(arg), "unplug")

    def do_draw(self, arg: str) -> None:
        """Let the car draw so many watts: draw 7400, draw 7400 2."""
        watts, _, evse = arg.partition(" ")
        if not watts.isdecimal():
            raise _UsageError("expected watts, as in: draw 7400")
        self._station.tell_charger(_read_evse(evse), f"draw {watts}")

    # ---- what goes wrong, and comes right -------------------------------------------

    def do_cut(self, _: str) -> None:
        """Cut the backend off: its port refuses connections."""
        self._stage.server.cut()
        self._screen.note("the backend refuses connections")

    def do_restore(self, _: str) -> None:
        """Bring the backend back; the agent notices by itself, or at once by sync."""
        self._stage.server.restore()
        self._screen.note("the backend listens")

    def do_power(self, _: str) -> None:
        """Take the power from the agent, in the middle of everything, and give it."""
        self._station.fail_power()
        self._screen.note("the agent is back")

    # ---- the operator ---------------------------------------------------------------

    def do_status(self, _: str) -> None:
        """Run: rfid-agent status."""
        self._run_agent("status")

    def do_outbox(self, _: str) -> None:
        """Run: rfid-agent outbox list."""
        self._run_agent("outbox", "list")

    def do_sync(self, _: str) -> None:
        """Run: rfid-agent sync."""
        self._run_agent("sync")

    def do_sessions(self, _: str) -> None:
        """Show what the backend has of each session."""
        for history in list(self._stage.memory.sessions.values()):
            states = " + ".join(session.status for session in history[:-1])
            latest = describe_heard(history[-1])
            self._screen.note(f"{latest}{f' after {states}' if states else ''}")

    def do_cards(self, _: str) -> None:
        """Show the cards that lie here."""
        for card in CARDS:
            kind = card.whitelist or "not listed"
            self._screen.note(f"{card.name:10}{kind:17}{card.story}")

    # ---- the prompt itself ----------------------------------------------------------

    def do_help(self, _: str) -> None:
        """Show the commands."""
        for name in self.get_names():
            if name.startswith("do_") and name != "do_EOF":
                method = getattr(self, name)
                self._screen.note(f"{name.removeprefix('do_'):10}{method.__doc__}")

    def do_quit(self, _: str) -> bool:
        """End the demo; Ctrl-D does, too."""
        return True

    def do_EOF(self, _: str) -> bool:  # noqa: N802 - what cmd calls for Ctrl-D
        """End the demo."""
        self._screen.note("")
        return True

    def onecmd(self, line: str) -> bool:
        """Obey one line; say whether it was the last."""
        if self._station.has_ended:
            raise StationDownError(self._station.last_words())
        try:
            return bool(super().onecmd(line))
        except _UsageError as err:
            self._screen.note(str(err))
            return False

    def emptyline(self) -> bool:
        """Do nothing, where cmd would do the last thing again."""
        return False

    def default(self, line: str) -> None:
        """Meet a command that does not exist."""
        self._screen.note(f"{line.split(maxsplit=1)[0]}: no such command; try help")

    def completenames(self, text: str, *ignored: str) -> list[str]:
        """Complete commands; cmd would offer its EOF as well."""
        names = super().completenames(text, *ignored)
        return [name for name in names if name != "EOF"]

    def complete_tap(self, text: str, *_: object) -> list[str]:
        """Complete the cards' names."""
        names = [card.name.casefold() for card in CARDS]
        return [name for name in names if name.startswith(text.casefold())]

    complete_lay = complete_tap

    def _run_agent(self, *words: str) -> None:
        command = [*AGENT, *words, "--config", str(self._station.config)]
        subprocess.run(command, check=False)  # noqa: S603 - our own program


def _read_card(name: str) -> str:
    """Take a card's name, or a number for the reader to judge; return the number."""
    if not name:
        raise _UsageError("expected a card, as in: tap ada; cards lists them")
    card = find_card(name)
    return card.uid if card else name


def _read_evse(number: str) -> str:
    known = {str(index): evse for index, evse in enumerate(EVSES, 1)}
    if (evse := known.get(number.strip() or "1")) is None:
        raise _UsageError(f"expected an EVSE, {' or '.join(known)}")
    return evse
