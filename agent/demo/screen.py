"""What the demo prints: in colours on a terminal, plain when piped."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agent.demo.guide import Result, Step

_CLEAR_LINE: Final = "\r\x1b[K"
_COLOURS: Final = {"agent": "cyan", "backend": "magenta"}


class Screen:
    """Prints from any thread.

    During the tour what agent and backend say is kept for the line of the step;
    afterwards it is printed as it comes, also while somebody types at a prompt.
    """

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._lock = threading.RLock()
        self._said: list[Text] = []
        self._is_touring = False
        #: How a line that is being typed looks right now; None while nobody types.
        self.typed: Callable[[], str] | None = None

    def say(self, speaker: str, text: str) -> None:
        """Print what `agent` or `backend` says."""
        line = Text.assemble((f"  {speaker:8}", _COLOURS[speaker]), (text, "dim"))
        with self._lock:
            if self._is_touring:
                self._said.append(line)
            else:
                self._print(line)

    def note(self, text: str) -> None:
        """Print a line of our own."""
        self._print(Text(text))

    def _print(self, line: Text) -> None:
        with self._lock:
            if self.typed is None or not self._console.is_terminal:
                self._console.print(line, soft_wrap=True)
                return
            sys.stdout.write(_CLEAR_LINE)
            self._console.print(line, soft_wrap=True)
            sys.stdout.write(self.typed())
            sys.stdout.flush()

    # ---- the tour -------------------------------------------------------------------

    def follow(
        self, walk: Callable[[Callable[[Step], None]], Iterable[Result]]
    ) -> Iterator[Result]:
        """Print each step of a walk as it is taken, if this is a terminal."""
        self._is_touring = True
        try:
            with self._console.status("") as status:
                for result in walk(lambda step: status.update(step.title)):
                    self._print_step(result)
                    yield result
        finally:
            self._is_touring = False

    def _print_step(self, result: Result) -> None:
        with self._lock:
            said, self._said = self._said, []
        if not self._console.is_terminal:
            return
        self._print(_mark(result.step.title, "bold", ok=result.ok))
        for line in said:
            self._print(line)
        for missing in _list_missing(result):
            self._print(Text(f"  {missing}", "red"))

    def print_results(self, results: Sequence[Result]) -> None:
        """Print the table of all steps, and the sum of it."""
        failed = sum(not result.ok for result in results)
        if self._console.is_terminal:
            self._print_table(results)
        else:
            for number, result in enumerate(results, 1):
                self._print_plain(number, result)
        self.note(
            f"{len(results)} steps, all as they must be"
            if not failed
            else f"{failed} of {len(results)} steps FAILED"
        )

    def _print_table(self, results: Sequence[Result]) -> None:
        table = Table("", "what is done", "what comes of it", header_style="bold")
        for number, result in enumerate(results, 1):
            lines = []
            for check, finding in result.pairs():
                lines.append(_mark(finding.text, ok=finding.ok))
                if not finding.ok:
                    lines.append(Text(f"  expected {check.must}", "red"))
            table.add_row(str(number), result.step.title, Text("\n").join(lines))
        self._console.print(table)

    @staticmethod
    def _print_plain(number: int, result: Result) -> None:
        """Print one line with tabs, and one for whatever is missing."""
        found = "; ".join(finding.text for finding in result.findings)
        state = "ok" if result.ok else "FAILED"
        click.echo(f"{state}\t{number}\t{result.step.title}\t{found}")
        for line in _list_missing(result):
            click.echo(f"\t\t\t{line}")


def _mark(text: str, style: str = "", *, ok: bool) -> Text:
    mark = ("✓ ", "green") if ok else ("✗ ", "bold red")
    return Text.assemble(mark, (text, style))


def _list_missing(result: Result) -> list[str]:
    return [
        f"expected {check.must}; found {finding.text}"
        for check, finding in result.pairs()
        if not finding.ok
    ]
