"""`readers list`: the same as `readers`, and what is attached."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from agent.cli import readers as commands
from agent.cli.main import EXIT_UNREACHABLE, main
from drivers import probing
from drivers.probing import Found
from tests.agent.config.station_file import write

if TYPE_CHECKING:
    from pathlib import Path

WEDGE = Found("keyboard", "wedge", {"device": "ffff:0035"})
ROW = {"name": "front", "driver": "pipe", "evses": ["E1"], "up": True, "detail": "fine"}


DOWN = ROW | {"name": "gate", "up": False, "detail": "there is no serial port at x"}
SEEN: dict[str, Any] = {
    "reader": "front",
    "technology": "ISO14443",
    "spellings": [
        {
            "spelling": "reversed",
            "uid": "D4C3B2A1",
            "listed": True,
            "configuration": "uid = { reverse = true }",
            "problem": "",
        }
    ],
    "problem": "",
}


def run(*arguments: str) -> str:
    """Run a command that does not fail; return what it prints."""
    result = CliRunner().invoke(main, ["readers", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Found]:
    """Attach something, which the test may change."""
    attached = [WEDGE]
    monkeypatch.setattr(probing, "find_readers", lambda: attached)
    return attached


def test_probing_needs_no_configuration(found: list[Found], tmp_path: Path) -> None:
    """It is where a configuration begins."""
    nowhere = ["--config", str(tmp_path / "none.toml")]
    text = run("list", "--probe", *nowhere)
    assert text.splitlines()[:2] == ["# keyboard", "[[reader]]"]
    (row,) = json.loads(run("list", "--probe", "--json", *nowhere))
    assert row["options"] == WEDGE.options
    found.clear()
    assert run("list", "--probe", *nowhere) == ""
    assert json.loads(run("list", "--probe", "--json", *nowhere)) == []


def test_probing_that_finds_no_reader_says_so(found: list[Found]) -> None:
    """Also if there is something to say of a service that cannot be asked."""
    found[:] = [Found("PC/SC", note="pcscd is not running")]
    result = CliRunner().invoke(main, ["readers", "list", "--probe"])
    assert result.stdout == "# PC/SC\n# pcscd is not running\n"
    assert result.stderr == "nothing is attached that looks like a card reader\n"


def test_listing_is_the_same_with_and_without_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a table and as JSON."""
    monkeypatch.setattr(commands, "ask", lambda *_, **__: [ROW])
    config = ["--config", str(write(tmp_path))]
    table = run(*config)
    assert table.splitlines()[1].split("\t") == ["front", "pipe", "E1", "up", "fine"]
    assert run("list", *config) == table
    assert run("list", "--json", *config) == run("--json", *config)
    assert json.loads(run("--json", *config)) == [ROW]


def test_one_reader_is_listed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that there is not is a mistake, and no empty list."""
    monkeypatch.setattr(commands, "ask", Agent().ask)
    config = ["--config", str(write(tmp_path))]
    (_, row) = run("--reader", "gate", *config).splitlines()
    assert row.startswith("gate\t")
    result = CliRunner().invoke(main, ["readers", "--reader", "gat", *config])
    assert result.exit_code == 1
    assert "no reader is called 'gat'; there are: front, gate" in result.stderr


def test_without_an_agent_it_says_where_to_look(tmp_path: Path) -> None:
    """Nobody knows how the readers are, but what is attached can be seen."""
    config = ["--config", str(write(tmp_path))]
    result = CliRunner().invoke(main, ["readers", *config])
    assert result.exit_code == EXIT_UNREACHABLE
    assert result.stdout == ""
    assert "no agent is running" in result.stderr
    assert "rfid-agent readers list --probe" in result.stderr


class Agent:
    """A daemon with two readers, one of which is down, and a card at the other."""

    def __init__(self, seen: dict[str, Any] = SEEN) -> None:
        self.asked: list[str] = []
        self._seen = seen

    def ask(self, _: Path, command: str, **_request: object) -> object:
        """Answer."""
        self.asked.append(command)
        return [ROW, DOWN] if command == "readers" else self._seen


@pytest.mark.parametrize(
    ("more", "is_warned"),
    [([], True), (["--reader", "gate"], True), (["--reader", "front"], False)],
)
def test_identify_says_that_a_reader_is_down(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    is_warned: bool,  # noqa: FBT001 - a table
) -> None:
    """Nobody holds a card to it in vain; others are not spoken of."""
    agent = Agent()
    monkeypatch.setattr(commands, "ask", agent.ask)
    config = ["--config", str(write(tmp_path))]
    result = CliRunner().invoke(main, ["readers", "identify", *more, *config])
    assert result.exit_code == 0, result.output
    warning = "reader gate is not up: there is no serial port at x\n"
    assert (warning in result.stderr) is is_warned
    assert agent.asked == ["readers", "identify"]
    head, _, row = result.stdout.splitlines()
    assert head == "reader front, read as ISO14443"
    assert row.split("\t") == [
        "reversed",
        "D4C3B2A1",
        "yes",
        "uid = { reverse = true }",
        "",
    ]
    result = CliRunner().invoke(main, ["readers", "identify", "--json", *config])
    assert json.loads(result.stdout) == SEEN


class PatientAgent(Agent):
    """No card comes before the readers were asked about once more."""

    def __init__(self) -> None:
        super().__init__()
        self._is_asked_again = threading.Event()

    def ask(self, _: Path, command: str, **_request: object) -> object:
        """Answer."""
        if self.asked.count("readers") == 1 and command == "readers":
            self._is_asked_again.set()
        if command == "identify":
            self._is_asked_again.wait()
        return super().ask(_, command)


def test_identify_says_how_the_readers_are_if_no_card_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes in a wrong format are no card, and waiting would tell nobody why."""
    monkeypatch.setattr(commands, "SILENCE_S", 0.0)
    monkeypatch.setattr(commands, "ask", PatientAgent().ask)
    config = ["--config", str(write(tmp_path))]
    arguments = ["readers", "identify", "--reader", "front", *config]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[1:] == [
        "no card was seen so far; this is how it stands:",
        "reader front: up: fine",
        "the log may say more: journalctl -u rfid-agent -n 20",
    ]


def test_identify_says_why_a_card_gave_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds a card is not left waiting for another."""
    unread = SEEN | {"spellings": [], "problem": "3 of 4 bytes"}
    monkeypatch.setattr(commands, "ask", Agent(unread).ask)
    config = ["--config", str(write(tmp_path))]
    result = CliRunner().invoke(main, ["readers", "identify", *config])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "reader front: unreadable: 3 of 4 bytes\n" in result.stderr


@pytest.mark.parametrize("listed", [True, False])
def test_identify_says_what_to_do_about_a_card_in_no_list(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    listed: bool,  # noqa: FBT001 - a table
) -> None:
    """No spelling helps there; the table alone would leave that to be guessed."""
    spelling = SEEN["spellings"][0] | {"listed": listed}
    agent = Agent(SEEN | {"spellings": [spelling]})
    monkeypatch.setattr(commands, "ask", agent.ask)
    config = ["--config", str(write(tmp_path))]
    result = CliRunner().invoke(main, ["readers", "identify", *config])
    assert ("rfid-agent sync" in result.stderr) is not listed
