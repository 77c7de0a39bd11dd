"""Synchronising with a hostile backend, and what must not come of it."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from agent.errors import (
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.sync import Synchronizer, SyncResult
from agent.store.token_reader import TokenReader
from tests.agent.ocpi.examples import token_json
from tests.agent.ocpi.peer import connect
from tests.agent.ocpi.raw_server import RawServer, Reply
from tests.fakes.cards import uid_of
from tests.fakes.lists import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.errors import AgentError
    from agent.store.whitelist import Whitelist

    Respond = Callable[[dict[str, str]], Reply]

IN_FORCE: Final = "ABC"
UPSTREAM_ERRORS: Final = (
    TransientUpstreamError,
    RefusedUpstreamError,
    CredentialsError,
)
MIB: Final = 1024 * 1024
MEMORY_BYTES: Final = 128 * MIB
LOG_LINES, LOG_CHARACTERS = 20, 8_000


class AtOnce:
    """No pause."""

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after a failed attempt."""
        return 0 * attempt


def contents(whitelist: Whitelist) -> dict[str, object]:
    """Read everything that the file in force says."""
    with closing(TokenReader(whitelist.file, KEYS, ("cpo", "hub"))) as reader:
        return {
            "rows": list(reader.listed()),
            "tokens": [reader.find(uid_of(card)) for card in IN_FORCE],
            "state": reader.sync_state("cpo"),
        }


def synchronize(
    whitelist: Whitelist,
    server: RawServer,
    *,
    then_changes: bool = False,
    max_pages: int | None = None,
) -> SyncResult:
    """Synchronise the whole list over HTTP, and then perhaps what has changed."""

    async def main() -> SyncResult:
        async with server.running():
            connection = connect(
                httpx.AsyncHTTPTransport(), versions_url=server.versions_url, name="cpo"
            )
            if max_pages is not None:
                connection._tokens._pager._max_pages = max_pages
            synchronizer = Synchronizer("cpo", connection, whitelist)
            try:
                result = await synchronizer.run(full=True, on_progress=lambda _: None)
                if then_changes:
                    await synchronizer.run(full=False, on_progress=lambda _: None)
                return result
            finally:
                await connection.close()

    return asyncio.run(main())


def check_refused(
    whitelist: Whitelist,
    respond: Respond,
    error: type[AgentError],
    match: str,
    caplog: pytest.LogCaptureFixture,
    **settings: Any,  # noqa: ANN401 - of `synchronize`
) -> RawServer:
    """Let a full synchronisation fail, and look at what it has left behind."""
    server = RawServer(respond)
    before = contents(whitelist)
    caplog.clear()
    tracemalloc.start()
    try:
        with caplog.at_level(logging.INFO), pytest.raises(error, match=match) as caught:
            synchronize(whitelist, server, **settings)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert contents(whitelist) == before
    assert peak_bytes < MEMORY_BYTES
    assert len(str(caught.value)) < 1000
    check_log(caplog)
    return server


def check_log(caplog: pytest.LogCaptureFixture) -> None:
    """Look at how much was logged."""
    assert len(caplog.records) <= LOG_LINES
    assert sum(len(record.getMessage()) for record in caplog.records) <= LOG_CHARACTERS


def numbered(number: int, **changes: Any) -> dict[str, object]:  # noqa: ANN401 - fields
    """List a card by its number."""
    fields = {"uid": f"04{number:012X}", "contract_id": f"NL-TNM-C{number:08d}"}
    return token_json(**fields | changes)


def offset_of(query: dict[str, str]) -> int:
    """Read where the page begins."""
    return int(query.get("offset", "0"))
