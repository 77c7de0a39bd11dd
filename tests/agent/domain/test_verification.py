"""Answers that come when the card has been decided without them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agent.domain.outcomes import AuthMethod, EventKind, StopReason
from agent.domain.settings import LateRefusal
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Verdict,
    WhitelistType,
)
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, TWO_READERS, Readers, Story
from tests.fakes.cards import token_of

ALLOWED = token_of("A", WhitelistType.ALLOWED)
OFFLINE = token_of("A", WhitelistType.ALLOWED_OFFLINE)
NEVER = token_of("A", WhitelistType.NEVER)
REFUSING = [verdict for verdict in Verdict if verdict is not Verdict.ALLOWED]
NO_ANSWERS = [NoAnswer("HTTP 500"), Misconfigured("HTTP 401")]
WITH_REFERENCE = Answer(
    upstream="cpo", verdict=Verdict.ALLOWED, authorization_reference="REF-1"
)


def _offline(readers: Readers = TWO_READERS, **rules: object) -> Story:
    """Tell of a card that charges since nobody answered in time."""
    story = Story(readers, cards={"A": OFFLINE}, **rules)
    story.meter(1000, "E1")
    story.plug("E1")
    story.tap("A", next(iter(readers)))
    story.pass_time(2)
    assert story.told("A") == ["started E1"]
    return story


# ---- sessions


def test_61_late_allowed() -> None:
    """The session goes on as it began, and takes the reference along."""
    story = _offline()
    story.reply("A", WITH_REFERENCE)
    assert story.enabled("E1")
    story.tap("A", "left")
    story.pass_time(LOCKOUT_S)
    story.tap("A", "left")
    (row,) = story.rows
    assert row.authorization_reference == "REF-1"
    assert row.auth_method is AuthMethod.WHITELIST


@pytest.mark.parametrize("verdict", REFUSING)
def test_61_late_blocked(verdict: Verdict) -> None:
    """A refusal that comes late stops the session, and the card may try again."""
    story = _offline()
    story.answer("A", verdict)
    assert story.ends == ["E1 deauthorized"]
    assert not story.enabled("E1")
    assert story.told("A") == ["started E1"]
    story.pass_time(LOCKOUT_S)
    story.tap("A", "left")
    story.answer("A", verdict)
    assert story.told("A")[1].startswith("refused ")


def test_61_late_blocked_before_the_charger_has_confirmed() -> None:
    """The tap has its outcome, and energy ends up off."""
    story = Story(cards={"A": OFFLINE})
    story.obedient = False
    story.plug()
    story.tap("A")
    story.pass_time(2)
    story.answer("A", Verdict.BLOCKED)
    story.obey()
    story.obey()
    assert story.told("A") == ["started E1"]
    assert not story.enabled()


@pytest.mark.parametrize("verdict", REFUSING)
def test_refused_behind(verdict: Verdict) -> None:
    """A card that was allowed without asking is stopped in the same way."""
    story = Story(cards={"A": ALLOWED})
    story.charge("A")
    story.verify("A", verdict)
    assert story.ends == ["E1 deauthorized"]


def test_allowed_behind_at_another_evse_only() -> None:
    """An ALLOWED that does not contain the EVSE does not count."""
    story = Story(TWO_EVSES, cards={"A": ALLOWED})
    story.charge("A", "E1")
    story.verify("A", Verdict.ALLOWED, "E2")
    assert story.ends == ["E1 deauthorized"]


@pytest.mark.parametrize("reply", NO_ANSWERS, ids=["no answer", "misconfigured"])
def test_no_answer_behind_changes_nothing(reply: Reply) -> None:
    """What is not an answer cannot take anything back."""
    story = Story(cards={"A": ALLOWED})
    story.charge("A")
    before = story.session()
    story.reply_behind("A", reply)
    assert story.session() == before


def test_what_an_answer_has_allowed_stands() -> None:
    """A second answer, to an older question, does not overrule it."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A")
    story.answer("A", Verdict.BLOCKED)
    assert story.enabled()


