"""Servers that send anything at all: our own errors come out, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import AgentError, TransientUpstreamError
from agent.ocpi.authorization import Encoding
from agent.ocpi.envelope import open_envelope, suggests_other_encoding
from agent.ocpi.transport import Call, OcpiClient
from tests.agent.ocpi.servers import LOCALHOST, OCPI, TOKEN, http
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """Serve on loopback, whatever is asked; then hang up."""

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, LOCALHOST, 0)
    try:
        yield f"http://{LOCALHOST}:{server.sockets[0].getsockname()[1]}/x"
    finally:
        server.close()


async def ask(serve: Serve, **options: Any) -> bytes:  # noqa: ANN401 - OcpiClient's
    """Ask once and open the envelope, as every caller does."""
    async with serving(serve) as url:
        client = OcpiClient(TOKEN, **options)
        try:
            call = Call(method="GET", url=url, timeout=timedelta(seconds=5))
            response = await client.send(call, Encoding.RAW)
            suggests_other_encoding(response)
            return bytes(open_envelope(response) or b"")
        finally:
            await client.close()


def say(*pieces: bytes) -> Serve:
    """Send these bytes and hang up."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return serve


def refused(serve: Serve, **options: Any) -> str:  # noqa: ANN401 - OcpiClient's
    """Ask, get no answer, and return how that is explained."""
    with pytest.raises(TransientUpstreamError) as caught:
        run_virtual(ask(serve, **options))
    assert str(caught.value).startswith("GET /x: ")
    return str(caught.value)


DATA = b'{"status_code": 1000, "data": [1]}'
DEEP = b'{"status_code": 1000, "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LATIN = b'{"status_code": 1000, "status_message": "\xe9", "data": [1]}'


@pytest.mark.parametrize(
    "kind", ["text/html", "application/octet-stream", "", "garbage;;=", "text/plain"]
)
def test_json_under_another_name(kind: str) -> None:
    """What a body is called does not matter when it is one of ours."""
    answer = http(DATA, headers=(f"Content-Type: {kind}",))
    assert run_virtual(ask(say(answer))) == b"[1]"


OURS = "expected an OCPI envelope"
LIBRARY = "RemoteProtocolError"
HEAD = b"HTTP/1.1 200 OK\r\n"
PACKED = ("Content-Encoding: gzip",)
NO_ANSWERS = {
    "empty": (http(b""), f"HTTP 200 with nothing, {OURS}"),
    "html": (
        http(b"<html>Welcome", headers=("Content-Type: text/html",)),
        f"HTTP 200 with text/html, {OURS}",
    ),
    "deep data": (http(DEEP), OURS),
    "deep and cut": (http(b"[" * 100_000), OURS),
    "no utf-8": (http(b'{"status_code": "\xff\xfe"}'), OURS),
    "null": (http(b"null"), OURS),
    "no content": (http(b"", "204 No Content"), "HTTP 204"),
    "another protocol": (http(DATA, "101 Switching Protocols"), LIBRARY),
    "cut": (http(DATA)[:-5], "peer closed connection"),
    "hangs up": (b"", "disconnected without sending a response"),
    "long header": (HEAD + b"X: " + b"x" * 200_000, LIBRARY),
    "many headers": (HEAD + b"X: y\r\n" * 50_000, LIBRARY),
    "status": (b"HTTP/1.1 999999 OK\r\n\r\n", LIBRARY),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", LIBRARY),
    "two lengths": (http(headers=("Content-Length: 7",)), LIBRARY),
    "length": (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", LIBRARY),
    "packed otherwise": (
        http(headers=("Content-Encoding: br",)),
        "packed with gzip or not at all, got Content-Encoding br",
    ),
    "packed and cut": (
        http(gzip.compress(DATA)[:-9], headers=PACKED),
        "expected a whole gzip body",
    ),
}


@pytest.mark.parametrize(
    ("answer", "words"),
    [pytest.param(*one, id=name) for name, one in NO_ANSWERS.items()],
)
def test_no_answer(answer: bytes, words: str) -> None:
    """Each is called what it is, and is tried again later."""
    assert words in refused(say(answer))


def test_text_that_is_not_utf_8() -> None:
    """Words in another encoding do not hide the data beside them."""
    assert run_virtual(ask(say(http(LATIN)))) == b"[1]"


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early"])
def test_interim_answers(interim: str) -> None:
    """What comes before the answer is not the answer, however often it comes."""
    early = f"HTTP/1.1 {interim}\r\n\r\n".encode() * 100
    assert run_virtual(ask(say(early, http(DATA)))) == b"[1]"


def test_interim_answers_for_ever() -> None:
    """A server that keeps saying that it works on it meets the deadline."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    assert "no complete answer within 5 s" in refused(serve)


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"]
)
def test_a_trickle(head: bytes) -> None:
    """A byte now and then meets the deadline, in the headers as in the body."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(1)

    assert "no complete answer within 5 s" in refused(serve)


def test_a_bomb_over_the_wire() -> None:
    """A packed body is stopped at the limit, and the connection with it."""
    packed = gzip.compress(bytes(10_000_000))
    answer = http(packed, headers=("Content-Encoding: gzip",))
    assert "at most 100,000 bytes" in refused(say(answer), max_body_bytes=100_000)


def test_too_much_is_announced() -> None:
    """Nobody waits for a body that is too long by its own account."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n")
        await asyncio.sleep(60)

    assert "at most 1,000,000 bytes" in refused(serve, max_body_bytes=1_000_000)


# ---- anything --------------------------------------------------------------------

STATUSES = st.sampled_from(
    ["200 OK", "100 Continue", "101 Up", "204 No", "302 F", "304 N", "401 U", "503 S"]
)
VALUES = st.binary(max_size=20) | st.sampled_from(
    [
        b"0", b"5", b"-1", b"1e9", b"gzip", b"br", b"chunked", b"identity", b"close",
        b"<x>; rel=next", b"/x", b"//[", b"Mon, 01 Jan 0001 00:00:00 GMT",
        b"99999999999",
    ]
)  # fmt: skip
NAMES = st.binary(min_size=1, max_size=10) | st.sampled_from(
    [
        b"Content-Length", b"Transfer-Encoding", b"Content-Encoding", b"Connection",
        b"Content-Type", b"Location", b"Link", b"Retry-After", b"Date", b"Set-Cookie",
    ]
)  # fmt: skip
BODIES = st.binary(max_size=60) | st.sampled_from(
    [
        OCPI,
        DATA,
        gzip.compress(DATA),
        gzip.compress(DATA)[:-3],
        b'5\r\n{"a":\r\n0\r\n\r\n',
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Write something like an answer, with any headers, and change a few bytes."""
    lines = [f"HTTP/1.1 {draw(STATUSES)}".encode()]
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    lines += [name + b": " + value for name, value in headers]
    whole = bytearray(b"\r\n".join([*lines, b"", draw(BODIES)]))
    for at in draw(st.lists(st.integers(0, len(whole) - 1), max_size=2)):
        whole[at] = draw(st.integers(0, 255))
    return bytes(whole)


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=100) | answers(), min_size=1, max_size=2))
def test_any_bytes(pieces: list[bytes]) -> None:
    """A server that sends anything is answered with our errors or with its data."""
    with suppress(AgentError):
        run_virtual(ask(say(*pieces)))
