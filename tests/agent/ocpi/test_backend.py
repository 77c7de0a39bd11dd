"""A backend comes, goes, and is told about once."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest

from agent.errors import ConfigError, CredentialsError, TransientUpstreamError
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.backend import Backend, Upstream
from agent.ocpi.transport import Call
from tests.agent.ocpi.peer import (
    HOME,
    SECRET,
    STATION,
    TOKENS,
    VERSIONS,
    Peer,
    Silence,
    envelope,
)

CALL = Call(method="GET", url=HOME + TOKENS)


def backend_of(peer: httpx.AsyncBaseTransport, **changes: Any) -> Backend:  # noqa: ANN401 - Upstream's fields
    """Configure a backend."""
    fields: dict[str, Any] = {
        "name": "emsp",
        "versions_url": HOME + VERSIONS,
        "token": CredentialsToken(SECRET),
        "station": STATION,
    }
    return Backend(Upstream(**fields | changes), transport=peer)


@pytest.mark.parametrize(
    "change",
    [
        {"versions_url": "emsp.example/versions"},
        {"versions_url": "ftp://emsp.example"},
        {"versions_url": ""},
        {"version": "2.1"},
        {"version": ""},
    ],
)
def test_impossible_configuration(change: dict[str, str]) -> None:
    """A URL or a version that cannot work is refused before anything is sent."""
    ((key, value),) = change.items()
    with pytest.raises(ConfigError, match=f"emsp: {key}: expected .* got {value!r}"):
        backend_of(Peer(), **change)


def test_configuration_prints_without_the_token() -> None:
    """Whoever prints the configuration shows no secret."""
    upstream = Upstream(
        name="emsp",
        versions_url=HOME,
        token=CredentialsToken(SECRET),
        station=STATION,
    )
    assert SECRET not in repr(upstream)


def test_endpoints_are_found_once() -> None:
    """However many ask at the same time, the backend is asked once."""
    peer = Peer()
    backend = backend_of(peer, version="2.2.1")

    async def run() -> None:
        await asyncio.gather(*(backend.endpoints() for _ in range(5)))
        await backend.endpoints()
        assert len(peer.requests) == 2
        backend.forget_endpoints()
        await backend.endpoints()
        assert len(peer.requests) == 4
        await backend.close()

    asyncio.run(run())


def test_a_failed_discovery_is_repeated() -> None:
    """A backend that was down at first is found later."""
    peer = Peer()
    working = peer.routes["GET", VERSIONS]
    peer.routes["GET", VERSIONS] = httpx.Response(503)
    backend = backend_of(peer)

    async def run() -> None:
        with pytest.raises(TransientUpstreamError):
            await backend.endpoints()
        peer.routes["GET", VERSIONS] = working
        await backend.endpoints()
        await backend.close()

    asyncio.run(run())


def test_a_cancelled_discovery_does_not_block_the_next() -> None:
    """A driver's deadline that cuts a discovery leaves nothing locked."""

    async def run() -> None:
        backend = backend_of(Silence())
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await backend.endpoints()
        await backend.close()

    asyncio.run(run())


def test_changes_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Down, refused and up again: one line each, however often it is asked."""
    peer = Peer()
    backend = backend_of(peer)
    story: list[tuple[httpx.Response, type[Exception] | None]] = [
        (envelope([]), None),
        (httpx.Response(500), TransientUpstreamError),
        (httpx.Response(502), TransientUpstreamError),
        (httpx.Response(401), CredentialsError),
        (httpx.Response(403), CredentialsError),
        (envelope([]), None),
        (envelope([]), None),
    ]

    async def run() -> None:
        for reply, error in story:
            peer.routes["GET", TOKENS] = reply
            endpoints = await backend.endpoints()
            if error is None:
                await backend.fetch(endpoints, CALL)
            else:
                with pytest.raises(error):
                    await backend.fetch(endpoints, CALL)
        await backend.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    lines = [record.message for record in caplog.records]
    assert [line.removeprefix("emsp: ")[:34] for line in lines] == [
        "speaks OCPI 2.2.1",
        f"GET {TOKENS}: answer"[:34],
        f"GET {TOKENS}: answer"[:34],
        "answers again",
    ]
    assert "HTTP 500" in lines[1]
    assert "HTTP 401" in lines[2]
