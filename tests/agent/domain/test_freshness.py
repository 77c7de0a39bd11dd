"""A whitelist that is too old decides nothing by itself: only an answer does."""

from __future__ import annotations

import pytest

from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.tokens import Token, Verdict, WhitelistType
from tests.agent.domain.story import LOCKOUT_S, Story
from tests.fakes.cards import token_of

EVERY_ROW = [
    token_of("A", whitelist, valid=valid)
    for whitelist in WhitelistType
    for valid in (True, False)
]
every_row = pytest.mark.parametrize(
    "row", EVERY_ROW, ids=lambda row: f"{row.whitelist} {row.valid}"
)


def _stale(*rows: Token, modes: Modes | None = None) -> Story:
    cards = dict(zip("AB", rows, strict=False))
    story = Story(cards=cards, modes=modes or Modes())
    story.rows_are_fresh = False
    story.plug()
    return story


@every_row
@pytest.mark.parametrize("online", OnlineMode)
def test_stale_row_must_ask(row: Token, online: OnlineMode) -> None:
    """Every kind of row, in every mode, and ALWAYS as well."""
    story = _stale(row, modes=Modes(online))
    story.tap("A")
    assert story.told("A") == []
    assert [ask.token for ask in story.asked] == [row]
    story.answer("A")
    assert story.told("A") == ["started E1"]


@every_row
@pytest.mark.parametrize("offline", OfflineMode)
def test_stale_row_without_an_answer_allows_nobody(
    row: Token, offline: OfflineMode
) -> None:
    """What was true long ago is not known now."""
    story = _stale(row, modes=Modes(offline=offline))
    story.tap("A")
    story.pass_time(2)
    assert story.told("A") == ["refused offline_not_permitted"]
    assert story.rows == []


@every_row
def test_stale_row_obeys_a_refusal(row: Token) -> None:
    """An answer rules, whatever the row said."""
    story = _stale(row)
    story.tap("A")
    story.answer("A", Verdict.EXPIRED)
    assert story.told("A") == ["refused expired"]


@every_row
def test_stale_row_is_not_decided_by_a_misconfigured_backend(row: Token) -> None:
    """That is not offline, and no answer."""
    story = _stale(row)
    story.tap("A")
    story.misconfigured("A")
    assert story.told("A") == ["refused misconfigured"]


def test_stale_list_does_not_stop_a_colleague_without_an_answer() -> None:
    """Whoever stops somebody else's session must be allowed to charge."""
    rows = [token_of(card, group_id="FLEET") for card in "AB"]
    story = _stale(*rows)
    story.rows_are_fresh = True
    story.tap("A")
    story.rows_are_fresh = False
    story.tap("B")
    assert story.enabled()
    story.answer("B")
    assert story.told("B") == ["stopped E1"]


def test_stale_list_does_not_keep_a_card_from_stopping_its_own_session() -> None:
    """That needs no list at all."""
    story = _stale(token_of("A"))
    story.tap("A")
    story.answer("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1"]
    assert len(story.asked) == 1
