"""Keeping the whitelist usable: learning goes in, damage is replaced."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.errors import AgentError, StoreCorruptError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from agent.clock import Clock
    from agent.domain.tokens import Token
    from agent.health import Health
    from agent.store.whitelist import Whitelist

PART = "whitelist"


class WhitelistKeeper:
    """Does the whitelist's slow work, off the event loop.

    `fetch_again` is called when an empty list has taken the place of a damaged one;
    a list is trusted up to `max_age`, None for ever.
    """

    def __init__(
        self,
        whitelist: Whitelist,
        health: Health,
        fetch_again: Callable[[], None],
        *,
        clock: Clock,
        max_age: timedelta | None = None,
    ) -> None:
        self._clock = clock
        self._max_age = max_age
        self._whitelist = whitelist
        self._health = health
        self._fetch_again = fetch_again
        self._damage_seen = asyncio.Event()
        self._damaged = whitelist.file

    def is_fresh(self, token: Token) -> bool:
        """Whether the list of the token's upstream is young enough to be trusted.

        Its age counts from the last synchronisation that succeeded. Raise the store's
        errors.
        """
        if self._max_age is None:
            return True
        confirmed_at = self._whitelist.confirmed_at(token.upstream)
        if confirmed_at is None:
            return False
        return self._clock.now().wall - confirmed_at <= self._max_age

    def on_damage(self) -> None:
        """Have the list replaced and fetched again; until then nobody is listed."""
        self._damaged = self._whitelist.file
        self._damage_seen.set()

    async def learn(self, token: Token) -> None:
        """Keep what a backend has just said of a token."""
        await self._try(self._whitelist.learn, token)

    async def run(self) -> None:
        """Look once for damage that opening did not find, then mend what is found."""
        if await self._try(self._whitelist.verify):
            self._health.good(PART)
        while True:
            await self._damage_seen.wait()
            self._damage_seen.clear()
            self._health.bad(PART, "was damaged; it is being fetched again")
            # If this fails, the next tap will find the list as damaged as before.
            if await self._try(self._whitelist.rebuild, self._damaged):
                self._fetch_again()

    async def _try(self, method: Callable[..., None], *args: object) -> bool:
        """Do it in a thread; say whether it worked, and the health page why not."""
        file = self._whitelist.file
        try:
            await asyncio.to_thread(method, *args)
        except StoreCorruptError as err:
            self._health.bad(PART, str(err))
            if file == self._whitelist.file:
                self.on_damage()
            return False
        except AgentError as err:
            self._health.bad(PART, str(err))
            return False
        return True
