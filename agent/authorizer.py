"""Asking the backends about a card: whom, how many at once, and what is learned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import timedelta

    from agent.domain.uid import Uid


LEARN_AT_MOST = 1000  # Tokens that may wait for a disk that does not answer


class AuthorizationPeer(Protocol):
    """One backend that can be asked; every failure is a Reply."""

    name: str

    async def authorize(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - one budget over all of the peer's steps
    ) -> Reply:
        """Ask within the total time given."""


class Authorizer:
    """Asks the owner of a listed card, and the opted-in upstreams about others.

    What an answer says of its token is handed to `learn` by `run`, so that no driver
    waits for the disk, also when the answer came too late to decide anything.
    """

    def __init__(
        self,
        peers: Sequence[AuthorizationPeer],
        ask_unknown: Sequence[str],
        learn: Callable[[Token], Awaitable[None]],
    ) -> None:
        self._peers = {peer.name: peer for peer in peers}
        self._ask_unknown = [self._peers[name] for name in ask_unknown]
        self._learn = learn
        self._to_learn: asyncio.Queue[Token] = asyncio.Queue(LEARN_AT_MOST)

    async def run(self) -> None:
        """Learn until cancelled."""
        while True:
            await self._learn(await self._to_learn.get())

    async def ask(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - one budget over all peers
    ) -> Reply:
        """Get one reply: an ALLOWED beats a refusal, any answer beats silence."""
        if token is not None and token.upstream not in self._peers:
            return NoAnswer(f"upstream {token.upstream} is no longer configured")
        peers = self._ask_unknown if token is None else [self._peers[token.upstream]]
        if not peers:
            return NoAnswer("nobody to ask")
        replies: list[Reply] = []
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._ask(peer, uid, token, evse_uids, timeout))
                for peer in peers
            ]
            for task in asyncio.as_completed(tasks):
                reply = await task
                replies.append(reply)
                if _is_allowed(reply):
                    break
            # The slower ones end with the group, so that nothing is left running.
            if _is_allowed(replies[-1]):
                for pending in tasks:
                    pending.cancel()
        return min(replies, key=_rank)

    async def _ask(
        self,
        peer: AuthorizationPeer,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - handed on
    ) -> Reply:
        reply = await peer.authorize(uid, token, evse_uids, timeout)
        if isinstance(reply, Answer):
            self._learn_from(reply, token)
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
