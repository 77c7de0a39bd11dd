"""An authorizer at work among fake peers, and a check that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from agent.authorizer import Authorizer
from tests.fakes.cards import uid_of
from tests.fakes.loop_clock import LoopClock
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agent.domain.tokens import Reply, Token
    from tests.fakes.peers import FakePeer

T = TypeVar("T")

WITHIN_S = 2.0
LATE_S = 5.0
EVSES = ("E1", "E2")
LONG_S = 100.0  # Longer than every request and every rest between probes


class Heard(NamedTuple):
    """What an asker was told, and when."""

    reply: Reply
    at: float


class Bench:
    """Peers, what was learned from them, and what was told about them."""

    def __init__(
        self, *peers: FakePeer, ask_unknown: Sequence[str] | None = None
    ) -> None:
        self.peers = peers
        self.learned: list[Token] = []
        self.learning_takes_s = 0.0
        self.told: list[str] = []
        self._outages: dict[str, list[tuple[float, float]]] = {
            peer.name: [] for peer in peers
        }
        names = [peer.name for peer in peers]
        self.authorizer = Authorizer(
            peers,
            names if ask_unknown is None else ask_unknown,
            self._learn,
            deadline=timedelta(seconds=WITHIN_S),
            clock=LoopClock(),
            on_down=self._on_down,
            on_up=self._on_up,
        )

    def outages(self, peer: FakePeer) -> list[tuple[float, float]]:
        """From when to when a peer was taken for dead; the last may still last."""
        return self._outages[peer.name]

    def _on_down(self, name: str, why: str) -> None:
        self.told.append(f"{name} down: {why}")
        outages, now = self._outages[name], asyncio.get_running_loop().time()
        assert not outages or outages[-1][1] <= now
        outages.append((now, math.inf))

    def _on_up(self, name: str) -> None:
        self.told.append(f"{name} up")
        down, up = self._outages[name].pop()
        assert up == math.inf
        self._outages[name].append((down, asyncio.get_running_loop().time()))

    def stop(self) -> None:
        """Stop the authorizer."""
        self._running.cancel()

    async def _learn(self, token: Token) -> None:
        await asyncio.sleep(self.learning_takes_s)
        self.learned.append(token)

    async def ask(
        self,
        listed: Token | None = None,
        *,
        card: str = "A",
        evse_uids: Sequence[str] = EVSES,
        at: float = 0.0,
        within_s: float = WITHIN_S,
        late_s: float = LATE_S,
        background: bool = False,
    ) -> Heard:
        """Ask about a card at some time of the loop."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(at - loop.time(), 0.0))
        reply = await self.authorizer.ask(
            uid_of(card),
            listed,
            evse_uids,
            within=timedelta(seconds=within_s),
            late=timedelta(seconds=late_s),
            background=background,
        )
        return Heard(reply, loop.time())

    def play(self, scene: Callable[[], Awaitable[T]]) -> T:
        """Play a scene beside the authorizer; nothing may be left at its end."""

        async def main() -> T:
            problems: list[object] = []
            asyncio.get_running_loop().set_exception_handler(
                lambda _, context: problems.append(context)
            )
            self._running = asyncio.create_task(self.authorizer.run())
            try:
                result = await scene()
            finally:
                self.stop()
                await asyncio.wait({self._running})
            assert self._running.cancelled()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert problems == []
            return result

        result = run_virtual(main())
        for peer in self.peers:
            assert peer.under_way == []
            assert peer.overlaps == []
        for inquiries in self.authorizer._inquiries.values():
            assert inquiries._under_way == {}
        return result

    def ask_once(self, listed: Token | None = None, then_s: float = LONG_S) -> Heard:
        """Ask about card A, and let some time pass."""

        async def scene() -> Heard:
            heard = await self.ask(listed)
            await asyncio.sleep(then_s)
            return heard

        return self.play(scene)
