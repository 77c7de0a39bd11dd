"""An answer reaches no further than its question, and the EVSEs that it names."""

from __future__ import annotations

from msgspec.structs import replace

from agent.domain.policy import Modes, OfflineMode
from agent.domain.settings import Owner
from agent.domain.tokens import Token, Verdict, WhitelistType
from tests.agent.domain.story import (
    LOCKOUT_S,
    ONE_EVSE,
    TWO_EVSES,
    TWO_READERS,
    Readers,
    Story,
)
from tests.fakes.cards import token_of

ALLOWED, NEVER = WhitelistType.ALLOWED, WhitelistType.NEVER
MINUTES_5 = 300


def _fleet(card: str, whitelist: WhitelistType = WhitelistType.ALWAYS) -> Token:
    return token_of(card, whitelist, group_id="FLEET")


def _unknown(readers: Readers = ONE_EVSE) -> Story:
    return Story(
        readers,
        cards={"X": None},
        modes=Modes(offline=OfflineMode.ALLOW_UNKNOWN),
        unknown_owner=Owner("cpo", "SE", "ABC"),
    )


def test_answer_about_one_reader_leaves_the_other_alone() -> None:
    """A backend names the EVSEs it was asked about, and means no others."""
    story = Story(TWO_READERS, cards={"A": token_of("A", ALLOWED)})
    story.charge("A", "E1", "left")
    story.verify("A", Verdict.ALLOWED, "E1")
    story.charge("A", "E2", "right")
    story.verify("A", Verdict.ALLOWED, "E2")
    assert story.ends == []


def test_refusal_for_this_place_leaves_the_other_alone() -> None:
    """NOT_ALLOWED is about the EVSEs in the question."""
    story = Story(TWO_READERS, cards={"A": token_of("A", ALLOWED)})
    story.charge("A", "E1", "left")
    story.charge("A", "E2", "right")
    story.verify("A", Verdict.NOT_ALLOWED)
    assert story.ends == ["E2 deauthorized"]


def test_answer_about_one_grant_leaves_the_other_alone() -> None:
    """Each grant was asked about at its own EVSEs."""
    story = Story(TWO_READERS, cards={"A": token_of("A", ALLOWED)})
    story.tap("A", "left")
    story.tap("A", "right")
    story.verify("A", Verdict.ALLOWED, "E2")
    story.plug("E1")
    assert story.told("A") == ["granted", "granted", "started E1"]


def test_two_sessions_of_an_unknown_card_are_verified_apart() -> None:
    """The answer about one does not end the other."""
    story = _unknown(TWO_READERS)
    for evse_uid, reader in (("E1", "left"), ("E2", "right")):
        story.plug(evse_uid)
        story.tap("X", reader)
        story.no_answer("X")
    story.upstream_up()
    story.verify("X", Verdict.ALLOWED, "E2")
    assert story.ends == []


def test_group_card_that_is_allowed_elsewhere_does_not_stop() -> None:
    """ALLOWED counts at the EVSEs that it names."""
    story = Story(cards={"A": _fleet("A"), "B": _fleet("B", NEVER)})
    story.charge("A")
    story.tap("B")
    story.answer("B", Verdict.ALLOWED, "E9")
    assert story.told("B") == ["refused wrong_evse"]
    assert story.enabled()


def test_group_card_stops_the_colleague_where_it_is_allowed() -> None:
    """Of two colleagues, the one at the EVSE that the answer names."""
    cards = {"A": _fleet("A"), "B": _fleet("B"), "C": _fleet("C", NEVER)}
    story = Story(TWO_EVSES, cards=cards)
    story.charge("A", "E1")
    story.charge("B", "E2")
    story.tap("C")
    story.answer("C", Verdict.ALLOWED, "E2")
    assert story.told("C") == ["stopped E2"]


def test_master_card_stops_only_where_it_is_allowed() -> None:
    """It is subject to its answer like every card."""
    story = Story(TWO_EVSES, cards={"M": _fleet("M", NEVER)}, master_group="FLEET")
    story.charge("A", "E1")
    story.charge("B", "E2")
    story.tap("M")
    story.answer("M", Verdict.ALLOWED, "E2")
    assert story.ends == ["E2 master"]
    story.pass_time(LOCKOUT_S)
    story.tap("M")
    story.answer("M", Verdict.ALLOWED, "E9")
    assert story.told("M") == ["stopped E2", "refused wrong_evse"]


def test_master_card_of_another_party_is_no_master() -> None:
    """Any eMSP may name a group like ours, if we have said whose it is."""
    cards = {"M": _fleet("M"), "N": replace(_fleet("N"), party_id="OTH")}
    story = Story(cards=cards, master_group="fleet", master_party="se*ems")
    story.charge("A")
    story.tap("N")
    assert story.told("N") == ["refused no_evse_available"]
    story.tap("M")
    assert story.told("M") == ["stopped E1"]


def test_answer_about_a_card_that_has_gone_leaves_the_next_one_alone() -> None:
    """It is about a card, and not about whoever charges at its EVSE by now."""
    cards = {card: token_of(card, ALLOWED) for card in "AB"}
    story = Story(cards=cards)
    story.charge("A")
    story.tap("A")
    story.unplug()
    story.charge("B")
    story.verify("A", Verdict.BLOCKED)
    assert story.enabled()
    assert story.told("B") == ["started E1"]
