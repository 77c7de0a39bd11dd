"""Clients that are slow, that never end, or that speak something else."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from agent.ocpi.server import Limits
from tests.agent.ocpi.examples import BILLED, at
from tests.agent.ocpi.server.hosting import (
    BASE,
    SECRET,
    Host,
    MemorySessions,
    hosted,
)
from tests.reference.checking import check

if TYPE_CHECKING:
    from collections.abc import Iterator

GET = f"GET {BASE}/versions HTTP/1.1\r\nHost: x\r\nAuthorization: Token {SECRET}\r\n"
WHOLE = f"{GET}\r\n".encode()
PUT = (
    f"PUT {BASE}/2.2.1/tokens/NL/TNM/04A1 HTTP/1.1\r\nHost: x\r\n"
    f"Authorization: Token {SECRET}\r\nContent-Type: application/json\r\n"
)
QUICK = replace(Limits(), head=0.25, body=0.25, unread=0.1)


@pytest.fixture(autouse=True)
def _no_complaint(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does is no error of ours."""
    yield
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def send_and_read(host: Host, *parts: bytes) -> bytes:
    """Send, and read until the server hangs up; a reset counts as that."""
    reader, writer = await host.connect()
    answer = b""
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        while more := await reader.read(65_536):
            answer += more
    except ConnectionError:
        pass
    writer.close()
    return answer


@pytest.mark.parametrize("begun", [b"", b"G", WHOLE[:-2], b"\r\n", b"\x16\x03\x01"])
def test_a_head_that_does_not_come_ends_the_connection(begun: bytes) -> None:
    """Who connects and does not say what he wants is hung up on, unanswered."""

    async def test(host: Host) -> None:
        answer = await send_and_read(host, begun)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")

    hosted(test, limits=QUICK)


def test_a_head_that_drips_ends_the_connection() -> None:
    """One byte now and then does not buy more time."""

    async def test(host: Host) -> None:
        reader, writer = await host.connect()

        async def drip() -> None:
            writer.write(GET.encode())
            while True:
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        try:
            assert await reader.read() == b""
        except ConnectionError:
            pass
        finally:
            dripping.cancel()
            writer.close()

    hosted(test, limits=replace(QUICK, head_bytes=10_000_000))


def test_silence_after_an_answer_ends_the_connection() -> None:
    """It is kept for the next request for so long, and no longer."""

    async def test(host: Host) -> None:
        answer = await send_and_read(host, WHOLE)
        assert answer.startswith(b"HTTP/1.1 200")

    hosted(test, limits=QUICK)


def test_many_requests_on_one_connection() -> None:
    """One after the other, and several at once, in their order."""

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        for _ in range(3):
            writer.write(WHOLE)
            assert (await reader.readuntil(b'Z"}')).startswith(b"HTTP/1.1 200")
        writer.write(WHOLE * 3 + GET.encode() + b"Connection: close\r\n\r\n")
        rest = await reader.read()
        writer.close()
        assert rest.count(b"HTTP/1.1 200 OK") == 4

    hosted(test)


def test_a_request_that_takes_long_is_not_silence() -> None:
    """The head's limit does not count while we are the ones to be waited for."""

    async def test(host: Host) -> None:
        never = threading.Event()
        host.book.before = lambda: bool(never.wait(3 * QUICK.head))
        answer = await host.ask("GET", "/2.2.1/tokens/NL/TNM/04A1")
        assert answer.code == 2004

    hosted(test, limits=QUICK)


async def client_is_served(client: socket.socket) -> bool:
    """Send some more, as soon as it is taken; say whether anybody took it."""
    try:
        await asyncio.get_running_loop().sock_sendall(client, b"x" * 100_000)
    except ConnectionError:
        return False
    return True


GARBAGE = [
    b"\x00" * 100 + b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"HELO station\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    PUT.encode() + b"Content-Length: -1\r\n\r\n",
    PUT.encode() + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    PUT.encode() + b"Transfer-Encoding: gzip\r\n\r\n",
    PUT.encode() + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n",
    b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x99" * 200,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_no_http(garbage: bytes) -> None:
    """HTTP 400 in an envelope if anything, then the end; others are served on."""

    async def test(host: Host) -> None:
        answer = await send_and_read(host, garbage)
        if answer:
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400")
            assert check("2.2.1", "Envelope", json.loads(body)) == []
        assert (await host.ask("GET", "/versions")).http == 200

    hosted(test, limits=QUICK)


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\n{}\r\n", b"5\r\n{}", b"-1\r\n{}\r\n", b"2\r\n{}XX\r\n", b"f" * 5000],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_chunks_that_are_none(chunks: bytes, *, at_once: bool) -> None:
    """A body that breaks in the middle: one answer, the end, and nothing stored."""
    head = PUT.encode() + b"Transfer-Encoding: chunked\r\n\r\n"

    async def test(host: Host) -> None:
        parts = [head + chunks] if at_once else [head, b"1\r\n{\r\n", chunks]
        answer = await send_and_read(host, *parts)
        assert answer.count(b"HTTP/1.1") <= 1
        assert not answer or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 408"))
        assert host.book.learned == []

    hosted(test, limits=QUICK)


def test_garbage_after_a_request() -> None:
    """The request is answered, and what follows it is not taken for another."""

    async def test(host: Host) -> None:
        answer = await send_and_read(host, WHOLE + b"\x00\x01garbage\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.count(b"HTTP/1.1") <= 2

    hosted(test, limits=QUICK)


@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "TLS/1.3"])
def test_nothing_else_is_spoken(upgrade: str) -> None:
    """An offer to change the protocol is not taken up."""

    async def test(host: Host) -> None:
        offer = f"{GET}Connection: Upgrade, close\r\nUpgrade: {upgrade}\r\n\r\n"
        answer = await send_and_read(host, offer.encode())
        assert answer.startswith(b"HTTP/1.1 200")

    hosted(test)


def test_a_client_that_does_not_read_is_hung_up_on() -> None:
    """An answer that does not get through ends the connection in the end."""
    sessions = [
        replace(BILLED, id=f"S{number}", started_at=at(number)) for number in range(50)
    ]
    ask = WHOLE.replace(b"versions", b"2.2.1/cdrs")

    async def test(host: Host) -> None:
        loop = asyncio.get_running_loop()
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", host.port))
        # More answers than all buffers between us hold.
        await loop.sock_sendall(client, ask * 200)
        while await client_is_served(client):
            pass
        client.close()
        assert (await host.ask("GET", "/versions")).http == 200

    hosted(
        test,
        limits=replace(QUICK, sent=0.3),
        sessions=MemorySessions(billed=sessions),
    )
