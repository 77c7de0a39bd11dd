"""Who may charge, cell by cell, as the driver at a plugged-in vehicle sees it.

The cells are numbered row by row. A row with one rule for "answer available" and
another for "no answer before the deadline" has two numbers, one for each; a row with
one rule for both has one number. Each cell is tried in every online and offline mode.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from agent.domain.outcomes import AuthMethod, DecidedBy
from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.settings import Owner
from agent.domain.tokens import Verdict, WhitelistType
from tests.agent.domain.story import Story
from tests.fakes.cards import token_of

ALWAYS, ALLOWED = WhitelistType.ALWAYS, WhitelistType.ALLOWED
OFFLINE, NEVER = WhitelistType.ALLOWED_OFFLINE, WhitelistType.NEVER

STARTED = "started E1"
INVALID = "refused invalid"
NOT_OFFLINE = "refused offline_not_permitted"
UNKNOWN = "refused unknown_token"
BY_LIST = (AuthMethod.WHITELIST, DecidedBy.WHITELIST)
BY_REQUEST = (AuthMethod.AUTH_REQUEST, DecidedBy.REALTIME)

#: Each verdict of an answer that rules, and what the driver is told.
RULES = [
    (Verdict.ALLOWED, STARTED),
    (Verdict.BLOCKED, "refused blocked"),
    (Verdict.EXPIRED, "refused expired"),
    (Verdict.NO_CREDIT, "refused no_credit"),
    (Verdict.NOT_ALLOWED, "refused not_allowed"),
    (Verdict.UNKNOWN, UNKNOWN),
]

in_every_mode = pytest.mark.parametrize(
    "modes",
    [Modes(online, offline) for online in OnlineMode for offline in OfflineMode],
    ids=lambda modes: f"{modes.online}, {modes.offline}",
)
whatever_the_answer = pytest.mark.parametrize(("verdict", "outcome"), RULES)


class Heard(NamedTuple):
    """What a driver hears, whether anybody was asked, and who allowed it."""

    told: list[str]
    asked: int
    verified: int
    by: tuple[AuthMethod, DecidedBy] | None


def _tap(
    modes: Modes,
    whitelist: WhitelistType | None,
    *,
    valid: bool = True,
    verdict: Verdict | None = None,
) -> Heard:
    """Tap a card of this row; `verdict` answers, None lets the deadline pass."""
    token = token_of("A", whitelist, valid=valid) if whitelist else None
    owner = Owner("cpo", "SE", "ABC")
    story = Story(cards={"A": token}, modes=modes, unknown_owner=owner)
    story.plug()
    story.tap("A")
    if story.asked and verdict is not None:
        story.answer("A", verdict)
    story.pass_time(2)
    by = [(row.auth_method, row.decided_by) for row in story.rows]
    return Heard(
        story.told("A"), len(story.asked), len(story.verified), by[0] if by else None
    )


@in_every_mode
@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_47_always_valid(modes: Modes, verdict: Verdict | None) -> None:
    """Allowed, never asked, by WHITELIST; with or without an answer."""
    heard = _tap(modes, ALWAYS, verdict=verdict)
    assert heard == Heard([STARTED], asked=0, verified=0, by=BY_LIST)


@in_every_mode
@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_48_always_invalid(modes: Modes, verdict: Verdict | None) -> None:
    """Refused, never asked; with or without an answer."""
    heard = _tap(modes, ALWAYS, valid=False, verdict=verdict)
    assert heard == Heard([INVALID], asked=0, verified=0, by=None)


@in_every_mode
@whatever_the_answer
def test_49_allowed_valid_with_an_answer(
    modes: Modes, verdict: Verdict, outcome: str
) -> None:
    """The online mode decides: start and verify behind, ask first, or trust."""
    heard = _tap(modes, ALLOWED, verdict=verdict)
    match modes.online:
        case OnlineMode.LOCAL_FIRST:
            assert heard == Heard([STARTED], asked=0, verified=1, by=BY_LIST)
        case OnlineMode.ONLINE_FIRST:
            by = BY_REQUEST if outcome == STARTED else None
            assert heard == Heard([outcome], asked=1, verified=0, by=by)
        case OnlineMode.LOCAL_ONLY:
            assert heard == Heard([STARTED], asked=0, verified=0, by=BY_LIST)


@in_every_mode
def test_50_allowed_valid_without_an_answer(modes: Modes) -> None:
    """Allowed by WHITELIST; `deny` refuses it if an answer was needed."""
    heard = _tap(modes, ALLOWED)
    denied = modes == Modes(OnlineMode.ONLINE_FIRST, OfflineMode.DENY)
    assert heard.told == [NOT_OFFLINE if denied else STARTED]
    assert heard.by == (None if denied else BY_LIST)


@in_every_mode
@whatever_the_answer
def test_51_allowed_invalid_with_an_answer(
    modes: Modes, verdict: Verdict, outcome: str
) -> None:
    """Asked, since the state may have changed; `local-only` refuses."""
    heard = _tap(modes, ALLOWED, valid=False, verdict=verdict)
    if modes.online is OnlineMode.LOCAL_ONLY:
        assert heard == Heard([INVALID], asked=0, verified=0, by=None)
    else:
        by = BY_REQUEST if outcome == STARTED else None
        assert heard == Heard([outcome], asked=1, verified=0, by=by)


@in_every_mode
def test_52_allowed_invalid_without_an_answer(modes: Modes) -> None:
    """Refused as invalid."""
    assert _tap(modes, ALLOWED, valid=False).told == [INVALID]


@in_every_mode
@whatever_the_answer
def test_53_allowed_offline_valid_with_an_answer(
    modes: Modes, verdict: Verdict, outcome: str
) -> None:
    """Asked, and the answer rules, by AUTH_REQUEST."""
    by = BY_REQUEST if outcome == STARTED else None
    heard = _tap(modes, OFFLINE, verdict=verdict)
    assert heard == Heard([outcome], asked=1, verified=0, by=by)


@in_every_mode
def test_54_allowed_offline_valid_without_an_answer(modes: Modes) -> None:
    """Allowed by WHITELIST: OCPI obliges us, so that `deny` cannot bite."""
    heard = _tap(modes, OFFLINE)
    assert heard == Heard([STARTED], asked=1, verified=0, by=BY_LIST)


@in_every_mode
@whatever_the_answer
def test_55_allowed_offline_invalid_with_an_answer(
    modes: Modes, verdict: Verdict, outcome: str
) -> None:
    """Asked all the same, and the answer rules."""
    by = BY_REQUEST if outcome == STARTED else None
    heard = _tap(modes, OFFLINE, valid=False, verdict=verdict)
    assert heard == Heard([outcome], asked=1, verified=0, by=by)


@in_every_mode
def test_56_allowed_offline_invalid_without_an_answer(modes: Modes) -> None:
    """Refused."""
    assert _tap(modes, OFFLINE, valid=False).told == [INVALID]


@in_every_mode
@pytest.mark.parametrize("valid", [True, False], ids=["valid", "invalid"])
@pytest.mark.parametrize(("verdict", "outcome"), [*RULES, (None, NOT_OFFLINE)])
def test_57_never(
    modes: Modes,
    verdict: Verdict | None,
    outcome: str,
    valid: bool,  # noqa: FBT001 - a table
) -> None:
    """Asked, the answer rules, and without one it is not permitted."""
    by = BY_REQUEST if outcome == STARTED else None
    heard = _tap(modes, NEVER, valid=valid, verdict=verdict)
    assert heard == Heard([outcome], asked=1, verified=0, by=by)


@in_every_mode
@pytest.mark.parametrize(("verdict", "outcome"), [*RULES, (None, "by mode")])
def test_58_not_in_the_whitelist(
    modes: Modes, verdict: Verdict | None, outcome: str
) -> None:
    """Asked, the answer rules; without one only `allow-unknown` allows."""
    heard = _tap(modes, None, verdict=verdict)
    by: tuple[AuthMethod, DecidedBy] | None = None
    if verdict is None:
        allowed = modes.offline is OfflineMode.ALLOW_UNKNOWN
        outcome = STARTED if allowed else UNKNOWN
        by = (AuthMethod.WHITELIST, DecidedBy.OFFLINE_POLICY) if allowed else None
    elif outcome == STARTED:
        by = BY_REQUEST
    assert heard == Heard([outcome], asked=1, verified=0, by=by)


@pytest.mark.parametrize("offline", OfflineMode)
def test_58_not_in_the_whitelist_with_nobody_to_ask(offline: OfflineMode) -> None:
    """Where no upstream takes unknown cards they are refused at once."""
    heard = _tap(Modes(offline=offline, ask_unknown=False), None)
    assert heard == Heard([UNKNOWN], asked=0, verified=0, by=None)
