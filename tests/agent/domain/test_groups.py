"""Cards of one group, of the same party: each may stop what another has started."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agent.domain.messages import Revalidate
from agent.domain.tokens import Answer, Token, Verdict, WhitelistType
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, Story
from tests.fakes.cards import token_of, uid_of

ALLOWED, NEVER = WhitelistType.ALLOWED, WhitelistType.NEVER
OFFLINE = WhitelistType.ALLOWED_OFFLINE


def _fleet(
    card: str, whitelist: WhitelistType = WhitelistType.ALWAYS, *, valid: bool = True
) -> Token:
    return token_of(card, whitelist, valid=valid, group_id="FLEET")


FLEET = {"A": _fleet("A"), "B": _fleet("B")}
A_STRANGER = token_of("B", group_id="OTHERS")
ANOTHER_PARTY = replace(_fleet("B"), party_id="OTH")
ANOTHER_COUNTRY = replace(_fleet("B"), country_code="DE")


# ---- stopping for a colleague


def test_21_group_card_stops() -> None:
    """A colleague's card stops the session, and is told that it did."""
    story = Story(cards=FLEET)
    story.charge("A")
    story.tap("B")
    assert story.told("B") == ["stopped E1"]
    assert story.told("A") == ["started E1"]
    assert story.ends == ["E1 local"]
    assert not story.enabled()


def test_22_group_card_starts_a_free_evse_first() -> None:
    """As long as it could charge itself, it does, and the colleague goes on."""
    story = Story(TWO_EVSES, cards=FLEET)
    story.charge("A")
    story.plug("E2")
    story.tap("B")
    assert story.told("B") == ["started E2"]
    assert story.enabled("E1")


def test_22_group_card_waits_for_a_free_evse_first() -> None:
    """A free EVSE without a vehicle counts as free, too."""
    story = Story(TWO_EVSES, cards=FLEET)
    story.charge("A")
    story.tap("B")
    story.plug("E2")
    assert story.told("B") == ["granted", "started E2"]
    assert story.ends == []


def test_22_unless_the_station_stops_first() -> None:
    """With `group_starts_first` off the colleague's session is what is meant."""
    story = Story(TWO_EVSES, cards=FLEET, group_starts_first=False)
    story.charge("A")
    story.plug("E2")
    story.tap("B")
    assert story.told("B") == ["stopped E1"]
    assert not story.enabled("E2")


def test_23_group_card_stops_when_no_evse_is_free() -> None:
    """The others are faulted, so that it cannot be meant for them."""
    story = Story({"front": ("E1", "E2", "E3")}, cards=FLEET)
    story.charge("A", "E2")
    story.fault("E1")
    story.fault("E3")
    story.tap("B")
    assert story.told("B") == ["stopped E2"]


def test_23_group_card_stops_when_the_others_are_out_of_reach() -> None:
    """A charger that nobody can talk to is not free."""
    story = Story(TWO_EVSES, cards=FLEET)
    story.charge("A")
    story.lose("E2")
    story.tap("B")
    assert story.told("B") == ["stopped E1"]


def test_25_tap_to_stop_off_through_the_group() -> None:
    """A colleague's card is told that he charges already, every time."""
    story = Story(cards=FLEET, tap_to_stop=False)
    story.charge("A")
    for _ in range(3):
        story.tap("B")
        story.pass_time(LOCKOUT_S)
    assert story.told("B") == ["ignored already_charging"] * 3
    assert story.enabled()


@pytest.mark.parametrize(
    "stranger",
    [A_STRANGER, ANOTHER_PARTY, ANOTHER_COUNTRY, token_of("B")],
    ids=["another group", "another party", "another country", "no group"],
)
def test_strangers_do_not_stop(stranger: Token) -> None:
    """A group is a party's own; the same name at another party is another group."""
    story = Story(cards={"A": _fleet("A"), "B": stranger})
    story.charge("A")
    story.tap("B")
    assert story.told("B") == ["refused no_evse_available"]
    assert story.enabled()


def test_cards_without_a_group_are_no_group() -> None:
    """An empty `group_id` binds nobody to anybody."""
    nobody = {card: token_of(card, group_id="") for card in "AB"}
    story = Story(cards=nobody)
    story.charge("A")
    story.tap("B")
    assert story.told("B") == ["refused no_evse_available"]


def test_66_group_ids_differ_in_case() -> None:
    """They are CiStrings, and so are the names of party and country."""
    shouting = replace(_fleet("A"), group_id="ÉQUIPE", party_id="EMS")
    quiet = replace(_fleet("B"), group_id="équipe", party_id="ems", country_code="se")
    story = Story(cards={"A": shouting, "B": quiet})
    story.charge("A")
    story.tap("B")
    assert story.told("B") == ["stopped E1"]


