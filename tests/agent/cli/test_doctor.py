"""`doctor` and `check-config`: what is wrong is said, and said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from agent.cli.main import main
from tests.agent.config.station_file import GOOD, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Write a configuration whose backends are nowhere."""
    text = GOOD
    for name in ("backend", "hub"):
        text = text.replace(f"https://{name}.example", "http://127.0.0.1:9")
    return str(write(tmp_path, text))


def test_doctor_says_nothing_twice(
    config: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A backend that refuses is a finding, and no line of a log beside it.

    That it is asked is told to people, who may have to wait.
    """
    result = CliRunner().invoke(main, ["doctor", "--config", config])
    assert result.exit_code == 1
    assert "Connection refused" in result.stdout
    asked = ["asking upstream cpo …", "asking upstream hub …"]
    assert (result.stderr.splitlines(), caplog.messages) == (asked, [])
    assert result.stdout.splitlines()[-1].endswith(" problems")
    result = CliRunner().invoke(main, ["doctor", "--json", "--config", config])
    assert (result.exit_code, result.stderr) == (1, "")


def test_check_config_online_says_nothing_twice(
    config: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The same."""
    asking = "asking upstream cpo …"
    arguments = ["check-config", "--online", "--config", config]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == asking
    assert result.stderr.count("Connection refused") == 2  # One for each of them
    assert caplog.messages == []
