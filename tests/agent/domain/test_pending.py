"""A card that waits for its vehicle, told as a PENDING session."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from agent.domain.messages import EnableEnergy, Event, Record
from agent.domain.outcomes import StopReason
from agent.domain.sessions import Session, SessionStatus
from agent.domain.tariffs import Tariff
from agent.domain.timeline import correct
from agent.domain.tokens import Verdict, WhitelistType
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, TWO_READERS, Story
from tests.fakes.cards import token_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Callable

TARIFF = Tariff(per_kwh=Decimal(40), per_minute=Decimal(1), per_session=Decimal(50))
LAPSED = ["pending S1 PENDING", "end S1 INVALID"]


def waiting(**rules: Any) -> Story:  # noqa: ANN401 - fields of Settings
    """Tell of a card A whose grant has been announced at E1."""
    story = Story(tell_grants=True, **rules)
    story.tap("A")
    return story


def row(story: Story) -> Session:
    """Give the only session on disk."""
    [session] = story.rows
    return session


# ---- announced -----------------------------------------------------------------------


def test_a_grant_is_announced_before_its_driver_hears_of_it() -> None:
    """The record comes first, and no energy with it."""
    story = waiting()
    assert story.trail == ["tap.received", "record pending E1", "A granted"]
    assert row(story).status is SessionStatus.PENDING
    assert row(story).energy_wh == 0
    assert row(story).is_open
    assert not story.enabled()


def test_nothing_is_announced_unless_it_is_wanted() -> None:
    """The default tells of sessions alone."""
    story = Story()
    story.tap("A")
    assert story.rows == []


def test_a_grant_that_floats_is_not_announced() -> None:
    """Nobody knows yet where its session will be."""
    story = Story(TWO_EVSES, tell_grants=True)
    story.tap("A")
    assert story.rows == []
    story.plug("E2")
    assert story.told("A") == ["granted", "started E2"]
    assert story.recorded == ["start S1 ACTIVE"]


def test_a_session_that_starts_at_once_is_not_announced() -> None:
    """Where a vehicle waits there is nothing pending."""
    story = Story(tell_grants=True)
    story.plug()
    story.tap("A")
    assert story.recorded == ["start S1 ACTIVE"]


def test_an_answer_that_allows_one_evse_binds_the_grant() -> None:
    """It is known where it will be, so it is announced."""
    never = token_of("A", WhitelistType.NEVER)
    story = Story(TWO_EVSES, cards={"A": never}, tell_grants=True)
    story.tap("A")
    story.answer("A", Verdict.ALLOWED, "E2")
    assert row(story).evse_uid == "E2"
    assert row(story).status is SessionStatus.PENDING


def test_a_full_disk_is_no_reason_against_the_grant() -> None:
    """Nothing depends on the announcement; the session starts when there is room."""
    story = Story(tell_grants=True)
    story.shell.disk_full = True
    story.tap("A")
    assert story.told("A") == ["granted"]
    story.shell.disk_full = False
    story.plug()
    assert story.told("A") == ["granted", "started E1"]
    assert [one.split()[0] for one in story.recorded] == ["start"]


# ---- used ----------------------------------------------------------------------------


def test_the_announced_session_starts_under_its_id() -> None:
    """START follows PENDING, and only then energy may flow."""
    story = waiting()
    story.pass_time(20)
    story.plug()
    assert story.recorded == ["pending S1 PENDING", "start S1 ACTIVE"]
    kinds = [type(one) for one in story.shell.effects]
    assert kinds.index(EnableEnergy) > kinds.index(Record)
    assert story.enabled()


def test_it_starts_when_it_starts_and_not_when_it_was_granted() -> None:
    """OCPI: the time of PENDING is that of its creation, then that of ACTIVE."""
    story = waiting()
    granted_at = row(story).started_at
    story.pass_time(20)
    story.plug()
    assert row(story).started_at.since(granted_at) == timedelta(seconds=20)
    assert row(story).updated_at == row(story).started_at


def test_its_meter_is_read_at_the_start() -> None:
    """What the register counted before is nobody's energy."""
    story = Story(tell_grants=True)
    story.meter(1000)
    story.tap("A")
    story.meter(1400)
    story.plug()
    story.meter(1500)
    story.unplug()
    assert row(story).energy_wh == 100


def test_the_whole_life_of_an_announced_session() -> None:
    """PENDING, ACTIVE, and COMPLETED at its stop, under one id."""
    story = waiting()
    story.plug()
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    assert story.recorded == [
        "pending S1 PENDING",
        "start S1 ACTIVE",
        "stop S1 ACTIVE",
        "end S1 COMPLETED",
    ]


def test_a_charger_that_fails_makes_an_announced_session_invalid() -> None:
    """It had started, so its end is that of a start that failed."""
    story = waiting()
    story.obedient = False
    story.plug()
    story.disobey()
    story.obey()
    assert story.told("A") == ["granted", "charger_failed"]
    assert story.recorded[-1] == "end S1 INVALID"


def test_the_next_grant_is_another_session() -> None:
    """An id is never used again."""
    story = waiting()
    story.pass_time(60)
    story.tap("A")
    assert story.recorded == [*LAPSED, "pending S2 PENDING"]


