"""What events tell: who, where, by whose word, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.messages import CardTapped
from agent.domain.outcomes import (
    AuthMethod,
    DecidedBy,
    EventKind,
    Outcome,
    Refusal,
    StopReason,
)
from agent.domain.tokens import Answer, Verdict, WhitelistType
from agent.domain.uid import Technology
from tests.agent.domain.story import LOCKOUT_S, Story, charging
from tests.fakes.cards import token_of, uid_of

if TYPE_CHECKING:
    from agent.domain.messages import Event

NEVER = token_of("A", WhitelistType.NEVER)


def _the(story: Story, kind: EventKind) -> Event:
    [event] = [event for event in story.events if event.kind is kind]
    return event


def test_times_of_a_card_that_was_asked_about() -> None:
    """Tapped, decided and done are three moments when the charger is slow."""
    story = Story(cards={"A": NEVER})
    story.obedient = False
    clock = story.shell.clock
    story.plug()
    tapped_at = clock.now()
    story.tap("A")
    story.pass_time(0.5)
    decided_at = clock.now()
    story.answer("A")
    story.pass_time(2)
    story.obey()
    event = _the(story, EventKind.SESSION_STARTED)
    assert event.tapped_at == tapped_at
    assert event.decided_at == decided_at
    assert event.at == clock.now()


def test_times_of_a_grant_that_waited() -> None:
    """It was decided at the tap, and done at the plug-in."""
    story = Story()
    tapped_at = story.shell.clock.now()
    story.tap("A")
    story.pass_time(30)
    story.plug()
    event = _the(story, EventKind.SESSION_STARTED)
    assert (event.tapped_at, event.decided_at) == (tapped_at, tapped_at)
    assert event.at == story.shell.clock.now()
    assert (event.tap_id, event.grant_id) == (None, "T1")


def test_tap_is_dated_when_the_card_arrived() -> None:
    """Not when its turn came."""
    story = Story()
    arrived_at = story.shell.clock.now()
    story.pass_time(0.3)
    tapped = CardTapped(
        tap_id="T1",
        reader="front",
        slot="0",
        uid=uid_of("A"),
        technology=Technology.ISO14443,
        token=token_of("A"),
        at=arrived_at,
    )
    story.shell.send(tapped)
    received, accepted = story.events
    assert received.tapped_at == accepted.tapped_at == arrived_at
    assert accepted.decided_at == story.shell.clock.now()


def test_start_says_by_whose_word() -> None:
    """With the eMSP's text for the driver."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.reply("A", Answer(upstream="cpo", verdict=Verdict.ALLOWED, info="Welcome"))
    event = _the(story, EventKind.SESSION_STARTED)
    assert (event.reader, event.evse_uid, event.session_id) == ("front", "E1", "S1")
    assert (event.uid, event.outcome) == (uid_of("A"), Outcome.STARTED)
    assert event.decided_by is DecidedBy.REALTIME
    assert event.auth_method is AuthMethod.AUTH_REQUEST
    assert (event.info, event.flagged) == ("Welcome", False)


def test_grant_says_by_whose_word() -> None:
    """And where, if there is one place only."""
    story = Story()
    story.tap("A")
    event = _the(story, EventKind.TOKEN_ACCEPTED)
    assert (event.reader, event.evse_uid, event.tap_id) == ("front", "E1", "T1")
    assert event.decided_by is DecidedBy.WHITELIST
    assert event.auth_method is AuthMethod.WHITELIST


def test_grant_carries_the_text_for_the_driver() -> None:
    """As a start does."""
    story = Story(cards={"A": NEVER})
    story.tap("A")
    story.reply("A", Answer(upstream="cpo", verdict=Verdict.ALLOWED, info="Welcome"))
    assert _the(story, EventKind.TOKEN_ACCEPTED).info == "Welcome"


def test_refusal_says_by_whose_word() -> None:
    """And why, in the eMSP's words as well."""
    story = Story(cards={"A": NEVER})
    story.tap("A")
    answer = Answer(upstream="cpo", verdict=Verdict.NO_CREDIT, info="Top up")
    story.reply("A", answer)
    event = _the(story, EventKind.TOKEN_REJECTED)
    assert (event.reader, event.uid, event.tap_id) == ("front", uid_of("A"), "T1")
    assert (event.outcome, event.reason) == (Outcome.REFUSED, Refusal.NO_CREDIT)
    assert (event.decided_by, event.info) == (DecidedBy.REALTIME, "Top up")
    assert event.tapped_at == event.decided_at == story.shell.clock.now()


