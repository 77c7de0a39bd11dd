"""The command line beside the running daemon, and without one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e import cards
from tests.e2e.reports import the_session
from tests.e2e.station import AgentProcess, Completed, run_cli
from tests.e2e.tables import EVSE, READER, UPSTREAM
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

COMMANDS: Final = (
    "",
    "run",
    "demo",
    "check-config",
    "completion",
    "status",
    "tap",
    "explain",
    "withdraw",
    "readers",
    "sync",
    "tokens",
    "tokens find",
    "tokens list",
    "sessions",
    "sessions list",
    "outbox",
    "outbox list",
    "outbox retry",
)


def parsed(done: Completed, status: int = 0) -> Any:  # noqa: ANN401 - whatever was printed
    """Check the exit status and read the JSON that was printed."""
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_every_command_explains_itself() -> None:
    """--help needs no configuration, and names the command's options."""
    for command in COMMANDS:
        done = run_cli(*command.split(), "--help")
        assert (done.returncode, "Usage:" in done.stdout) == (0, True), command
        assert done.stderr == "", command


def test_completion_prints_a_script() -> None:
    """For each shell, a script that asks us for the words."""
    for shell in ("bash", "zsh", "fish"):
        done = run_cli("completion", shell)
        assert done.returncode == 0
        assert "_RFID_AGENT_COMPLETE" in done.stdout


def test_usage_and_configuration_errors_exit_with_2(
    agent: AgentProcess,
) -> None:
    """Unknown options, unknown commands, a file with mistakes, no file."""
    assert run_cli("dance").returncode == 2
    assert run_cli("status", "--loudly").returncode == 2
    assert run_cli("status", "--config", "/nonexistent.toml").returncode == 2
    assert agent.cli("check-config").returncode == 0
    agent.tables["reader"][0]["evses"] = ["SE*ABC*E9"]
    agent.tables["authorization"]["ofline"] = "deny"
    agent.write_config()
    for command in ("check-config", "status", "run"):
        done = agent.cli(command)
        assert done.returncode == 2
        assert "SE*ABC*E9" in done.stderr
        assert "offline" in done.stderr


