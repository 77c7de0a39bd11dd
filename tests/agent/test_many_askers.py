"""Whatever drivers, verifications and backends do at once: what is always so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from agent.domain.tokens import Answer, Misconfigured, NoAnswer, Verdict
from tests.fakes.asking import LONG_S, Bench, Heard
from tests.fakes.cards import uid_of
from tests.fakes.lists import token
from tests.fakes.peers import NEVER_S, FakePeer, Turn, answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.domain.tokens import Reply, Token
    from tests.fakes.peers import Asked

TICK_S = 1e-6  # Of arithmetic, not of time


def seconds(most: float) -> st.SearchStrategy[float]:
    """Draw a length that floats hold exactly; some are alike."""
    return st.integers(0, round(most * 16)).map(lambda n: n / 16)


class Asker(NamedTuple):
    """One question, and how long somebody waits for its answer."""

    at: float
    card: str
    owner: str | None
    evse_uids: tuple[str, ...]
    within_s: float
    late_s: float
    background: bool
    gone_after_s: float | None

    @property
    def listed(self) -> Token | None:
        """The card's row."""
        return token(self.card, self.owner) if self.owner else None

    def concerns(self, asked: Asked) -> bool:
        """Whether somebody was asked what this one wants to know."""
        question = uid_of(self.card), self.listed, self.evse_uids
        return question == (asked.uid, asked.token, tuple(asked.evse_uids))


REPLIES = st.sampled_from(
    [
        answer(Verdict.ALLOWED, token("Z")),
        answer(Verdict.ALLOWED, token("Z")),
        answer(Verdict.BLOCKED),
        answer(Verdict.UNKNOWN),
        Misconfigured("HTTP 401"),
        NoAnswer("HTTP 500"),
        NoAnswer("connection refused", silent=True),
        ZeroDivisionError("a bug of ours"),
    ]
)
TURNS = st.builds(Turn, st.one_of(seconds(9), seconds(1), st.just(NEVER_S)), REPLIES)
PEERS = st.lists(
    st.tuples(st.lists(TURNS, min_size=1, max_size=5), seconds(15)),
    min_size=1,
    max_size=3,
)
ASKERS = st.lists(
    st.builds(
        Asker,
        at=seconds(12),
        card=st.sampled_from("AB"),
        owner=st.sampled_from([None, None, "peer 0"]),
        evse_uids=st.sampled_from([("E1",), ("E1", "E2")]),
        within_s=st.one_of(st.just(2.0), seconds(4)),
        late_s=st.sampled_from([0.0, 5.0]),
        background=st.booleans(),
        gone_after_s=st.none() | st.none() | seconds(8),
    ),
    min_size=1,
    max_size=12,
)


class History(NamedTuple):
    """What happened; an asker who has gone has heard nothing."""

    bench: Bench
    heard: list[tuple[Asker, Heard]]
    stopped: bool


def play(
    peers: Sequence[FakePeer], askers: list[Asker], stop_at: float | None
) -> History:
    """Let everybody do what they want to."""
    bench = Bench(*peers)

    async def wait(asker: Asker) -> tuple[Asker, Heard] | None:
        question = bench.ask(
            asker.listed,
            card=asker.card,
            evse_uids=asker.evse_uids,
            at=asker.at,
            within_s=asker.within_s,
            late_s=asker.late_s,
            background=asker.background,
        )
        gone_at = None if asker.gone_after_s is None else asker.at + asker.gone_after_s
        try:
            async with asyncio.timeout_at(gone_at):
                return asker, await question
        except TimeoutError:
            return None

    async def scene() -> list[tuple[Asker, Heard] | None]:
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(wait(asker)) for asker in askers]
            if stop_at is not None:
                await asyncio.sleep(stop_at)
                bench.stop()
        if stop_at is None:
            await asyncio.sleep(LONG_S)
        return [task.result() for task in waiting]

    heard = [one for one in bench.play(scene) if one is not None]
    return History(bench, heard, stop_at is not None)


@given(PEERS, ASKERS, st.none() | st.none() | seconds(14))
def test_whatever_happens(
    peers: list[tuple[list[Turn], float]], askers: list[Asker], stop_at: float | None
) -> None:
    """Nothing overlaps, leaks or overruns, and an ALLOWED in time is what is heard."""
    backends = [
        FakePeer(f"peer {n}", turns, speaks_from_s)
        for n, (turns, speaks_from_s) in enumerate(peers)
    ]

    history = play(backends, askers, stop_at)

    for asker, heard in history.heard:
        check_budget(history, asker, heard)
        check_best_word(history, asker, heard)
    for peer in backends:
        check_breaker(history, peer)
    check_learning(history)


def check_budget(history: History, asker: Asker, heard: Heard) -> None:
    """Everybody hears in time; a driver's request is not given up for another's."""
    deadline = asker.at + asker.within_s
    assert asker.at - TICK_S <= heard.at <= deadline + asker.late_s + TICK_S
    driver_waits = not asker.background and heard.at < deadline - TICK_S
    if driver_waits and isinstance(heard.reply, NoAnswer) and not history.stopped:
        assert not heard.reply.reason.startswith("given up")


def check_best_word(history: History, asker: Asker, heard: Heard) -> None:
    """An ALLOWED that comes while a driver waits is what the driver hears."""
    if is_allowed(heard.reply):
        return
    until = min(heard.at, asker.at + asker.within_s) - TICK_S
    for peer in history.bench.peers:
        outages = history.bench.outages(peer)
        for asked, at, reply in peer.replied:
            if asker.concerns(asked) and asker.at < at < until and is_allowed(reply):
                # Then this asker had been told before that the peer is dead.
                latest = max(asker.at, asked.at)
                assert any(down <= latest and asker.at <= up for down, up in outages)


def is_allowed(reply: Reply) -> bool:
    """Whether the card may charge."""
    return isinstance(reply, Answer) and reply.verdict is Verdict.ALLOWED


def check_breaker(history: History, peer: FakePeer) -> None:
    """While it is dead nobody asks it, and only then it is probed."""
    outages = history.bench.outages(peer)
    for asked in peer.asked:
        assert not any(down < asked.at < up for down, up in outages)
    for at in peer.probed_at:
        assert any(down < at <= up for down, up in outages)


def check_learning(history: History) -> None:
    """Whatever is answered is learned, in time or late, with or without an asker."""
    told = [
        reply.token
        for peer in history.bench.peers
        for asked, _, reply in peer.replied
        if isinstance(reply, Answer) and reply.token and asked.token is None
    ]
    learned = history.bench.learned
    assert len(learned) <= len(told) if history.stopped else learned == told