def test_stop_names_the_card_that_stopped_and_what_flowed() -> None:
    """A colleague's tap is the colleague's, the session is still A's."""
    cards = {card: token_of(card, group_id="FLEET") for card in "AB"}
    story = Story(cards=cards)
    story.meter(1000)
    story.charge("A")
    story.meter(1250)
    story.tap("B")
    event = _the(story, EventKind.SESSION_STOPPED)
    assert (event.uid, event.tap_id) == (uid_of("B"), "T2")
    assert (event.session_id, event.evse_uid) == ("S1", "E1")
    assert (event.reason, event.energy_wh) == (StopReason.LOCAL, 250)
    assert event.decided_by is DecidedBy.LOCAL


def test_stop_that_nobody_tapped_names_the_card_that_started() -> None:
    """There is no tap, so there is no outcome."""
    story = charging()
    story.unplug()
    event = _the(story, EventKind.SESSION_STOPPED)
    assert (event.uid, event.reader) == (uid_of("A"), "front")
    assert (event.tap_id, event.grant_id, event.outcome) == (None, None, None)
    assert event.reason is StopReason.EV_DISCONNECTED


def test_charger_that_failed_says_why() -> None:
    """In the driver's words."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.disobey()
    event = _the(story, EventKind.CHARGER_FAILED)
    assert (event.outcome, event.tap_id) == (Outcome.CHARGER_FAILED, "T1")
    assert (event.evse_uid, event.session_id) == ("E1", "S1")
    assert (event.info, event.decided_by) == ("no relay", DecidedBy.WHITELIST)


def test_charger_that_cannot_be_stopped_says_why() -> None:
    """The driver's tap has its outcome; the session ends when energy is off."""
    story = charging()
    story.obedient = False
    story.tap("A")
    story.disobey()
    event = _the(story, EventKind.CHARGER_FAILED)
    assert (event.outcome, event.tap_id) == (Outcome.STOPPED, "T2")
    assert (event.info, event.reason) == ("no link", StopReason.LOCAL)
    assert story.ends == []


def test_implausible_register_is_told_once_with_both_readings() -> None:
    """Whoever reads it knows what was left out."""
    story = charging()
    story.pass_time(60)
    story.meter(400)
    story.meter(200)
    event = _the(story, EventKind.METER_IMPLAUSIBLE)
    assert (event.evse_uid, event.session_id) == ("E1", "S1")
    assert event.info is not None
    assert "1000" in event.info
    assert "400" in event.info


def test_ignored_tap_says_so() -> None:
    """A tap always has an answer, at least in the log."""
    story = charging()
    story.shell.effects.clear()
    story.lay("A")
    story.pass_time(LOCKOUT_S)
    story.lay("A")
    event = _the(story, EventKind.TAP_IGNORED)
    assert (event.reader, event.uid, event.tap_id) == ("front", uid_of("A"), "T3")
    assert event.decided_by is DecidedBy.LOCAL


def test_end_of_a_bound_grant_names_its_evse_and_its_method() -> None:
    """However it ends."""
    story = Story()
    story.tap("A")
    story.pass_time(60)
    story.tap("A")
    story.withdraw()
    story.tap("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    ends = [event for event in story.events if event.grant_id]
    assert [event.outcome for event in ends] == ["timed_out", "withdrawn", "withdrawn"]
    for event in ends:
        assert (event.evse_uid, event.auth_method) == ("E1", AuthMethod.WHITELIST)


def test_events_of_a_recovered_session_name_its_card_and_reader() -> None:
    """Its charger fails, and its register lies."""
    story = charging()
    story.pass_time(60)
    story.meter(1500)
    story.obedient = False
    story.restart()
    story.meter(0)
    story.disobey()
    kinds = (EventKind.CHARGER_FAILED, EventKind.METER_IMPLAUSIBLE)
    told = [event for event in story.events if event.kind in kinds]
    assert len(told) == 2
    for event in told:
        assert (event.reader, event.uid) == ("front", uid_of("A"))
