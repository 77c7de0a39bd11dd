"""Whatever a client sends: an answer in an envelope, or the end of the connection."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.ocpi.server import Limits, ServerOptions
from tests.agent.ocpi.examples import JSON, damaged, old_token_json, token_json
from tests.agent.ocpi.server.hosting import BASE, PUBLIC, SECRET, VERSIONS, Host
from tests.fakes.clock import FakeClock
from tests.reference.checking import check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.agent.ocpi.server.hosting import Answer

UID = "04a1b2c3d4e5f6"
GOOD = {
    version: old_token_json() if version == "2.1.1" else token_json()
    for version in VERSIONS
}
OPTIONS = ServerOptions(
    public_url=PUBLIC, listen="127.0.0.1:0", max_requests_per_minute=100_000
)
PATIENT = replace(Limits(), strangers_per_minute=100_000)
HASTY = replace(PATIENT, head=0.05, body=0.05, unread=0.02)
ONE_SERVER = settings(
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@contextmanager
def one_server(
    limits: Limits,
) -> Iterator[Callable[[Callable[[Host], Awaitable[None]]], Host]]:
    """Run one server for many examples."""
    host = Host(options=OPTIONS, limits=limits, clock=FakeClock())
    with asyncio.Runner() as runner:
        serving = host.serving()
        runner.run(serving.__aenter__())

        def play(example: Callable[[Host], Awaitable[None]]) -> Host:
            async def main() -> None:
                await example(host)

            runner.run(main())
            return host

        yield play
        runner.run(serving.__aexit__(None, None, None))


@pytest.fixture
def play(
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Callable[[Callable[[Host], Awaitable[None]]], Host]]:
    """Run one server; whatever was sent to it, it has nothing to complain about."""
    with one_server(PATIENT) as running:
        yield running
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.fixture
def hastily(
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Callable[[Callable[[Host], Awaitable[None]]], Host]]:
    """Run one that waits for nobody."""
    with one_server(HASTY) as running:
        yield running
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def is_stored_rightly(host: Host, version: str) -> None:
    """Check that what was learned is a token of this backend, as the URL names it."""
    for token in host.book.learned:
        assert token.upstream == "emsp"
        assert (token.country_code.upper(), token.party_id.upper()) == ("NL", "TNM")
        assert token.uid.lower() == UID
        assert len(token.contract_id) <= 36, version
    host.book.learned.clear()
    host.book.tokens.clear()


@ONE_SERVER
@given(data=st.data())
def test_bodies(
    play: Callable[[Callable[[Host], Awaitable[None]]], Host], data: st.DataObject
) -> None:
    """Damaged tokens and credentials are taken whole, or refused in words."""
    version = data.draw(st.sampled_from(VERSIONS))
    method = data.draw(st.sampled_from(["PUT", "PATCH"]))
    body = data.draw(damaged(GOOD[version]) | st.binary(max_size=40))
    module = data.draw(st.sampled_from([f"tokens/NL/TNM/{UID}", "credentials"]))

    async def example(host: Host) -> None:
        answer = await host.ask(method, f"/{version}/{module}", body, secret=SECRET)
        assert_sane(answer)
        assert (answer.code == 1000) is bool(host.book.learned or host.peer.replaced)
        host.peer.replaced.clear()
        host.peer.secret = SECRET
        is_stored_rightly(host, version)

    play(example)


def assert_sane(answer: Answer) -> None:
    """Success and refusal do not contradict each other; nothing is our failure."""
    assert answer.http < 500
    assert answer.code in {1000, 2000, 2001, 2004, 3002}
    if answer.code == 1000:
        assert answer.http in {200, 201}
    else:
        assert answer.data is None


# What can be sent at all: no halves of a character.
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SEGMENTS = st.lists(
    st.sampled_from(
        ["versions", *VERSIONS, "tokens", "sessions", "cdrs", "credentials"]
    )
    | st.sampled_from(["NL", "TNM", UID, "", ".", "..", "%", "?"])
    | _TEXT.map(lambda text: quote(text, safe="")),
    max_size=6,
)
QUERIES = st.dictionaries(
    st.sampled_from(["type", "date_from", "date_to", "offset", "limit"]) | _TEXT,
    st.sampled_from(["RFID", "2026-01-01", "10", "-1", "None"]) | _TEXT,
    max_size=3,
)


@ONE_SERVER
@given(segments=SEGMENTS, query=QUERIES, data=st.data())
def test_paths_and_queries(
    play: Callable[[Callable[[Host], Awaitable[None]]], Host],
    segments: list[str],
    query: dict[str, str],
    data: st.DataObject,
) -> None:
    """Any URL has an answer, and none of these stores anything."""
    method = data.draw(st.sampled_from(["GET", "PATCH", "POST", "OPTIONS"]))
    target = f"/{'/'.join(segments)}?{urlencode(query)}"

    async def example(host: Host) -> None:
        assert_sane(await host.ask(method, target, {"last_updated": "2026-05-05"}))
        assert (host.book.learned, host.peer.replaced) == ([], [])

    play(example)


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Authorization",
            "Content-Type",
            "Content-Encoding",
            "X-Request-ID",
            "X-Correlation-ID",
            "OCPI-from-country-code",
            "OCPI-to-party-id",
            "Accept",
            "Cookie",
            "Forwarded",
            "X-Forwarded-Proto",
            "X-HTTP-Method-Override",
        ]
    ),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=80),
    max_size=4,
)


@ONE_SERVER
@given(headers=HEADERS, value=JSON)
def test_headers(
    play: Callable[[Callable[[Host], Awaitable[None]]], Host],
    headers: dict[str, str],
    value: object,
) -> None:
    """No header makes an answer odd, and only the right one opens."""
    stripped = {name: text.strip() for name, text in headers.items()}

    async def example(host: Host) -> None:
        where = f"/2.2.1/tokens/NL/TNM/{UID}"
        answer = await host.ask(
            "PUT", where, json.dumps(value).encode(), headers=stripped
        )
        assert_sane(answer)
        assert "Authorization" not in stripped or answer.http == 401
        assert host.book.learned == []

    play(example)


PIECES = st.lists(
    st.sampled_from(
        [
            b"GET ",
            b"PUT ",
            f"{BASE}/versions".encode(),
            f"{BASE}/2.2.1/tokens/NL/TNM/{UID}".encode(),
            b" HTTP/1.1\r\n",
            b" HTTP/1.0\r\n",
            b"Host: x\r\n",
            f"Authorization: Token {SECRET}\r\n".encode(),
            b"Content-Type: application/json\r\n",
            b"Content-Length: 5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Connection: close\r\n",
            b"Connection: upgrade\r\nUpgrade: h2c\r\n",
            b"Expect: 100-continue\r\n",
            b"\r\n",
            b"{}",
            b"5\r\n{   }\r\n0\r\n\r\n",
            b"\x00",
        ]
    )
    | st.binary(max_size=20),
    max_size=14,
)


@ONE_SERVER
@given(pieces=PIECES)
def test_bytes(
    hastily: Callable[[Callable[[Host], Awaitable[None]]], Host], pieces: list[bytes]
) -> None:
    """Bytes in any order: whole answers, then the end."""

    async def example(host: Host) -> None:
        reader, writer = await host.connect()
        answer = b""
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            while more := await reader.read(65_536):
                answer += more
        except ConnectionError:
            pass
        writer.close()
        check_answers(answer)
        assert host.book.learned == []

    hastily(example)


def check_answers(stream: bytes) -> None:
    """Take a stream of answers apart; each has an envelope of the length it says."""
    while stream:
        head, found, stream = stream.partition(b"\r\n\r\n")
        assert found
        assert head.startswith(b"HTTP/1.1 ")
        if head.startswith(b"HTTP/1.1 100"):
            continue
        [length] = [
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ]
        body, stream = stream[:length], stream[length:]
        assert check("2.2.1", "Envelope", json.loads(body)) == []
