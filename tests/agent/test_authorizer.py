"""Asking the backends about a card: whom, whose word counts, what is learned."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.authorizer import LEARN_AT_MOST
from agent.domain.tokens import (
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)
from tests.fakes.asking import EVSES, LATE_S, LONG_S, WITHIN_S, Bench, Heard
from tests.fakes.cards import uid_of
from tests.fakes.lists import token
from tests.fakes.peers import Asked, FakePeer, Turn, answer

if TYPE_CHECKING:
    from collections.abc import Sequence

ALLOWED = answer(Verdict.ALLOWED)
BLOCKED = answer(Verdict.BLOCKED)
UNKNOWN = answer(Verdict.UNKNOWN)
SILENCE = NoAnswer("no answer in time", silent=True)
FAILURE = NoAnswer("HTTP 500")
REJECTED = Misconfigured("HTTP 401")


def peer(name: str, reply: Reply, after_s: float = 0.0) -> FakePeer:
    """Make a backend that always does the same."""
    return FakePeer(name, [Turn(after_s, reply)])


# ---- whom ------------------------------------------------------------------------


def test_the_owner_of_a_card_is_asked_and_nobody_else() -> None:
    """A listed card is its upstream's business, with everything that upstream needs."""
    cpo, hub = peer("cpo", ALLOWED), peer("hub", BLOCKED)

    assert Bench(cpo, hub).ask_once(token("A")) == Heard(ALLOWED, 0)

    limit = timedelta(seconds=WITHIN_S + LATE_S)
    assert cpo.asked == [Asked(0, uid_of("A"), token("A"), EVSES, limit)]
    assert hub.asked == []


def test_the_owner_is_asked_although_it_asks_for_no_unknown_cards() -> None:
    """`authorize_unknown` is about cards that are in no list."""
    bench = Bench(peer("cpo", BLOCKED), ask_unknown=())

    assert bench.ask_once(token("A")).reply == BLOCKED


def test_only_who_opted_in_is_asked_about_an_unknown_card() -> None:
    """The others never hear of cards that are not theirs."""
    cpo, hub = peer("cpo", ALLOWED), peer("hub", UNKNOWN)

    assert Bench(cpo, hub, ask_unknown=["hub"]).ask_once().reply == UNKNOWN

    assert cpo.asked == []


def test_nobody_to_ask_is_no_answer() -> None:
    """Without peers the offline rules decide, at once."""
    bench = Bench(peer("cpo", ALLOWED), ask_unknown=())

    assert bench.ask_once() == Heard(NoAnswer("nobody to ask"), 0)


def test_an_owner_that_is_not_configured_is_no_answer() -> None:
    """A row that an upstream left behind leads to nobody."""
    reply = Bench(peer("cpo", ALLOWED)).ask_once(token("A", "gone")).reply

    assert isinstance(reply, NoAnswer)
    assert "gone" in reply.reason


# ---- whose word counts -----------------------------------------------------------


def test_the_first_allowed_wins_and_the_others_are_learned_from() -> None:
    """The driver does not wait for slower backends, whose word is kept all the same."""
    news = token("A", "slow")
    fast = peer("fast", BLOCKED, 0.5)
    slow = peer("slow", answer(Verdict.BLOCKED, news), 5)
    right = peer("right", answer(Verdict.ALLOWED, upstream="right"), 1)
    bench = Bench(slow, fast, right)

    heard = bench.ask_once()

    assert heard == Heard(answer(Verdict.ALLOWED, upstream="right"), 1)
    assert [at for _, at, _ in slow.replied] == [5]
    assert bench.learned == [news]


def test_everybody_is_asked_at_once() -> None:
    """The slowest backend sets the time, not the sum."""
    bench = Bench(*[peer(f"peer {n}", BLOCKED, 1.5) for n in range(5)])

    assert bench.ask_once().at == 1.5


def test_of_equals_the_first_listed_is_heard() -> None:
    """What arrives at the same time is decided by the configuration."""
    hub = answer(Verdict.ALLOWED, upstream="hub")

    assert Bench(peer("hub", hub), peer("cpo", ALLOWED)).ask_once().reply == hub
    assert Bench(peer("cpo", ALLOWED), peer("hub", hub)).ask_once().reply == ALLOWED


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
        ((REJECTED, FAILURE), REJECTED),
        ((SILENCE, SILENCE), SILENCE),
        ((BLOCKED, UNKNOWN, SILENCE, REJECTED, ALLOWED), ALLOWED),
    ],
)
def test_what_decides_more_counts_more(
    replies: tuple[Reply, ...], expected: Reply
) -> None:
    """ALLOWED beats a refusal, that beats "unknown", that a setback, that silence."""
    peers = [peer(f"peer {n}", reply, n / 10) for n, reply in enumerate(replies)]

    heard = Bench(*peers).ask_once()

    assert heard == Heard(expected, (len(replies) - 1) / 10)


# ---- when ------------------------------------------------------------------------

