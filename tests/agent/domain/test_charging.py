"""Life of a session: recorded, started, measured and ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.domain.messages import (
    ChargerFaulted,
    EnableFailed,
    EnergyDisabled,
    EnergyEnabled,
    Event,
    Record,
    VehicleConnected,
)
from agent.domain.outcomes import AuthMethod, DecidedBy, EventKind, StopReason
from agent.domain.sessions import SessionStatus
from agent.domain.tokens import Answer, Verdict, WhitelistType
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.cards import token_of, uid_of

NEVER = token_of("A", WhitelistType.NEVER)
MINUTE = 60


def _charging() -> Story:
    story = Story()
    story.meter(1000)
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.shell.effects.clear()
    return story


# ---- start


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
        EnergyDisabled("E1", 1000),
        VehicleConnected("E1"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_messages_of_another_session_change_nothing(stale: EnergyEnabled) -> None:
    """A late confirmation of an older session does not touch this one."""
    story = _charging()
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


# ---- meter


def test_readings_become_durable_at_most_every_minute() -> None:
    """A reading each second writes one row a minute."""
    story = _charging()
    for wh in range(1001, 1241):
        story.pass_time(1)
        story.meter(wh)
    assert story.trail == ["record reading E1"] * 4
    assert story.rows[0].energy_wh >= 180


def test_readings_are_reported_at_most_every_five_minutes() -> None:
    """Every fifth of the minute's readings is an update for the backend as well."""
    story = _charging()
    for wh in range(1001, 1595):
        story.pass_time(1)
        story.meter(wh)
    assert story.trail == [*["record reading E1"] * 4, "record update E1"] * 2


def test_reading_that_adds_nothing_is_not_written() -> None:
    """A vehicle that pauses for hours costs no disk write."""
    story = _charging()
    for _ in range(100):
        story.pass_time(MINUTE)
        story.meter(1000)
    assert story.trail == []


def test_register_that_runs_backwards_adds_nothing() -> None:
    """Energy is kept when the register falls, and counted on from there."""
    story = _charging()
    for wh in (1500, 200, 300):
        story.pass_time(MINUTE)
        story.meter(wh)
    story.tap("A")
    assert story.rows[0].energy_wh == 600


def test_last_reading_is_the_one_after_energy_was_off() -> None:
    """What flowed between the tap and the contactor counts."""
    story = _charging()
    story.shell.boxes["E1"].wh = 1750
    story.tap("A")
    assert story.rows[0].energy_wh == 750
    assert story.events[-1].energy_wh == 750


def test_reading_without_a_session_is_only_remembered() -> None:
    """It becomes the start of the next session."""
    story = Story()
    story.meter(5000)
    assert story.trail == []
    story.plug()
    story.tap("A")
    assert story.rows[0].meter_start_wh == 5000


# ---- stop


def test_stop_is_recorded_before_energy_is_cut() -> None:
    """Decision, energy off, end, and then the driver is told."""
    story = _charging()
    story.tap("A")
    assert story.trail == [
        "tap.received",
        "record stop E1",
        "disable E1",
        "record end E1",
        "A stopped E1",
    ]


def test_pausing_is_not_an_end() -> None:
    """A vehicle that reports itself connected again goes on with its session."""
    story = _charging()
    story.plug()
    story.pass_time(3600)
    assert story.enabled()
    assert story.ends == []


def test_unplugging_always_ends() -> None:
    """No tap asked for it, so no tap is told; plugging again starts nothing."""
    story = _charging()
    story.unplug()
    assert story.ends == ["E1 ev_disconnected"]
    assert story.told("A") == []
    story.plug()
    assert not story.enabled()


