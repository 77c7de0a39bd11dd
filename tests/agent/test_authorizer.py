"""Asking the backends about a card: whom, whose word counts, what is learned."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.authorizer import LEARN_AT_MOST, Authorizer
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)
from tests.fakes.cards import uid_of
from tests.fakes.lists import token
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.domain.uid import Uid

CARD = uid_of("A")
EVSES = ("E1", "E2")
TIMEOUT = timedelta(seconds=7)


class Peer:
    """A backend that answers after some time."""

    def __init__(self, name: str, reply: Reply, after_s: float = 0.0) -> None:
        self.name = name
        self._reply = reply
        self._after_s = after_s
        self.asked: list[tuple[Uid, Token | None, Sequence[str], timedelta]] = []
        self.finished = 0

    async def authorize(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - the port's own
    ) -> Reply:
        """Answer."""
        self.asked.append((uid, token, evse_uids, timeout))
        await asyncio.sleep(self._after_s)
        self.finished += 1
        return self._reply


class Bench:
    """Peers, and what was learned from them."""

    def __init__(self, *peers: Peer, ask_unknown: Sequence[str] | None = None) -> None:
        self.learned: list[Token] = []
        self.learning_takes_s = 0.0
        self.took_s = 0.0
        names = [peer.name for peer in peers]
        self._args = peers, names if ask_unknown is None else ask_unknown

    async def learn(self, token: Token) -> None:
        """Learn."""
        await asyncio.sleep(self.learning_takes_s)
        self.learned.append(token)

    def ask(self, listed: Token | None = None, then_s: float = 60) -> Reply:
        """Ask about card A, and let some time pass."""

        async def main() -> Reply:
            peers, ask_unknown = self._args
            authorizer = Authorizer(peers, ask_unknown, self.learn)
            async with running(authorizer.run()):
                reply = await authorizer.ask(CARD, listed, EVSES, TIMEOUT)
                self.took_s = asyncio.get_running_loop().time()
                await asyncio.sleep(then_s)
            return reply

        return run_virtual(main())


def answer(
    verdict: Verdict, told: Token | None = None, upstream: str = "cpo"
) -> Answer:
    """Let a backend speak."""
    return Answer(upstream=upstream, verdict=verdict, token=told)


ALLOWED = answer(Verdict.ALLOWED)
BLOCKED = answer(Verdict.BLOCKED)
UNKNOWN = answer(Verdict.UNKNOWN)
SILENCE = NoAnswer("no answer in time")
REJECTED = Misconfigured("HTTP 401")


def test_the_owner_of_a_card_is_asked_and_nobody_else() -> None:
    """A listed card is its upstream's business, with everything that upstream needs."""
    cpo, hub = Peer("cpo", ALLOWED), Peer("hub", BLOCKED)

    assert Bench(cpo, hub).ask(token("A")) == ALLOWED

    assert cpo.asked == [(CARD, token("A"), EVSES, TIMEOUT)]
    assert hub.asked == []


def test_the_owner_is_asked_although_it_asks_for_no_unknown_cards() -> None:
    """`authorize_unknown` is about cards that are in no list."""
    cpo = Peer("cpo", BLOCKED)

    assert Bench(cpo, ask_unknown=()).ask(token("A")) == BLOCKED


def test_only_who_opted_in_is_asked_about_an_unknown_card() -> None:
    """The others never hear of cards that are not theirs."""
    cpo, hub = Peer("cpo", ALLOWED), Peer("hub", UNKNOWN)

    assert Bench(cpo, hub, ask_unknown=["hub"]).ask() == UNKNOWN

    assert cpo.asked == []


def test_nobody_to_ask_is_no_answer() -> None:
    """Without peers the offline rules decide, at once."""
    assert isinstance(Bench(Peer("cpo", ALLOWED), ask_unknown=()).ask(), NoAnswer)


def test_an_owner_that_is_not_configured_is_no_answer() -> None:
    """A row that an upstream left behind leads to nobody."""
    reply = Bench(Peer("cpo", ALLOWED)).ask(token("A", "gone"))

    assert isinstance(reply, NoAnswer)
    assert "gone" in reply.reason