def test_colleagues_session_that_is_being_stopped_is_not_stopped_again() -> None:
    """Until it is over its EVSE is not free."""
    story = Story(cards=FLEET)
    story.charge("A")
    story.obedient = False
    story.tap("A")
    story.tap("B")
    assert story.told("B") == ["refused no_evse_available"]
    story.obey()
    assert story.told("A") == ["started E1", "stopped E1"]


# ---- it must itself be allowed


def test_29_blocked_group_card_does_not_stop() -> None:
    """A card that may not charge may not stop a colleague either."""
    story = Story(cards={"A": _fleet("A"), "B": _fleet("B", valid=False)})
    story.charge("A")
    story.tap("B")
    assert story.told("B") == ["refused invalid"]
    assert story.enabled()


@pytest.mark.parametrize("verdict", [one for one in Verdict if one != Verdict.ALLOWED])
def test_29_group_card_that_is_refused_does_not_stop(verdict: Verdict) -> None:
    """Where the whitelist cannot say it, the card is asked about."""
    story = Story(cards={"A": _fleet("A"), "B": _fleet("B", NEVER)})
    story.charge("A")
    story.tap("B")
    story.answer("B", verdict)
    assert story.enabled()
    assert story.told("B")[0].startswith("refused ")


@pytest.mark.parametrize(
    ("whitelist", "outcome"),
    [(OFFLINE, "stopped E1"), (NEVER, "refused offline_not_permitted")],
)
def test_29_group_card_without_an_answer(
    whitelist: WhitelistType, outcome: str
) -> None:
    """Offline it stops if it could charge offline."""
    story = Story(cards={"A": _fleet("A"), "B": _fleet("B", whitelist)})
    story.charge("A")
    story.tap("B")
    assert story.told("B") == []
    story.pass_time(2)
    assert story.told("B") == [outcome]


def test_group_card_that_is_asked_about_stops_with_the_answer() -> None:
    """The backend is asked about the place as a whole, for no EVSE is free."""
    story = Story(TWO_EVSES, cards={"A": _fleet("A"), "B": _fleet("B", NEVER)})
    story.charge("A")
    story.fault("E2")
    story.tap("B")
    assert story.asked[0].evse_uids == ("E1", "E2")
    story.answer("B")
    assert story.told("B") == ["stopped E1"]


def test_listed_group_card_stops_without_waiting() -> None:
    """The whitelist says so, and the eMSP is asked behind."""
    story = Story(cards={"A": _fleet("A"), "B": _fleet("B", ALLOWED)})
    story.charge("A")
    story.tap("B")
    assert story.told("B") == ["stopped E1"]
    assert story.verified == [Revalidate(uid_of("B"), _fleet("B", ALLOWED), ("E1",))]


def test_colleague_who_stopped_while_the_backend_was_thinking() -> None:
    """There is nothing left to stop, so the card is taken for what it is."""
    story = Story(cards={"A": _fleet("A"), "B": _fleet("B", NEVER)})
    story.charge("A")
    story.tap("B")
    story.tap("A")
    story.answer("B")
    assert story.told("A") == ["started E1", "stopped E1"]
    assert story.told("B") == ["started E1"]


# ---- known only from the answer


def test_group_known_only_from_the_answer() -> None:
    """A card that is in no list is of the group as soon as its eMSP says so."""
    story = Story(
        TWO_EVSES, cards={"A": _fleet("A"), "B": None}, group_starts_first=False
    )
    story.charge("A")
    story.tap("B")
    told = Answer(upstream="cpo", verdict=Verdict.ALLOWED, token=_fleet("B"))
    story.reply("B", told)
    assert story.told("B") == ["stopped E1"]


def test_group_of_a_session_known_only_from_the_answer() -> None:
    """The session keeps the group that its start was told."""
    story = Story(cards={"A": None, "B": _fleet("B")})
    story.plug()
    story.tap("A")
    told = Answer(upstream="cpo", verdict=Verdict.ALLOWED, token=_fleet("A"))
    story.reply("A", told)
    story.tap("B")
    assert story.told("B") == ["stopped E1"]


def test_group_card_stops_after_a_restart() -> None:
    """The group is kept with the session."""
    story = Story(cards=FLEET)
    story.charge("A")
    story.restart()
    story.tap("B")
    assert story.told("B") == ["stopped E1"]
