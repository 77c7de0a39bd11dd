"""Backends that can be asked about cards, and misbehave as they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from agent.domain.tokens import Answer, NoAnswer, Reply, Token, Verdict
from tests.fakes.cards import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from agent.domain.uid import Uid


def answer(
    verdict: Verdict, told: Token | None = None, upstream: str = "cpo"
) -> Answer:
    """Let a backend speak."""
    return Answer(upstream=upstream, verdict=verdict, token=told)


NEVER_S = 1e9


class Turn(NamedTuple):
    """What a peer does with one question: after some time it replies, or raises."""

    after_s: float
    reply: Reply | Exception


class Asked(NamedTuple):
    """A question that reached a peer."""

    at: float
    uid: Uid
    token: Token | None
    evse_uids: Sequence[str]
    timeout: timedelta


class FakeProbed:
    """Can be heard from some moment on; before, every probe takes all its time."""

    def __init__(self, name: str, speaks_from_s: float = 0.0) -> None:
        self.name = name
        self.speaks_from_s = speaks_from_s
        self.probed_at: list[float] = []
        self.probe_limits: set[timedelta] = set()
        self.problem: Exception | None = None

    async def probe(self, timeout: timedelta) -> bool:  # noqa: ASYNC109 - the port's own
        """Be heard, or not."""
        now = asyncio.get_running_loop().time()
        self.probed_at.append(now)
        self.probe_limits.add(timeout)
        if self.problem is not None:
            raise self.problem
        if now < self.speaks_from_s:
            await asyncio.sleep(timeout.total_seconds())
            return False
        return True


class FakePeer(FakeProbed):
    """Takes its turns in order, the last one for ever; keeps within its time limit.

    It notes the cards that it was asked about twice at a time.
    """

    def __init__(
        self, name: str, turns: Iterable[Turn], speaks_from_s: float = 0.0
    ) -> None:
        super().__init__(name, speaks_from_s)
        self._turns = list(turns)
        self.asked: list[Asked] = []
        self.under_way: list[Uid] = []
        self.overlaps: list[str] = []
        self.replied: list[tuple[Asked, float, Reply]] = []

    async def authorize(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - the port's own
    ) -> Reply:
        """Take the next turn."""
        loop = asyncio.get_running_loop()
        asked = Asked(loop.time(), uid, token, evse_uids, timeout)
        self.asked.append(asked)
        if uid in self.under_way:
            self.overlaps.append(name_of(uid))
        self.under_way.append(uid)
        turn = self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]
        try:
            reply = await self._take(turn, timeout)
        finally:
            self.under_way.remove(uid)
        self.replied.append((asked, loop.time(), reply))
        return reply

    async def _take(
        self,
        turn: Turn,
        timeout: timedelta,  # noqa: ASYNC109 - the port's own
    ) -> Reply:
        limit_s = timeout.total_seconds()
        if turn.after_s >= limit_s:
            await asyncio.sleep(limit_s)
            return NoAnswer(f"no answer within {limit_s:g} s", silent=True)
        await asyncio.sleep(turn.after_s)
        if isinstance(turn.reply, Exception):
            # A new one each time: a traceback would grow with every turn.
            raise type(turn.reply)(*turn.reply.args)
        return turn.reply