def test_late_answer_about_a_card_that_has_nothing_here() -> None:
    """It was refused when nobody answered, and has gone."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.pass_time(2)
    story.answer("A")
    story.tap("B")
    assert story.told("A") == ["refused offline_not_permitted"]
    assert story.told("B") == ["started E1"]


# ---- the three ways to take a late refusal


def test_late_refusal_caps_the_session() -> None:
    """It gets so much more and not a watt-hour that could have been stopped."""
    story = _offline(late_refusal=LateRefusal.CAP, late_refusal_cap_wh=3000)
    story.pass_time(60)
    story.meter(1500, "E1")
    story.answer("A", Verdict.BLOCKED)
    assert story.events[-1].kind is EventKind.SESSION_CAPPED
    assert story.events[-1].energy_wh == 3500
    story.pass_time(60)
    story.meter(4499, "E1")
    assert story.enabled("E1")
    story.meter(4500, "E1")
    assert story.ends == ["E1 deauthorized"]
    assert story.rows[0].energy_wh == 3500


def test_second_late_refusal_gives_no_more() -> None:
    """The cap is counted from the first."""
    story = _offline(late_refusal=LateRefusal.CAP, late_refusal_cap_wh=3000)
    story.answer("A", Verdict.BLOCKED)
    story.pass_time(60)
    story.meter(3000, "E1")
    story.answer("A", Verdict.EXPIRED)
    story.meter(4000, "E1")
    assert story.ends == ["E1 deauthorized"]


def test_late_refusal_of_a_session_that_is_being_stopped() -> None:
    """There is nothing left to cap."""
    story = _offline(late_refusal=LateRefusal.CAP)
    story.obedient = False
    story.unplug("E1")
    story.answer("A", Verdict.BLOCKED)
    kinds = [event.kind for event in story.events]
    assert EventKind.SESSION_CAPPED not in kinds
    story.obey()
    assert story.ends == ["E1 ev_disconnected"]


def test_cap_survives_a_restart() -> None:
    """What flowed without us counts, and the session ends at once."""
    story = _offline(late_refusal=LateRefusal.CAP, late_refusal_cap_wh=3000)
    story.answer("A", Verdict.BLOCKED)
    story.shell.boxes["E1"].wh = 9000
    story.restart()
    assert story.ends == ["E1 deauthorized"]
    assert not story.enabled("E1")


def test_cap_without_a_meter_is_a_stop() -> None:
    """Nobody could tell when it is reached."""
    story = _offline(late_refusal=LateRefusal.CAP)
    evse = story.shell.station.evses["E1"]
    assert evse.session is not None
    unmetered = replace(evse.session, meter_wh=None, meter_start_wh=None)
    evses = story.shell.station.evses | {"E1": replace(evse, session=unmetered)}
    story.shell.station = replace(story.shell.station, evses=evses)
    story.answer("A", Verdict.BLOCKED)
    assert story.ends == ["E1 deauthorized"]


def test_late_refusal_ignored() -> None:
    """The session goes on without a limit."""
    story = _offline(late_refusal=LateRefusal.IGNORE)
    story.answer("A", Verdict.BLOCKED)
    story.meter(900_000, "E1")
    assert story.enabled("E1")
    assert story.ends == []


def test_every_late_refusal_is_tested() -> None:
    """A new way fails here until it has its case above."""
    assert set(LateRefusal) == {LateRefusal.STOP, LateRefusal.CAP, LateRefusal.IGNORE}


# ---- grants


@pytest.mark.parametrize("way", [LateRefusal.STOP, LateRefusal.CAP])
def test_late_refusal_of_an_unused_grant(way: LateRefusal) -> None:
    """It is taken back, and its driver is told."""
    story = Story(cards={"A": ALLOWED}, late_refusal=way)
    story.tap("A")
    story.verify("A", Verdict.BLOCKED)
    assert story.told("A") == ["granted", "withdrawn"]
    assert story.events[-1].reason is StopReason.DEAUTHORIZED
    story.plug()
    assert not story.enabled()


def test_late_refusal_of_an_unused_grant_ignored() -> None:
    """It is kept and can be used."""
    story = Story(cards={"A": ALLOWED}, late_refusal=LateRefusal.IGNORE)
    story.tap("A")
    story.verify("A", Verdict.BLOCKED)
    story.plug()
    assert story.told("A") == ["granted", "started E1"]


def test_late_answer_limits_an_unused_grant() -> None:
    """The grant floats no further than the answer allows."""
    story = Story(TWO_EVSES, cards={"A": ALLOWED})
    story.tap("A")
    story.verify("A", Verdict.ALLOWED, "E2")
    story.plug("E1")
    assert story.told("A") == ["granted"]
    story.plug("E2")
    assert story.told("A") == ["granted", "started E2"]


def test_late_answer_for_no_evse_of_a_grant_withdraws_it() -> None:
    """It could be used nowhere."""
    story = Story(cards={"A": ALLOWED})
    story.tap("A")
    story.verify("A", Verdict.ALLOWED, "E9")
    assert story.told("A") == ["granted", "withdrawn"]


def test_grants_of_other_cards_are_not_concerned() -> None:
    """The answer is about one card."""
    story = Story(TWO_EVSES, cards={"A": ALLOWED})
    story.tap("A")
    story.tap("B")
    story.verify("A", Verdict.BLOCKED)
    story.plug("E1")
    assert story.told("B") == ["granted", "started E1"]
