"""Group ids are hashed before the station sees them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from agent.concealment import ConcealedGroups
from agent.domain.settings import Settings
from agent.domain.tokens import Answer, Misconfigured, NoAnswer, Reply, Token, Verdict
from tests.fakes.cards import token_of, uid_of
from tests.fakes.lists import KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.domain.uid import Uid

SECOND = timedelta(seconds=1)


def ask_through(reply: Reply) -> Reply:
    """Ask about card A somebody who says this."""
    asked: list[object] = []

    async def ask(
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        *,
        within: timedelta,
        late: timedelta = SECOND,
        background: bool = False,
    ) -> Reply:
        asked.extend((uid, token, evse_uids, within, late, background))
        return reply

    groups = ConcealedGroups(ask, KEYS.group)
    heard = asyncio.run(
        groups.ask(
            uid_of("A"), None, ("E1",), within=SECOND, late=2 * SECOND, background=True
        )
    )
    assert asked == [uid_of("A"), None, ("E1",), SECOND, 2 * SECOND, True]
    return heard


def test_the_group_of_an_answer_is_hashed() -> None:
    """As the whitelist hashes it, so that both can be compared."""
    reply = Answer(
        upstream="cpo",
        verdict=Verdict.ALLOWED,
        token=token_of("A", group_id=uid_of("B").value),
    )
    heard = ask_through(reply)
    assert isinstance(heard, Answer)
    assert heard.token is not None
    assert heard.token.group_id == KEYS.group(uid_of("B").value)


@pytest.mark.parametrize(
    "reply",
    [
        NoAnswer("silence"),
        Misconfigured("HTTP 401"),
        Answer(upstream="cpo", verdict=Verdict.BLOCKED),
        Answer(upstream="cpo", verdict=Verdict.ALLOWED, token=token_of("A")),
    ],
    ids=["silence", "misconfigured", "no token", "no group"],
)
def test_what_has_no_group_goes_through(reply: Reply) -> None:
    """Unchanged."""
    assert ask_through(reply) == reply


def test_the_master_group_is_hashed_once_and_in_any_case() -> None:
    """An empty one means that there is none, and stays so."""

    async def never(*_: object, **__: object) -> Reply:
        raise AssertionError

    groups = ConcealedGroups(never, KEYS.group)
    plain = Settings(readers={})
    assert groups.settings(plain) == plain
    master = groups.settings(Settings(readers={}, master_group="Operators"))
    assert master.master_group == KEYS.group("OPERATORS")
