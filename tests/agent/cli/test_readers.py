"""`readers list`: the same as `readers`, and what is attached."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from agent.cli import readers as commands
from agent.cli.main import main
from drivers import probing
from drivers.probing import Found
from tests.agent.config.station_file import write

if TYPE_CHECKING:
    from pathlib import Path

WEDGE = Found("keyboard", "wedge", {"device": "ffff:0035"})
ROW = {"name": "front", "driver": "pipe", "evses": ["E1"], "up": True, "detail": "fine"}


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