def test_two_grants_are_two_sessions() -> None:
    """Each starts under its own id, in whatever order they are used."""
    story = Story(TWO_READERS, tell_grants=True)
    story.tap("A", "left")
    story.tap("B", "right")
    story.plug("E2")
    story.plug("E1")
    assert {one.id: one.card for one in story.rows} == {
        "S1": uid_of("A").value,
        "S2": uid_of("B").value,
    }
    assert story.recorded[2:] == ["start S2 ACTIVE", "start S1 ACTIVE"]


# ---- not used ------------------------------------------------------------------------


def cancelled(story: Story) -> None:
    """Tap again to take it back."""
    story.pass_time(LOCKOUT_S)
    story.tap("A")


def withdrawn_by_card(story: Story) -> None:
    """An operator names the card."""
    assert story.withdraw(StopReason.REMOTE, uid=uid_of("A")) == (0, 1, 0)


def refused_late(story: Story) -> None:
    """Its backend does not want it after all."""
    story.verify("A", Verdict.BLOCKED)


def reader_gone(story: Story) -> None:
    """A reload takes its reader away."""
    readers = {"other": ("E1",)}
    story.shell.reload(replace(story.shell.settings, readers=readers))


ENDS: list[Callable[[Story], object]] = [
    lambda story: story.pass_time(60),
    lambda story: story.withdraw(),
    cancelled,
    withdrawn_by_card,
    refused_late,
    reader_gone,
    Story.restart,
]


@pytest.mark.parametrize("ending", ENDS, ids=range(len(ENDS)))
def test_what_was_announced_and_comes_to_nothing_ends_as_invalid(
    ending: Callable[[Story], object],
) -> None:
    """Once, whichever way it ends, and nothing starts under it later."""
    allowed = {"A": token_of("A", WhitelistType.ALLOWED)}
    story = waiting(cards=allowed, tariff=TARIFF)
    ending(story)
    assert story.recorded == LAPSED
    assert not row(story).is_open
    assert row(story).energy_wh == 0
    assert row(story).cost is None
    story.plug()
    story.pass_time(600)
    assert story.recorded == LAPSED
    assert not story.enabled()


def test_it_ends_before_its_driver_hears_that_it_has() -> None:
    """No outcome is told before its record."""
    story = waiting()
    story.shell.effects.clear()
    story.pass_time(60)
    told = [one for one in story.shell.effects if isinstance(one, (Record, Event))]
    assert [type(one) for one in told] == [Record, Event]


def test_one_grant_lapses_and_the_other_stays() -> None:
    """An end is of the grant that has ended."""
    story = Story(TWO_READERS, tell_grants=True)
    story.tap("A", "left")
    story.pass_time(30)
    story.tap("B", "right")
    story.pass_time(30)
    assert story.recorded[2:] == ["end S1 INVALID"]
    story.plug("E2")
    assert story.recorded[3:] == ["start S2 ACTIVE"]


def test_a_start_that_the_disk_refuses_ends_the_announced_session() -> None:
    """The end waits in memory until it can be written."""
    story = waiting()
    story.shell.disk_full = True
    story.plug()
    assert story.told("A") == ["granted", "withdrawn"]
    assert row(story).status is SessionStatus.PENDING
    story.shell.disk_full = False
    story.shell.write_the_rest()
    assert row(story).status is SessionStatus.INVALID


def test_a_lapse_that_the_disk_refused_is_made_up_for_at_the_restart() -> None:
    """Whatever was lost, a PENDING session does not stay."""
    story = waiting()
    story.shell.disk_full = True
    story.pass_time(60)
    story.shell.disk_full = False
    story.restart()
    assert row(story).status is SessionStatus.INVALID
    assert row(story).ended_at == row(story).started_at


def test_a_restart_leaves_the_session_that_charges_at_the_same_evse() -> None:
    """Another reader's card may wait for an EVSE whose session goes on."""
    story = Story({"left": ("E1", "E2"), "right": ("E1",)}, tell_grants=True)
    story.tap("A", "left")
    story.tap("B", "right")
    story.plug("E1")
    assert story.told("A") == ["granted", "started E1"]
    story.restart()
    assert [(one.card, one.status) for one in story.rows] == [
        (uid_of("B").value, SessionStatus.INVALID),
        (uid_of("A").value, SessionStatus.ACTIVE),
    ]
    assert story.session("E1") is not None


def test_it_is_dated_anew_once_the_time_is_known() -> None:
    """A lapse without a clock ends after it began, at the true time."""
    story = Story(tell_grants=True)
    story.shell.clock.lose_the_time(timedelta(hours=-5))
    story.tap("A")
    story.pass_time(60)
    story.shell.clock.learn_the_time()
    truth = story.shell.clock.now().wall
    dated = correct(row(story), story.shell.clock.bases)
    assert dated.ended_at is not None
    assert dated.ended_at.wall == truth
    assert dated.started_at.wall == truth - timedelta(seconds=60)


# ---- secrets -------------------------------------------------------------------------


def test_no_card_is_printed_with_what_is_pending() -> None:
    """Neither the grant nor its record shows the number."""
    story = waiting()
    card = uid_of("A").value
    printed = repr(
        [story.shell.station.grants[0].session, row(story), story.shell.effects]
    )
    assert card not in printed
    assert token_of("A").contract_id not in printed


def test_a_backend_may_withdraw_what_it_was_told_of() -> None:
    """The session that was announced is known by its id before it has begun."""
    story = Story(tell_grants=True)
    story.tap("A")
    assert story.withdraw(StopReason.REMOTE, session_id="S1") == (0, 1, 0)
    assert story.told("A") == ["granted", "withdrawn"]
