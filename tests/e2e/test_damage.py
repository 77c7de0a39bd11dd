"""Databases that were damaged while nobody looked."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from agent.store.journal import FILE as JOURNAL
from agent.store.whitelist import LINK
from tests.e2e import cards
from tests.e2e.reports import statuses
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.station import AgentProcess
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

PAGE_BYTES = 4096


def damage(path: Path, where: str) -> None:
    """Spoil a file: its head, everything but its head, its end, or all of it."""
    content = path.read_bytes()
    garbage = random.Random(11).randbytes(len(content))  # noqa: S311 - no secret
    spoilt = {
        "head": garbage[:PAGE_BYTES] + content[PAGE_BYTES:],
        "body": content[:PAGE_BYTES] + garbage[PAGE_BYTES:],
        "end": content[: len(content) // 2 + 100],
        "all": garbage,
        "nothing left": b"",
    }
    path.write_bytes(spoilt[where])


@pytest.mark.parametrize("where", ["head", "body", "end", "nothing left"])
def test_a_damaged_whitelist_is_fetched_again(agent: AgentProcess, where: str) -> None:
    """It is set aside, and the new one is whole a moment later."""
    agent.terminate()
    damage(agent.state / LINK, where)
    agent.start()
    agent.wait_for_whitelist(len(cards.listed()))
    assert agent.tap(cards.ALWAYS)["decided_by"] == "whitelist"
    # An empty file is no damaged database, but an empty one.
    kept = list(agent.state.glob("whitelist*.damaged-*"))
    assert len(kept) == (where != "nothing left")


def test_a_damaged_whitelist_allows_nobody_and_lets_everybody_stop(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """Without the backend it stays empty; a running session ends by its card."""
    agent.plug()
    assert agent.tap(cards.ALLOWED)["outcome"] == "started"
    agent.terminate()
    emsp.stop()
    damage(agent.state / LINK, "all")
    agent.start()
    assert agent.tap(cards.ALLOWED)["outcome"] == "stopped"
    assert agent.tap(cards.ALWAYS)["outcome"] == "refused"
    emsp.start()
    agent.wait_for_whitelist(len(cards.listed()))
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"


def test_a_session_is_salvaged_from_a_damaged_journal(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """With its head gone, SQLite reads nothing; the session goes on, and ends."""
    agent.plug()
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"
    agent.wait_for_empty_outbox()
    agent.terminate()
    damage(agent.state / JOURNAL, "head")
    agent.start()
    agent.expect_log("ERROR", JOURNAL, "salvaged 1 session")
    assert not agent.ask("status")["healthy"]
    assert agent.is_energy_on()
    assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
    until(lambda: statuses(emsp) == [["ACTIVE", "COMPLETED"]], "the end of the session")
    assert len(list(agent.state.glob(f"{JOURNAL}.damaged-*"))) == 1


def test_a_journal_that_cannot_be_salvaged_is_set_aside_loudly(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """Energy without a known session goes off; the next session is recorded anew."""
    agent.plug()
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"
    agent.wait_for_empty_outbox()
    agent.terminate()
    damage(agent.state / JOURNAL, "body")
    agent.start()
    agent.expect_log("ERROR", JOURNAL, "set aside")
    assert not agent.ask("status")["healthy"]
    until(lambda: not agent.is_energy_on(), "energy off")
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"
    assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
    until(lambda: ["ACTIVE", "COMPLETED"] in statuses(emsp), "the next session")
    assert len(list(agent.state.glob(f"{JOURNAL}.damaged-*"))) == 1


def test_the_alarm_about_a_damaged_journal_outlives_the_next_session(
    agent: AgentProcess,
) -> None:
    """Sessions may be lost with it: a person has to look, however long it takes."""
    agent.terminate()
    damage(agent.state / JOURNAL, "all")
    agent.start()
    agent.plug()
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"
    assert not agent.ask("status")["healthy"]


def test_a_card_number_leaves_the_journal_with_the_last_report(
    agent: AgentProcess,
) -> None:
    """Not even a deleted row, or a log of the database, still holds it."""
    agent.plug()
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"
    assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
    agent.wait_for_empty_outbox()
    agent.terminate()
    assert agent.find_card_numbers(f"{JOURNAL}*") == []
