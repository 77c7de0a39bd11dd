"""Whether anybody is there at all, which is not whether the answer is any good."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import httpx

from agent.errors import AgentError
from agent.ocpi.transport import Call

if TYPE_CHECKING:
    from datetime import timedelta

    from agent.ocpi.backend import Backend

_NOTHING_SINCE: Final = "2037-12-31T00:00:00Z"  # The last year of 32-bit clocks


def was_heard(err: AgentError) -> bool:
    """Whether an HTTP answer came, if only one that is no use."""
    return not isinstance(err.__cause__, (httpx.TransportError, OSError))


async def is_heard(
    backend: Backend,
    timeout: timedelta,  # noqa: ASYNC109 - one budget, discovery included
) -> bool:
    """Knock where questions about cards would go; any HTTP answer counts."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            await _ask_for_nothing(backend)
    except TimeoutError:
        return False
    except AgentError as err:
        return was_heard(err)
    return True


async def _ask_for_nothing(backend: Backend) -> None:
    """Ask for one token of a time that has none: cheap for both sides."""
    endpoints = await backend.endpoints()
    if endpoints.tokens is None:
        return
    call = Call(
        method="GET",
        url=endpoints.tokens,
        query={"date_from": _NOTHING_SINCE, "offset": "0", "limit": "1"},
        routing=backend.routing(endpoints, backend.their_party),
    )
    await backend.fetch(endpoints, call)
