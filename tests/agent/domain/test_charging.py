"""How a session starts."""

from __future__ import annotations

import pytest

from agent.domain.messages import (
    ChargerLost,
    DisableFailed,
    EnableFailed,
    EnergyDisabled,
    EnergyEnabled,
    VehicleConnected,
)
from agent.domain.outcomes import AuthMethod, DecidedBy, StopReason
from agent.domain.sessions import SessionStatus
from agent.domain.settings import Owner
from agent.domain.tokens import Answer, Verdict, WhitelistType
from tests.agent.domain.story import Story, charging
from tests.fakes.cards import token_of, uid_of

NEVER = token_of("A", WhitelistType.NEVER)
ALLOWED_BY_HUB = Answer(upstream="hub", verdict=Verdict.ALLOWED)


def test_start_is_recorded_before_energy_flows() -> None:
    """Row, then energy, then the outcome, in this order."""
    story = Story()
    story.plug()
    story.tap("A")
    assert story.trail == [
        "tap.received",
        "record start E1",
        "enable E1",
        "A started E1",
    ]


def test_started_is_told_when_the_charger_has_confirmed() -> None:
    """Until then the tap has no outcome."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    assert story.told("A") == []
    story.obey()
    assert story.told("A") == ["started E1"]


def test_session_keeps_what_the_start_knew() -> None:
    """Card, party, place, reference and register are frozen at the start."""
    story = Story(cards={"A": NEVER})
    story.meter(4711)
    story.plug()
    story.tap("A")
    token = token_of("A", WhitelistType.NEVER, group_id="FLEET")
    answer = Answer(
        upstream="cpo",
        verdict=Verdict.ALLOWED,
        token=token,
        authorization_reference="REF-1",
    )
    story.reply("A", answer)
    (row,) = story.rows
    assert (row.evse_uid, row.reader, row.upstream) == ("E1", "front", "cpo")
    assert (row.auth_method, row.decided_by) == (
        AuthMethod.AUTH_REQUEST,
        DecidedBy.REALTIME,
    )
    assert (row.group_id, row.authorization_reference) == ("FLEET", "REF-1")
    assert (row.meter_start_wh, row.energy_wh) == (4711, 0)
    assert row.meter_at == row.started_at
    assert row.belongs_to(uid_of("A"))
    assert (row.token.uid, row.token.contract_id) == (token.uid, token.contract_id)
    assert row.started_at == story.shell.clock.now()


def test_16_full_cycle_then_the_same_card_again() -> None:
    """Nothing is left of a session that would hinder the next."""
    story = Story()
    for _ in range(3):
        story.plug()
        story.tap("A")
        story.pass_time(6)
        story.tap("A")
        story.unplug()
        story.pass_time(1)
    assert story.told("A") == ["started E1", "stopped E1"] * 3
    assert len({row.id for row in story.rows}) == 3


def test_17_charger_refuses_to_enable() -> None:
    """Energy is switched off for sure, and the session is INVALID."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.disobey()
    assert story.told("A") == ["charger_failed"]
    story.obey()
    assert story.told("A") == ["charger_failed"]
    assert not story.enabled()
    assert story.rows[0].status is SessionStatus.INVALID
    assert story.rows[0].stop_reason is StopReason.CHARGER_FAILED


def test_17_charger_refuses_to_enable_for_a_grant() -> None:
    """The grant ends with it, and never times out later."""
    story = Story()
    story.tap("A")
    story.obedient = False
    story.plug()
    story.disobey()
    story.obey()
    story.pass_time(3600)
    assert story.told("A") == ["granted", "charger_failed"]


def test_17_card_works_again_after_the_charger_failed() -> None:
    """A failed start locks nobody out."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.disobey()
    story.obey()
    story.pass_time(6)
    story.obedient = True
    story.tap("A")
    assert story.told("A") == ["charger_failed", "started E1"]


@pytest.mark.parametrize(
    "stale",
    [
        EnergyEnabled("E1", "S-old"),
        EnableFailed("E1", "S-old", "timeout"),
        EnergyDisabled("E1", "S-old", 1000),
        VehicleConnected("E1"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_messages_of_another_session_change_nothing(stale: EnergyEnabled) -> None:
    """A late confirmation of an older session does not touch this one."""
    story = charging()
    story.shell.send(stale)
    assert story.trail == []
    assert story.session() is not None


def test_confirmation_of_another_session_starts_nothing() -> None:
    """A tap during a slow start is not told by an older session's confirmation."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.shell.send(EnergyEnabled("E1", "S-old"))
    assert story.told("A") == []
    story.shell.send(EnableFailed("E1", "S-old", "timeout"))
    assert story.told("A") == []
    story.obey()
    assert story.told("A") == ["started E1"]


@pytest.mark.parametrize("tap_first", [True, False], ids=["grant", "tap"])
def test_vehicle_gone_before_the_charger_confirmed(tap_first: bool) -> None:  # noqa: FBT001 - a table
    """The tap, or its grant, has its outcome all the same."""
    story = Story()
    if tap_first:
        story.tap("A")
    story.obedient = False
    story.plug()
    if not tap_first:
        story.tap("A")
    story.shell.send(ChargerLost("E1"))
    story.shell.boxes["E1"].connected = False
    story.find()
    assert story.told("A")[-1] == "started E1"
    story.obedient = True
    story.obey()
    assert not story.rows[0].is_open
    assert not story.enabled()


def test_allowed_without_a_token_and_without_a_known_party_is_refused() -> None:
    """Nobody could be told of the session, so there is none."""
    story = Story(cards={"X": None})
    story.plug()
    story.tap("X")
    story.reply("X", ALLOWED_BY_HUB)
    assert story.told("X") == ["refused misconfigured"]


def test_allowed_without_a_token_is_booked_on_who_allowed_it() -> None:
    """Not on the party that unknown cards are booked on."""
    owners = {"hub": Owner("hub", "DE", "HUB"), "cpo": Owner("cpo", "SE", "ABC")}
    story = Story(cards={"X": None}, owners=owners, unknown_owner=owners["cpo"])
    story.plug()
    story.tap("X")
    story.reply("X", ALLOWED_BY_HUB)
    assert [row.upstream for row in story.rows] == ["hub"]


def test_text_for_the_driver_survives_a_direct_start() -> None:
    """The eMSP's words arrive with the outcome."""
    story = Story(cards={"A": token_of("A", WhitelistType.NEVER)})
    story.plug()
    story.tap("A")
    answer = Answer(upstream="cpo", verdict=Verdict.ALLOWED, info="Welcome")
    story.reply("A", answer)
    assert story.events[-1].info == "Welcome"


def test_late_confirmation_of_a_session_that_is_to_stop_is_switched_off() -> None:
    """The charger that could not be told to stop has just been told to start."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.unplug()
    story.shell.send(DisableFailed("E1", "S1", "no link"))
    story.shell.boxes["E1"].commands.clear()
    story.shell.send(EnergyEnabled("E1", "S1"))
    assert story.trail[-1] == "disable E1"
    story.obey()
    assert not story.rows[0].is_open


def test_late_confirmation_without_a_session_is_switched_off() -> None:
    """No energy without a session, whatever has ended it meanwhile."""
    story = Story()
    story.shell.send(EnergyEnabled("E1", "S-old"))
    assert story.trail == ["disable E1"]


def test_vehicle_that_draws_energy_is_known_to() -> None:
    """For whoever asks how things are; nothing is decided by it."""
    story = charging()
    for drawing in (True, False):
        story.shell.send(VehicleConnected("E1", drawing=drawing))
        assert story.shell.station.evses["E1"].drawing is drawing
    assert story.trail == []
