"""Group ids as the rest of the station knows them: hashed, like cards.

An eMSP often takes one card's number for the id of its group (OCPI 2.2.1 mod_tokens),
and nothing but comparing them is ever wanted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.domain.tokens import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.domain.settings import Settings
    from agent.domain.tokens import Reply, Token
    from agent.domain.uid import Uid
    from agent.station_ports import Ask


class ConcealedGroups:
    """Asks, and hashes the group of the token that an answer brings."""

    def __init__(self, ask: Ask, hash_group: Callable[[str], str]) -> None:
        self._ask = ask
        self._hash_group = hash_group

    async def ask(  # noqa: PLR0913 - the port's own
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        *,
        within: timedelta,
        late: timedelta = timedelta(),
        background: bool = False,
    ) -> Reply:
        """Get a reply, as `Ask` says."""
        reply = await self._ask(
            uid, token, evse_uids, within=within, late=late, background=background
        )
        if not isinstance(reply, Answer) or reply.token is None:
            return reply
        return replace(reply, token=self._conceal(reply.token))

    def settings(self, settings: Settings) -> Settings:
        """Hash the group that is configured, so that it can be compared."""
        if not settings.master_group:
            return settings
        master = self._hash_group(settings.master_group)
        return replace(settings, master_group=master)

    def _conceal(self, token: Token) -> Token:
        if not token.group_id:
            return token
        return replace(token, group_id=self._hash_group(token.group_id))
