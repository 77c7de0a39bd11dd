"""The questions about cards under way at one upstream: one per card at a time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from agent.breaker import Breaker, Probed
from agent.domain.tokens import Answer, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.domain.tokens import Reply, Token
    from agent.domain.uid import Uid

_LOGGER = logging.getLogger(__name__)

UNDER_WAY_AT_MOST: Final = 32
# An upstream that was given less than this share of the deadline, because we were
# busy ourselves, has not been silent yet.
FAIR_SHARE: Final = 0.5


class AuthorizationPeer(Probed, Protocol):
    """One backend that can be asked; every failure is a Reply."""

    async def authorize(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - one budget over all of the peer's steps
    ) -> Reply:
        """Ask within the total time given."""


class Question(NamedTuple):
    """What is asked; equal questions share one request."""

    uid: Uid
    token: Token | None
    evse_uids: tuple[str, ...]


class Patience(NamedTuple):
    """How long an asker waits, in the loop's time.

    A driver waits until `deadline`, then nobody does, but an answer before `end` is
    still worth having. In the `background` no driver waits at all.
    """

    deadline: float
    end: float
    background: bool


@dataclass(eq=False, slots=True)
class _Request:
    """One request; `drivers` counts who waits for it before their deadlines.

    At `suspicious_at` an upstream that has not answered counts as silent.
    """

    question: Question
    suspicious_at: float
    task: asyncio.Task[Reply]
    drivers: int = 0

    def suits(self, question: Question, patience: Patience, now: float) -> bool:
        """Whether an asker had better wait for this one than ask anew."""
        if self.question != question or self.task.cancelling():
            return False
        hopeful = now < self.suspicious_at or self.drivers > 0
        return hopeful or patience.background


class Inquiries:
    """Asks one upstream, unless it is dead.

    A request belongs to `run` and not to those who wait for it: when they have gone
    it goes on in its own time, and `learn` is told what is answered. While no driver
    waits for it, it gives way to one whose question cannot wait for its answer.
    """

    def __init__(
        self,
        peer: AuthorizationPeer,
        breaker: Breaker,
        deadline: timedelta,
        learn: Callable[[Answer, Token | None], None],
    ) -> None:
        self._peer = peer
        self._breaker = breaker
        self._fair_s = deadline.total_seconds() * FAIR_SHARE
        self._learn = learn
        self._under_way: dict[Uid, _Request] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Own the requests, and probe the upstream while it is dead."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._breaker.run()
            finally:
                self._group = None

    async def ask(self, question: Question, patience: Patience) -> Reply:
        """Get the upstream's reply before the asker's patience ends."""
        loop = asyncio.get_running_loop()
        while True:
            if self._group is None:
                return NoAnswer("nobody is asked while the agent starts or stops")
            if self._breaker.trouble is not None:
                return NoAnswer(self._breaker.trouble, silent=True)
            if loop.time() >= patience.deadline:
                return NoAnswer(f"no time was left to ask {self._peer.name}")
            if (other := self._find_obstacle(question, patience)) is None:
                request = self._under_way.get(question.uid)
                request = request or self._start(self._group, question, patience)
                return await self._wait(request, patience)
            if other.drivers == 0 and not patience.background:
                other.task.cancel()
            await _wait_until(other.task, patience.deadline)

    def _find_obstacle(self, question: Question, patience: Patience) -> _Request | None:
        """Find the request whose end must be awaited before this question's turn."""
        current = self._under_way.get(question.uid)
        if current is not None:
            now = asyncio.get_running_loop().time()
            return None if current.suits(question, patience, now) else current
        if len(self._under_way) < UNDER_WAY_AT_MOST:
            return None
        return min(self._under_way.values(), key=lambda request: request.drivers)

    def _start(
        self, group: asyncio.TaskGroup, question: Question, patience: Patience
    ) -> _Request:
        now = asyncio.get_running_loop().time()
        within = patience.deadline - now
        # Long enough for whoever joins before it becomes suspicious.
        total = within + max(patience.end - patience.deadline, within)
        suspicious_at = now + max(within, self._fair_s)
        task = group.create_task(
            self._request(question, timedelta(seconds=total), suspicious_at)
        )
        request = _Request(question, suspicious_at, task)
        self._under_way[question.uid] = request
        # Not in the coroutine: one that is cancelled early never gets to its end.
        task.add_done_callback(lambda _: self._under_way.pop(question.uid))
        return request

    async def _request(
        self,
        question: Question,
        timeout: timedelta,  # noqa: ASYNC109 - handed on
        suspicious_at: float,
    ) -> Reply:
        """Ask, judge the upstream by it, and keep what it says."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        why = f"no answer about a card within {suspicious_at - asked_at:g} s"
        alarm = loop.call_at(suspicious_at, self._breaker.silent, why, asked_at)
        try:
            reply = await self._peer.authorize(*question, timeout)
            # Whatever comes after the alarm says no more than the alarm has said.
            if loop.time() <= suspicious_at:
                self._judge(reply, asked_at)
            if isinstance(reply, Answer):
                self._learn(reply, question.token)
        except Exception:
            _LOGGER.exception(
                "%s: asking about a card failed in a way it should not", self._peer.name
            )
            return NoAnswer("internal error")
        finally:
            alarm.cancel()
        return reply

    def _judge(self, reply: Reply, asked_at: float) -> None:
        """Note whether anybody was heard; a server that fails is not dead."""
        if isinstance(reply, NoAnswer) and reply.silent:
            self._breaker.silent(reply.reason, asked_at)
        else:
            self._breaker.heard()

    async def _wait(self, request: _Request, patience: Patience) -> Reply:
        """Wait for a request, first as a driver, then as somebody who is curious."""
        task = request.task
        if not patience.background:
            request.drivers += 1
            try:
                await _wait_until(task, patience.deadline)
            finally:
                request.drivers -= 1
        if not task.done():
            await _wait_until(task, patience.end)
        if not task.done():
            return NoAnswer(f"{self._peer.name} did not answer in time", silent=True)
        if task.cancelled():
            return NoAnswer("given up for another question, or at the end")
        return task.result()


async def _wait_until(task: asyncio.Task[Reply], moment: float) -> None:
    """Wait until the task is done, or until this time of the loop."""
    left = moment - asyncio.get_running_loop().time()
    await asyncio.wait({task}, timeout=max(left, 0.0))