def test_unplugging_during_a_slow_start_ends_it() -> None:
    """The tap is told that it started, and energy ends up off."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.unplug()
    story.obey()
    story.obey()
    assert story.told("A") == ["started E1"]
    assert story.ends == ["E1 ev_disconnected"]
    assert not story.enabled()


def test_fault_stops_and_clearing_does_not_restart() -> None:
    """The driver has to tap again after a fault."""
    story = _charging()
    story.fault()
    assert story.ends == ["E1 fault"]
    story.clear()
    assert not story.enabled()
    story.tap("A")
    assert story.enabled()


def test_fault_stops_only_its_own_evse() -> None:
    """The other EVSE goes on."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.tap("B")
    story.fault("E1")
    assert story.ends == ["E1 fault"]
    assert story.enabled("E2")


def test_first_reason_to_stop_is_kept() -> None:
    """Unplugging and a fault during a stop do not stop a second time."""
    story = _charging()
    story.obedient = False
    story.tap("A")
    story.unplug()
    story.shell.send(ChargerFaulted("E1", "GFCI"))
    story.obey()
    assert story.ends == ["E1 local"]
    assert story.trail.count("record end E1") == 1


def test_charger_out_of_reach_while_stopping() -> None:
    """The session ends with the last reading, marked, and the driver is told."""
    story = _charging()
    story.meter(1400)
    story.obedient = False
    story.tap("A")
    story.disobey()
    assert story.told("A") == ["stopped E1"]
    (row,) = story.rows
    assert (row.energy_wh, row.end_estimated) == (400, True)


def test_charger_out_of_reach_is_told_again_when_found() -> None:
    """Until then its EVSE takes no card, and then energy goes off."""
    story = _charging()
    story.obedient = False
    story.tap("A")
    story.disobey()
    story.tap("B")
    assert story.told("B") == ["refused no_evse_available"]
    story.obedient = True
    story.find()
    assert not story.enabled()


# ---- storage and clock


def test_78_start_refused_when_the_disk_is_full() -> None:
    """Without a durable row no energy flows, and the driver is told why."""
    story = Story()
    story.shell.disk_full = True
    story.plug()
    story.tap("A")
    assert story.trail == ["tap.received", "A refused storage_failed"]
    assert not story.enabled()


def test_78_granted_start_refused_when_the_disk_is_full() -> None:
    """A plug-in uses the grant up, and nothing starts."""
    story = Story()
    story.tap("A")
    story.shell.disk_full = True
    story.plug()
    assert story.told("A") == ["granted", "refused storage_failed"]
    assert not story.enabled()
    assert story.shell.station.grants == ()


def test_78_stop_works_when_the_disk_is_full() -> None:
    """Energy goes off although nothing can be written, and the end is written later."""
    story = _charging()
    story.shell.disk_full = True
    story.tap("A")
    assert story.told("A") == ["stopped E1"]
    assert not story.enabled()
    story.shell.disk_full = False
    story.tap("B")
    assert [row.is_open for row in story.rows] == [False, True]


def test_78_disk_with_room_again_takes_the_same_card() -> None:
    """A refused start leaves no lockout behind."""
    story = Story()
    story.shell.disk_full = True
    story.plug()
    story.tap("A")
    story.shell.disk_full = False
    story.tap("A")
    assert story.told("A") == ["refused storage_failed", "started E1"]


def test_80_clock_jumps_backwards_in_mid_session() -> None:
    """Duration, energy and `last_updated` do not follow the clock."""
    story = _charging()
    before = story.rows[0].last_updated
    story.shell.clock.set_wall(timedelta(days=-1))
    story.pass_time(3594)
    story.meter(8000)
    story.tap("A")
    (row,) = story.rows
    assert row.ended_at is not None
    assert row.ended_at.since(row.started_at) == timedelta(hours=1)
    assert row.last_updated >= before
    assert row.energy_wh == 7000


def test_each_record_is_followed_by_what_it_allows() -> None:
    """No outcome of a session is told before its record."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    kinds = [
        effect.change if isinstance(effect, Record) else effect.kind
        for effect in story.shell.effects
        if isinstance(effect, (Record, Event))
    ]
    names = [kind.value for kind in kinds if kind is not EventKind.TAP_RECEIVED]
    assert names == ["start", "session.started", "stop", "end", "session.stopped"]
