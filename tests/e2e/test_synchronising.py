"""Synchronising by hand: how far it is, and lists that are too short to be believed."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e.process import COMMAND
from tests.e2e.station import AgentProcess
from tests.e2e.tables import UPSTREAM
from tests.interop.environment import PROJECT_ROOT
from tests.pages_server import PagesServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.stack

MANY: Final = 3_000
FEW: Final = 1_000
PART: Final = f"synchronisation from {UPSTREAM}"


@pytest.fixture(scope="module")
def many() -> Iterator[PagesServer]:
    """Serve a list of several pages."""
    with PagesServer(MANY, page_size=500) as server:
        yield server


@pytest.fixture(scope="module")
def few() -> Iterator[PagesServer]:
    """Serve what is left of that list after an accident."""
    with PagesServer(FEW, page_size=500) as server:
        yield server


def conditions(agent: AgentProcess) -> dict[str, tuple[bool, str]]:
    """What the daemon says of its parts."""
    parts = agent.ask("status")["parts"]
    return {part["part"]: (part["ok"], part["detail"]) for part in parts}


def run_on_terminal(agent: AgentProcess, *arguments: str) -> str:
    """Run `rfid-agent` in front of somebody; return all that the screen was sent."""
    leader, follower = pty.openpty()
    try:
        with subprocess.Popen(
            [*COMMAND, *arguments, "--config", str(agent.config)],
            cwd=PROJECT_ROOT,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=follower,
        ) as process:
            os.close(follower)
            screen = _read_to_the_end(leader)
        assert process.returncode == 0, screen
    finally:
        os.close(leader)
    return screen


def _read_to_the_end(terminal: int) -> str:
    screen = b""
    try:
        while chunk := os.read(terminal, 4096):
            screen += chunk
    except OSError:
        pass  # What a terminal says when the last who writes to it has gone.
    return screen.decode()


@pytest.mark.parametrize("running", [True, False], ids=["daemon", "no daemon"])
def test_a_terminal_shows_how_far_it_is(
    many: PagesServer,
    running: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The bar counts to what the backend announced, page by page."""
    with AgentProcess(many, start=running) as agent:
        agent.write_config()
        if running:
            agent.wait_for_whitelist(MANY)

        screen = run_on_terminal(agent, "sync", "--full")

        assert f"{MANY}/{MANY}" in screen


def test_each_step_knows_the_total(many: PagesServer) -> None:
    """Whoever asks the daemon hears it from the first page on."""
    with AgentProcess(many) as agent:
        agent.wait_for_whitelist(MANY)
        steps: list[dict[str, Any]] = []

        agent.ask("sync", steps.append, full=True)

        assert [step["seen"] for step in steps] == list(range(500, MANY + 1, 500))
        assert {step["total"] for step in steps} == {MANY}


def test_a_list_that_shrank_waits_for_a_person(
    many: PagesServer, few: PagesServer
) -> None:
    """The old one stays, the status and the log say why and what to run."""
    advice = f"rfid-agent sync --full --accept-shrink --upstream {UPSTREAM}"
    with AgentProcess(many) as agent:
        agent.wait_for_whitelist(MANY)
        agent.use(few)
        agent.restart()

        refused = agent.cli("sync", "--full")

        assert refused.returncode == 1
        assert f"{FEW} readable tokens, where {MANY} are in force" in refused.stderr
        assert advice in refused.stderr
        is_ok, detail = conditions(agent)[PART]
        assert not is_ok
        assert advice in detail
        assert agent.cli("status").returncode == 1
        agent.wait_for_whitelist(MANY)

        taken = agent.cli("sync", "--accept-shrink", "--upstream", UPSTREAM)

        assert (taken.returncode, taken.stderr) == (0, "")
        assert f"whole list, {FEW} tokens" in taken.stdout
        agent.wait_for_whitelist(FEW)
        assert conditions(agent)[PART] == (True, "")


def test_a_list_that_shrank_waits_without_a_daemon(
    many: PagesServer, few: PagesServer
) -> None:
    """The rule and the way around it are the same."""
    with AgentProcess(many, start=False) as agent:
        agent.write_config()
        assert agent.cli("sync").returncode == 0
        agent.use(few)
        agent.write_config()

        for arguments in (("sync",), ("sync", "--full")):
            refused = agent.cli(*arguments)
            assert refused.returncode == 1
            assert f"where {MANY} are in force" in refused.stderr

        assert agent.cli("sync", "--full", "--accept-shrink").returncode == 0
        agent.start()
        agent.wait_for_whitelist(FEW)
