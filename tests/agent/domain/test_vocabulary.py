"""No word without a story: every member of the closed sets can come about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.domain.messages import CardUnread, Change, Event, Record, Show
from agent.domain.outcomes import (
    AuthMethod,
    DecidedBy,
    EventKind,
    Ignored,
    Outcome,
    Refusal,
    Signal,
    StopReason,
)
from agent.domain.policy import Modes, OfflineMode
from agent.domain.sessions import SessionStatus
from agent.domain.settings import LateRefusal, Owner
from agent.domain.tokens import Verdict, WhitelistType
from agent.domain.uid import Uid
from tests.agent.domain.story import LOCKOUT_S, Story, charging
from tests.fakes.cards import token_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from enum import Enum

NEVER = token_of("A", WhitelistType.NEVER)
ALLOWED = token_of("A", WhitelistType.ALLOWED)
BLOCKED = token_of("A", valid=False)
#: What a story can do by itself, told in its own verbs: `tap A` calls `tap("A")`.
Deeds = str


def _told(deeds: Deeds, story: Story | None = None) -> Story:
    story = story or Story(cards={"A": ALLOWED, "B": BLOCKED, "N": NEVER})
    for deed in deeds.split(", "):
        verb, *words = deed.split()
        match verb:
            case "wait":
                story.pass_time(float(words[0]))
            case "meter":
                story.meter(int(words[0]))
            case _:
                getattr(story, verb)(*words)
    return story


def _without(part: str, deeds: Deeds) -> Story:
    """Tell it of a station whose disk is full, or whose chargers wait to be told."""
    story = Story()
    if part == "disk":
        story.shell.disk_full = True
    else:
        story.obedient = False
    return _told(deeds, story)


def _asked(verdict: Verdict, *evse_uids: str) -> Story:
    story = _told("tap N, wait 1")
    story.answer("N", verdict, *evse_uids)
    return story


def _unknown() -> Story:
    story = Story(
        cards={"X": None},
        modes=Modes(offline=OfflineMode.ALLOW_UNKNOWN),
        unknown_owner=Owner("cpo", "SE", "ABC"),
    )
    return _told("plug, tap X, no_answer X", story)


def _late(way: LateRefusal) -> Story:
    story = _told("meter 1000, charge A", Story(cards={"A": ALLOWED}, late_refusal=way))
    story.verify("A", Verdict.BLOCKED)
    return story


def _master(deeds: Deeds) -> Story:
    cards = {"M": token_of("M", group_id="BOSS")}
    return _told(deeds, Story(cards=cards, master_group="BOSS"))


def _numbers(*numbers: str, max_refusals: int = 10) -> Story:
    story = Story(max_refusals=max_refusals)
    for number in numbers:
        story.present(Uid(number), BLOCKED)
    return story


def _unread() -> Story:
    story = Story()
    story.shell.send(CardUnread(tap_id="T0", reader="front"))
    return story


def _gone_in_the_dark() -> Story:
    story = charging()
    story.shell.boxes["E1"].connected = False
    return _told("restart", story)


def _withdrawn(reason: StopReason) -> Story:
    story = charging()
    story.withdraw(reason)
    return story


SCENES: list[Callable[[], Story]] = [
    *(lambda verdict=verdict: _asked(verdict) for verdict in Verdict),
    *(lambda way=way: _late(way) for way in LateRefusal),
    lambda: _asked(Verdict.ALLOWED, "E9"),
    lambda: _told("tap B, wait 1, tap N, misconfigured N"),
    lambda: _told("tap N, tap N, wait 2"),
    lambda: _told("charge A, tap C, tap A"),
    lambda: _told("plug, tap A, tap A"),
    lambda: _told("tap A, wait 60"),
    lambda: _told("tap A, wait 60", Story(tell_grants=True)),
    lambda: _told("tap A, wait 6, tap A"),
    lambda: _told("charge A, tap A", Story(tap_to_stop=False)),
    lambda: _told("tap A, wait 6, tap A", Story(tap_to_stop=False)),
    lambda: _told("fault, clear"),
    lambda: _told("unplug", charging()),
    lambda: _told("fault", charging()),
    lambda: _told("restart", charging()),
    lambda: _told("wait 60, meter 1100, wait 300, meter 1200, meter 0", charging()),
    lambda: _without("disk", "plug, tap A"),
    lambda: _without("chargers", "plug, tap A, disobey, obey"),
    lambda: _master("tap M"),
    lambda: _master("charge A, tap M"),
    lambda: _numbers("08A1B2C3"),
    lambda: _numbers("04000001", "04000002", "04000003", max_refusals=1),
    lambda: _withdrawn(StopReason.OPERATOR),
    lambda: _withdrawn(StopReason.REMOTE),
    _unknown,
    _unread,
    _gone_in_the_dark,
]
VOCABULARIES: list[type[Enum]] = [
    AuthMethod,
    Change,
    DecidedBy,
    EventKind,
    Ignored,
    Outcome,
    Refusal,
    SessionStatus,
    Signal,
    StopReason,
]


def _words_of(story: Story) -> Iterator[Enum | None]:
    for effect in story.shell.effects:
        match effect:
            case Event():
                yield from (effect.kind, effect.outcome, effect.reason)
                yield from (effect.decided_by, effect.auth_method)
            case Record(change, session):
                yield from (change, session.status)
            case Show(_, signal):
                yield signal


@pytest.fixture(scope="module")
def words() -> set[tuple[type, Enum]]:
    """Collect every word that any of the scenes says, each with its vocabulary."""
    # Words of two vocabularies may be equal as texts.
    return {
        (type(word), word)
        for scene in SCENES
        for word in _words_of(scene())
        if word is not None
    }


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda kind: kind.__name__)
def test_every_word_can_be_said(
    vocabulary: type[Enum], words: set[tuple[type, Enum]]
) -> None:
    """A member that nothing leads to fails here, and so does a new one."""
    said = {word for kind, word in words if kind is vocabulary}
    assert set(vocabulary) - said == set()


def test_scenes_are_long_enough_for_a_lockout() -> None:
    """The scenes write six seconds for it."""
    assert LOCKOUT_S == 6
