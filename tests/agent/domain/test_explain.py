"""What a tap would do: the rules' own words, and exactly what a tap then does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.explain import Explanation, explain
from agent.domain.messages import CardTapped, Context
from agent.domain.outcomes import Ignored, Outcome, Refusal
from agent.domain.taps import RULES
from agent.domain.tokens import Token, WhitelistType
from agent.domain.uid import Technology
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.cards import token_of, uid_of

NEVER = token_of("A", WhitelistType.NEVER)


def read(
    story: Story, card: str, token: Token | None = None, *, listed: bool = True
) -> Explanation:
    """Explain a tap of this card at the front."""
    if listed and token is None:
        token = story.cards.get(card, token_of(card))
    tapped = CardTapped(
        tap_id="would-be",
        reader="front",
        slot="injected",
        uid=uid_of(card),
        technology=Technology.ISO14443,
        token=token,
    )
    shell = story.shell
    context = Context(now=shell.clock.now(), new_id=lambda: "S-would-be")
    return explain(shell.station, tapped, shell.settings, context)


def found(explanation: Explanation) -> tuple[bool, str, str | None]:
    """Say whether somebody is asked, and how it ends without an answer."""
    finding = explanation.prospect.finding
    return explanation.prospect.asks, finding.outcome, finding.reason


def test_every_rule_is_read_up_to_the_one_that_settles() -> None:
    """In their order and in their own words."""
    rules = read(Story(), "A").rules
    assert [rule.rule.split(". ")[0] for rule in rules][-1] == "7"
    assert [rule.settles for rule in rules] == [False] * (len(RULES) - 1) + [True]
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    assert [rule.settles for rule in read(story, "A").rules] == [False] * 3 + [True]


def test_listed_card_and_a_vehicle() -> None:
    """It would start there, at once and by the list's word."""
    story = Story(TWO_EVSES)
    story.plug("E2")
    explanation = read(story, "A")
    assert found(explanation) == (False, Outcome.STARTED, None)
    assert explanation.prospect.finding.evse_uids == ("E2",)
    assert explanation.row == "listed by SE*EMS (cpo): ALWAYS, valid"


def test_each_evse_has_its_own_answer() -> None:
    """Started here, granted there, refused where another charges."""
    story = Story({"front": ("E1", "E2", "E3")})
    story.plug("E1")
    story.tap("B")
    story.plug("E2")
    places = {place.evse_uid: place for place in read(story, "A").places}
    outcomes = {
        uid: (place.prospect.finding.outcome, place.prospect.finding.reason)
        for uid, place in places.items()
    }
    assert outcomes == {
        "E1": (Outcome.REFUSED, Refusal.NO_EVSE_AVAILABLE),
        "E2": (Outcome.STARTED, None),
        "E3": (Outcome.GRANTED, None),
    }
    assert places["E1"].state.startswith("session ")
    assert places["E2"].state == "a vehicle waits"
    assert places["E3"].state == "free, no vehicle"


def test_card_that_has_to_be_asked_about() -> None:
    """That is said, and what silence would lead to."""
    story = Story(cards={"A": NEVER})
    assert found(read(story, "A")) == (
        True,
        Outcome.REFUSED,
        Refusal.OFFLINE_NOT_PERMITTED,
    )
    assert read(story, "B", listed=False).row == "in no list"


def test_card_that_just_started() -> None:
    """The lockout is read, too."""
    story = Story()
    story.plug()
    story.tap("A")
    assert found(read(story, "A")) == (False, Outcome.IGNORED, Ignored.LOCKOUT)


@pytest.mark.parametrize(
    ("happens", "state"),
    [
        ("fault", "fault GFCI"),
        ("lose", "its charger does not answer"),
        ("tap", "granted to a card that has not plugged in yet"),
    ],
)
def test_why_an_evse_is_out_of_use(happens: str, state: str) -> None:
    """In words that an installer can act on."""
    story = Story()
    if happens == "tap":
        story.tap("B")
    else:
        getattr(story, happens)("E1")
    (place,) = read(story, "A").places
    assert place.state == state
    assert place.prospect.finding.reason is Refusal.NO_EVSE_AVAILABLE


def test_vehicle_that_waits_for_too_long() -> None:
    """Its driver is told to plug it in again."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.pass_time(3600)
    places = read(story, "A").places
    assert places[0].state == "a vehicle, plugged in for too long: replug it"


@given(
    st.lists(
        st.sampled_from(
            [
                "plug E1",
                "plug E2",
                "unplug E1",
                "fault E1",
                "clear E1",
                "tap A",
                "tap B",
            ]
        ),
        max_size=8,
    ),
    st.sampled_from(["A", "B", "C"]),
)
def test_explanation_is_what_a_tap_then_does(history: list[str], card: str) -> None:
    """Whatever has happened, and nothing is changed by explaining."""
    story = Story(TWO_EVSES, cards={"C": NEVER})
    for event in history:
        name, _, what = event.partition(" ")
        getattr(story, name)(what)
        story.pass_time(3)
    before = story.shell.station
    outcome = read(story, card).prospect.finding.outcome
    assert story.shell.station is before
    told = len(story.told(card))
    story.tap(card)
    if story.asked and story.asked[-1].uid == uid_of(card):
        story.pass_time(2)
    assert story.told(card)[told:][:1][0].split()[0] == outcome