def test_the_first_allowed_wins_and_the_others_are_let_go() -> None:
    """The driver does not wait for slower backends, and nothing is left running."""
    fast, slow = Peer("fast", BLOCKED, 1), Peer("slow", BLOCKED, 5)
    right = Peer("right", answer(Verdict.ALLOWED, upstream="right"), 2)
    bench = Bench(slow, fast, right)

    reply = bench.ask()

    assert reply == answer(Verdict.ALLOWED, upstream="right")
    assert bench.took_s == 2
    assert (fast.finished, right.finished, slow.finished) == (1, 1, 0)


def test_everybody_is_asked_at_once() -> None:
    """The slowest backend sets the time, not the sum."""
    bench = Bench(*[Peer(f"peer {n}", BLOCKED, 3) for n in range(5)])

    bench.ask()

    assert bench.took_s == 3


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ((BLOCKED, UNKNOWN), BLOCKED),
        ((UNKNOWN, BLOCKED), BLOCKED),
        ((SILENCE, BLOCKED), BLOCKED),
        ((REJECTED, BLOCKED), BLOCKED),
        ((UNKNOWN, SILENCE), UNKNOWN),
        ((SILENCE, UNKNOWN), UNKNOWN),
        ((REJECTED, UNKNOWN), UNKNOWN),
        ((SILENCE, REJECTED), REJECTED),
        ((REJECTED, SILENCE), REJECTED),
        ((SILENCE, SILENCE), SILENCE),
        ((BLOCKED, UNKNOWN, SILENCE, REJECTED, ALLOWED), ALLOWED),
    ],
)
def test_what_decides_more_counts_more(
    replies: tuple[Reply, ...], expected: Reply
) -> None:
    """ALLOWED beats a refusal, that beats "unknown", that a setback, that silence."""
    peers = [Peer(f"peer {n}", reply, n) for n, reply in enumerate(replies)]

    assert Bench(*peers).ask() == expected


# ---- learning --------------------------------------------------------------------

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
NEWER = token("A", valid=False, last_updated=MARCH)
OLDER = token("A", last_updated=datetime(2025, 1, 1, tzinfo=UTC))
NEVER = token("A", whitelist=WhitelistType.NEVER, last_updated=MARCH)


@pytest.mark.parametrize(
    ("listed", "told", "learned"),
    [
        (None, token("A"), [token("A")]),
        (None, None, []),
        (None, NEVER, []),
        (token("A"), NEWER, [NEWER]),
        (token("A"), token("A", valid=False), []),
        (token("A"), OLDER, []),
        (token("A"), None, []),
        (token("A"), NEVER, [NEVER]),
    ],
    ids=[
        "unlisted",
        "no token",
        "unlisted NEVER",
        "newer",
        "same age",
        "older",
        "listed, no token",
        "listed becomes NEVER",
    ],
)
@pytest.mark.parametrize("verdict", [Verdict.ALLOWED, Verdict.BLOCKED])
def test_only_what_is_newer_is_learned(
    listed: Token | None, told: Token | None, learned: list[Token], verdict: Verdict
) -> None:
    """An answer's token counts whatever the verdict; OCPI forbids caching NEVER."""
    bench = Bench(Peer("cpo", answer(verdict, told)))

    bench.ask(listed)

    assert bench.learned == learned


@pytest.mark.parametrize("reply", [SILENCE, REJECTED])
def test_nothing_is_learned_without_an_answer(reply: Reply) -> None:
    """Silence and setbacks change nothing that is stored."""
    bench = Bench(Peer("cpo", reply))

    bench.ask(token("A"))

    assert bench.learned == []


def test_the_driver_does_not_wait_for_the_disk() -> None:
    """An answer is passed on before it is learned, however long that takes."""
    bench = Bench(Peer("cpo", answer(Verdict.ALLOWED, NEWER)))
    bench.learning_takes_s = 30

    assert bench.ask(token("A")).verdict is Verdict.ALLOWED  # type: ignore[union-attr] # it is an Answer

    assert bench.took_s == 0
    assert bench.learned == [NEWER]


def test_a_disk_that_never_answers_costs_no_memory() -> None:
    """The oldest of too many tokens is forgotten; the backend will tell it again."""
    bench = Bench()
    bench.learning_takes_s = 1e9

    async def main() -> int:
        peer = Peer("cpo", answer(Verdict.ALLOWED, NEWER))
        authorizer = Authorizer([peer], [], bench.learn)
        async with running(authorizer.run()):
            for _ in range(LEARN_AT_MOST + 50):
                await authorizer.ask(CARD, token("A"), EVSES, TIMEOUT)
            return authorizer._to_learn.qsize()

    assert run_virtual(main()) == LEARN_AT_MOST
