"""A part that cannot work does not take the others down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import cards
from tests.e2e.station import AgentProcess
from tests.e2e.tables import EVSE, OTHER_EVSE, evse, pcsc_reader, pipe_reader
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack


def part(agent: AgentProcess, name: str) -> dict[str, Any]:
    """What `status` says of one part, as soon as it says anything."""

    def find() -> dict[str, Any] | None:
        parts = {item["part"]: item for item in agent.ask("status")["parts"]}
        return parts.get(name)

    return until(find, f"a word about {name}")


def test_readers_that_cannot_work_do_not_disturb_another(
    emsp: ExtrawestServer,
) -> None:
    """One whose pipe is a file, one without hardware, one with a broken indicator."""
    with AgentProcess(emsp, start=False) as agent:
        (agent.state / "broken.cards").write_text("no pipe")
        front = agent.tables["reader"][0]
        front["indicator"] = {"driver": "file", "path": str(agent.state)}
        absent = pcsc_reader("absent") | {"match": "A reader that nobody has"}
        agent.tables["reader"] += [pipe_reader("broken"), absent]
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        agent.plug()
        assert agent.tap(cards.ALWAYS)["outcome"] == "started"
        assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
        broken = part(agent, "reader broken")
        assert (broken["ok"], "expected a named pipe" in broken["detail"]) == (
            False,
            True,
        )
        assert not part(agent, "reader absent")["ok"]
        assert not part(agent, "indicator front")["ok"]
        assert part(agent, "reader front")["ok"]
        assert not agent.ask("status")["healthy"]


def test_a_charger_that_cannot_work_does_not_disturb_another(
    emsp: ExtrawestServer,
) -> None:
    """The station is ready without it, and its EVSE takes no session."""
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["evse"].append(evse(OTHER_EVSE, "e2"))
        only_e2 = pipe_reader("back") | {"evses": [OTHER_EVSE]}
        agent.tables["reader"].append(only_e2)
        agent.charger_file("control", OTHER_EVSE).write_text("no pipe")
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        assert not agent.evse(OTHER_EVSE)["reachable"]
        refused = agent.tap(cards.ALWAYS, "back")
        assert refused["reason"] == "no_evse_available"
        agent.plug()
        assert agent.tap(cards.ALWAYS)["evse_uid"] == EVSE


def test_of_two_upstreams_the_dead_one_costs_nothing(
    emsp: ExtrawestServer,
) -> None:
    """Cards of the living one are listed and asked about as ever."""
    with AgentProcess(emsp, start=False) as agent:
        dead = agent.tables["upstream"][0] | {
            "name": "dead",
            "versions_url": "http://127.0.0.1:9/ocpi/versions",
        }
        agent.tables["upstream"].append(dead)
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        agent.plug()
        started = agent.tap(cards.UNKNOWN)
        assert (started["outcome"], started["decided_by"]) == ("started", "realtime")
        assert not part(agent, "synchronisation from dead")["ok"]