def test_status_says_whether_all_is_well(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """Exit 0 or 1, as a table or as JSON."""
    facts = parsed(agent.cli("status", "--json"))
    assert facts["healthy"]
    assert [evse["uid"] for evse in facts["evses"]] == [EVSE]
    table = agent.cli("status")
    assert (table.returncode, EVSE in table.stdout) == (0, True)
    emsp.stop()
    assert agent.cli("sync").returncode == 3
    assert not parsed(agent.cli("status", "--json"), 1)["healthy"]
    assert "DOWN" in agent.cli("status").stdout


def test_taps_exit_with_their_outcome(agent: AgentProcess) -> None:
    """0 when the card had an effect, else 1; numbers in any spelling."""
    agent.cards |= {cards.ALWAYS, cards.SHORT}
    agent.plug()
    spelled = ":".join(cards.ALWAYS.lower()[i : i + 2] for i in range(0, 14, 2))
    event = parsed(agent.cli("tap", spelled, "--json"))
    assert (event["outcome"], event["evse_uid"]) == ("started", EVSE)
    stopped = agent.cli("tap", cards.ALWAYS, "--reader", READER)
    assert (stopped.returncode, stopped.stdout.split()[0]) == (0, "stopped")
    event = parsed(agent.cli("tap", cards.SHORT, "--json"), 1)
    assert (event["outcome"], event["reason"]) == ("refused", "unknown_token")
    nowhere = agent.cli("tap", cards.SHORT, "--reader", "back")
    assert (nowhere.returncode, READER in nowhere.stderr) == (1, True)


@pytest.mark.parametrize("running", [True, False], ids=["daemon", "alone"])
def test_the_whitelist_can_be_looked_at_and_synchronised(
    agent: AgentProcess, emsp: ExtrawestServer, *, running: bool
) -> None:
    """With the daemon or without it the same commands work, and hide the numbers."""
    agent.cards |= set(cards.CARDS)
    if not running:
        agent.terminate()
    (found,) = parsed(agent.cli("tokens", "find", cards.ALLOWED.lower(), "--json"))
    assert (found["whitelist"], found["upstream"]) == ("ALLOWED", UPSTREAM)
    assert agent.cli("tokens", "find", cards.UNKNOWN).returncode == 1
    assert len(parsed(agent.cli("tokens", "list", "--json"))) == len(cards.listed())
    listed = agent.cli("tokens", "list").stdout
    assert all(uid.lower() not in listed.lower() for uid in cards.CARDS)
    emsp.set_tokens([cards.token(cards.UNKNOWN, "ALWAYS")])
    (result,) = parsed(agent.cli("sync", "--accept-shrink", "--json"))
    assert (result["full"], result["received"]) == (True, 1)
    assert agent.cli("tokens", "find", cards.ALLOWED).returncode == 1
    assert agent.cli("tokens", "find", cards.UNKNOWN).returncode == 0
    changes = agent.cli("sync", "--upstream", UPSTREAM)
    assert (changes.returncode, "changes" in changes.stdout) == (0, True)
    assert agent.cli("sync", "--upstream", "nobody").returncode in {1, 2}


@pytest.mark.parametrize("running", [True, False], ids=["daemon", "alone"])
def test_refused_reports_can_be_seen_and_sent_again(
    agent: AgentProcess, emsp: ExtrawestServer, *, running: bool
) -> None:
    """A report that the backend refuses waits for a person, and then is taken."""
    emsp.set_fault("status", path="/sessions/", status=400, ocpi_status=2001)
    agent.plug()
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"
    agent.expect_log("refuses the report for good")
    assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
    if not running:
        agent.terminate()
    reports = parsed(agent.cli("outbox", "list", "--json"))
    assert [report["refused"] for report in reports] == [True, False]
    assert "REFUSED" in agent.cli("outbox", "list").stdout
    (session,) = parsed(agent.cli("sessions", "list", "--json"))
    assert (session["status"], session["reported"]) == ("COMPLETED", False)
    retried = agent.cli("outbox", "retry", str(reports[0]["id"]))
    assert (retried.returncode, retried.stdout.split()[0]) == (0, "1")
    if not running:
        agent.start()
    the_session(emsp)
    until(lambda: agent.sessions()[0]["reported"], "the note that it was reported")
    assert parsed(agent.cli("outbox", "list", "--json")) == []
    assert session["id"] in agent.cli("sessions", "list").stdout


def test_readers_are_listed(agent: AgentProcess) -> None:
    """By name, with what they serve and how they are."""
    until(lambda: agent.ask("readers")[0]["up"], "the reader")
    (row,) = parsed(agent.cli("readers", "--json"))
    assert (row["name"], row["driver"], row["up"]) == (READER, "pipe", True)
    assert row["evses"] == [EVSE]
    assert READER in agent.cli("readers").stdout


def test_without_a_daemon_questions_to_it_exit_with_3(agent: AgentProcess) -> None:
    """The message says how to start it."""
    agent.terminate()
    for command in (["status"], ["tap", cards.SHORT], ["readers", "--next"]):
        done = agent.cli(*command)
        assert done.returncode == 3, command
        assert "systemctl start" in done.stderr


def test_after_a_kill_the_old_socket_is_no_daemon(agent: AgentProcess) -> None:
    """What a killed daemon leaves behind confuses nobody, the next one least."""
    agent.kill()
    assert agent.cli("status").returncode == 3
    agent.start()
    assert agent.cli("status").returncode == 0


def test_before_the_first_run_there_is_nothing_to_look_at(
    emsp: ExtrawestServer,
) -> None:
    """And the messages say so."""
    with AgentProcess(emsp, start=False) as agent:
        agent.write_config()
        for command in ("sessions list", "outbox list", "tokens list"):
            done = agent.cli(*command.split())
            assert done.returncode == 2, command
            assert "yet" in done.stderr