NOTHING_S = WITHIN_S + LATE_S  # When an asker gives up


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([(1, ALLOWED)], Heard(ALLOWED, 1)),
        # One backend: whatever it says late is still worth having.
        ([(4, BLOCKED)], Heard(BLOCKED, 4)),
        ([(4, ALLOWED)], Heard(ALLOWED, 4)),
        ([(4, FAILURE)], Heard(FAILURE, 4)),
        ([(50, ALLOWED)], Heard(SILENCE, NOTHING_S)),
        # Several: at the deadline somebody's word beats hoping for another's.
        ([(1, BLOCKED), (4, ALLOWED)], Heard(BLOCKED, WITHIN_S)),
        ([(4, ALLOWED), (1, UNKNOWN)], Heard(UNKNOWN, WITHIN_S)),
        ([(1, REJECTED), (50, ALLOWED)], Heard(REJECTED, WITHIN_S)),
        ([(1, BLOCKED), (1.9, ALLOWED)], Heard(ALLOWED, 1.9)),
        # But a failure or silence is not worth returning while others may speak.
        ([(1, FAILURE), (4, BLOCKED)], Heard(BLOCKED, 4)),
        ([(1, SILENCE), (4, BLOCKED), (5, ALLOWED)], Heard(BLOCKED, 4)),
        ([(1, FAILURE), (50, ALLOWED)], Heard(FAILURE, NOTHING_S)),
        ([(50, ALLOWED), (60, ALLOWED)], Heard(SILENCE, NOTHING_S)),
    ],
)
def test_one_budget_over_all_peers(
    turns: Sequence[tuple[float, Reply]], expected: Heard
) -> None:
    """The driver hears the best word at the deadline, or the first one after it."""
    peers = [
        peer(f"peer {n}", reply, after_s) for n, (after_s, reply) in enumerate(turns)
    ]

    heard = Bench(*peers).ask_once()

    if isinstance(heard.reply, NoAnswer) and heard.reply.silent:
        # Who gives up first at the very end, the asker or the peer, does not matter.
        heard = heard._replace(reply=SILENCE)
    assert heard == expected


def test_without_late_time_the_deadline_is_the_end() -> None:
    """Who does not ask for late answers gets none."""
    bench = Bench(peer("cpo", ALLOWED, 3))

    heard = bench.play(lambda: bench.ask(late_s=0))

    assert heard == Heard(NoAnswer("cpo did not answer in time", silent=True), WITHIN_S)


def test_the_others_decide_when_one_is_dead() -> None:
    """A dead upstream is no answer at once, and costs the driver no time."""
    dead, good = peer("dead", SILENCE), peer("good", BLOCKED, 0.5)
    dead.speaks_from_s = LONG_S
    bench = Bench(dead, good)

    async def scene() -> Heard:
        await bench.ask()
        return await bench.ask(card="B", at=10)

    assert bench.play(scene) == Heard(BLOCKED, 10.5)
    assert len(dead.asked) == 1


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
@pytest.mark.parametrize("after_s", [0.0, 6.0], ids=["in time", "late"])
@pytest.mark.parametrize("verdict", [Verdict.ALLOWED, Verdict.BLOCKED])
def test_only_what_is_newer_is_learned(
    listed: Token | None,
    told: Token | None,
    learned: list[Token],
    verdict: Verdict,
    after_s: float,
) -> None:
    """An answer's token counts whatever the verdict; OCPI forbids caching NEVER."""
    bench = Bench(peer("cpo", answer(verdict, told), after_s))

    bench.ask_once(listed)

    assert bench.learned == learned


@pytest.mark.parametrize("reply", [SILENCE, FAILURE, REJECTED])
def test_nothing_is_learned_without_an_answer(reply: Reply) -> None:
    """Silence and setbacks change nothing that is stored."""
    bench = Bench(peer("cpo", reply))

    bench.ask_once(token("A"))

    assert bench.learned == []


def test_the_driver_does_not_wait_for_the_disk() -> None:
    """An answer is passed on before it is learned, however long that takes."""
    bench = Bench(peer("cpo", answer(Verdict.ALLOWED, NEWER)))
    bench.learning_takes_s = 30

    assert bench.ask_once(token("A")) == Heard(answer(Verdict.ALLOWED, NEWER), 0)

    assert bench.learned == [NEWER]


def test_a_disk_that_never_answers_costs_no_memory() -> None:
    """The oldest of too many tokens is forgotten; the backend will tell it again."""
    bench = Bench(peer("cpo", answer(Verdict.ALLOWED, NEWER)))
    bench.learning_takes_s = 1e9

    async def scene() -> int:
        for _ in range(LEARN_AT_MOST + 50):
            await bench.ask(token("A"))
        return bench.authorizer._to_learn.qsize()

    assert bench.play(scene) == LEARN_AT_MOST


# ---- before and after ------------------------------------------------------------


def test_nobody_is_asked_before_it_runs_or_after() -> None:
    """A request without an owner is not made."""
    cpo = peer("cpo", ALLOWED)
    bench = Bench(cpo)

    async def nothing() -> Heard:
        return await bench.ask()

    assert isinstance(asyncio.run(nothing()).reply, NoAnswer)
    bench.ask_once()
    assert isinstance(asyncio.run(nothing()).reply, NoAnswer)
    assert len(cpo.asked) == 1


def test_at_its_end_every_request_ends_and_every_asker_hears_of_it() -> None:
    """Stopping the station waits for no backend and leaves nobody waiting."""
    cpo, hub = peer("cpo", ALLOWED, 6), peer("hub", ALLOWED, 6)
    bench = Bench(cpo, hub)
    askers: list[asyncio.Task[Heard]] = []

    async def scene() -> None:
        for card, evse_uids in [("A", EVSES), ("B", EVSES), ("C", EVSES), ("A", "E9")]:
            asker = bench.ask(card=card, evse_uids=evse_uids)
            askers.append(asyncio.create_task(asker))
        await asyncio.sleep(1)
        bench.stop()
        await asyncio.wait(askers)

    bench.play(scene)

    assert {type(asker.result().reply) for asker in askers} == {NoAnswer}
    assert {asker.result().at for asker in askers} == {1}
    assert (len(cpo.asked), cpo.replied) == (3, [])
