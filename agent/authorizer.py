"""Asking the backends about a card: whom, whose word counts, and what is learned."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from agent.breaker import Breaker
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)
from agent.inquiries import Inquiries, Patience, Question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agent.clock import Clock
    from agent.domain.uid import Uid
    from agent.inquiries import AuthorizationPeer


LEARN_AT_MOST = 1000  # Tokens that may wait for a disk that does not answer


class Authorizer:
    """Asks the owner of a listed card, and the opted-in upstreams about others.

    What an answer says of its token is handed to `learn` by `run`, so that no driver
    waits for the disk, also when the answer came too late to decide anything.
    `deadline` is how long a driver usually waits, and with it a probe; `on_down` and
    `on_up` hear of upstreams that fall silent and speak again.
    """

    def __init__(  # noqa: PLR0913 - the ports, all of them
        self,
        peers: Sequence[AuthorizationPeer],
        ask_unknown: Sequence[str],
        learn: Callable[[Token], Awaitable[None]],
        *,
        deadline: timedelta,
        clock: Clock,
        on_down: Callable[[str, str], None],
        on_up: Callable[[str], None],
    ) -> None:
        self._inquiries = {
            peer.name: Inquiries(
                peer,
                Breaker(peer, deadline, clock, on_down, on_up),
                deadline,
                self._learn_from,
            )
            for peer in peers
        }
        self._ask_unknown = [self._inquiries[name] for name in ask_unknown]
        self._learn = learn
        self._to_learn: asyncio.Queue[Token] = asyncio.Queue(LEARN_AT_MOST)

    async def run(self) -> None:
        """Own every request and every probe, and learn, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for inquiries in self._inquiries.values():
                group.create_task(inquiries.run())
            while True:
                await self._learn(await self._to_learn.get())

    async def ask(  # noqa: PLR0913 - a question, and how long it is worth asking
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        *,
        within: timedelta,
        late: timedelta = timedelta(),
        background: bool = False,
    ) -> Reply:
        """Get one reply: an ALLOWED beats a refusal, any answer beats silence.

        A driver waits `within`; if nobody has said anything by then, a reply may
        still come until `late` after that. In the `background` no driver waits.
        """
        if token is not None and token.upstream not in self._inquiries:
            return NoAnswer(f"upstream {token.upstream} is no longer configured")
        asked = (
            self._ask_unknown if token is None else [self._inquiries[token.upstream]]
        )
        if not asked:
            return NoAnswer("nobody to ask")
        deadline = asyncio.get_running_loop().time() + within.total_seconds()
        patience = Patience(deadline, deadline + late.total_seconds(), background)
        question = Question(uid, token, tuple(evse_uids))
        async with asyncio.TaskGroup() as group:
            waiting = [
                group.create_task(inquiries.ask(question, patience))
                for inquiries in asked
            ]
            reply = await _first_decisive(waiting, deadline)
            # Only the waiting ends here; the requests go on and are learned from.
            for task in waiting:
                task.cancel()
        return reply

    def _learn_from(self, answer: Answer, listed: Token | None) -> None:
        """Keep what an answer says of the token; OCPI forbids caching a NEVER."""
        told = answer.token
        if told is None:
            return
        if listed is None and told.whitelist is WhitelistType.NEVER:
            return
        if listed is None or told.last_updated > listed.last_updated:
            if self._to_learn.full():
                self._to_learn.get_nowait()
            self._to_learn.put_nowait(told)


async def _first_decisive(
    waiting: Sequence[asyncio.Task[Reply]], deadline: float
) -> Reply:
    """Return the first ALLOWED, else the best that is known at the deadline.

    Of equals, the upstream that is listed first is heard. Nothing but silence is not
    worth returning before everybody has given up.
    """
    loop = asyncio.get_running_loop()
    while True:
        replies = [task.result() for task in waiting if task.done()]
        best = min(replies, key=_rank, default=None)
        if best is not None:
            late = loop.time() >= deadline and not isinstance(best, NoAnswer)
            if late or _is_allowed(best) or len(replies) == len(waiting):
                return best
        left = deadline - loop.time()
        await asyncio.wait(
            [task for task in waiting if not task.done()],
            timeout=left if left > 0 else None,
            return_when=asyncio.FIRST_COMPLETED,
        )


def _is_allowed(reply: Reply) -> bool:
    return isinstance(reply, Answer) and reply.verdict is Verdict.ALLOWED


def _rank(reply: Reply) -> int:
    """Order replies by how much they decide."""
    match reply:
        case Answer(verdict=Verdict.ALLOWED):
            return 0
        case Answer(verdict=Verdict.UNKNOWN):
            return 2
        case Answer():
            return 1
        case Misconfigured():
            return 3
        case NoAnswer():
            return 4
