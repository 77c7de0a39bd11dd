"""Bodies: JSON, of a bounded size, within a deadline, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from agent.ocpi.server import Limits, ServerOptions
from tests.agent.ocpi.examples import token_json
from tests.agent.ocpi.server.hosting import BASE, PUBLIC, SECRET, Host, hosted

if TYPE_CHECKING:
    from collections.abc import Mapping

WHERE = "/2.2.1/tokens/NL/TNM/04a1b2c3d4e5f6"
HEAD = (
    f"PUT {BASE}{WHERE} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {SECRET}\r\n"
    "Content-Type: application/json\r\n"
)
BODY = json.dumps(token_json()).encode()
DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
OPTIONS = ServerOptions(public_url=PUBLIC, listen="127.0.0.1:0", max_body_kib=300)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b"<html></html>",
        BODY[:-1],
        BODY + b"}",
        b'{"uid": "\xff\xfe"}',
        b'{"uid": NaN}',
        DEEP,
        b"[" * 100_000,
    ],
    ids=range(10),
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_is_no_json(method: str, body: bytes) -> None:
    """HTTP 400, however deep it is nested; nothing is stored."""

    async def test(host: Host) -> None:
        answer = await host.ask(method, WHERE, body)
        assert (answer.http, answer.code) == (400, 2000)
        assert host.book.learned == []

    hosted(test, options=OPTIONS)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"5", b"true"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_json_that_is_no_object(method: str, body: bytes) -> None:
    """It is JSON, so OCPI 2001."""

    async def test(host: Host) -> None:
        answer = await host.ask(method, WHERE, body)
        assert (answer.http, answer.code) == (200, 2001)

    hosted(test)


@pytest.mark.parametrize(
    ("headers", "http"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, 201),
        ({"Content-Type": "Application/JSON"}, 201),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, 201),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400),
        ({"Content-Type": "text/plain"}, 400),
        ({"Content-Type": "application/jsonp"}, 400),
        ({"Content-Type": ""}, 400),
    ],
)
def test_the_body_must_say_that_it_is_json(
    headers: Mapping[str, str], http: int
) -> None:
    """`Content-Type: application/json`, with any parameter, and not packed."""
    is_packed = headers.get("Content-Encoding") == "gzip"
    body = gzip.compress(BODY) if is_packed else BODY

    async def test(host: Host) -> None:
        assert (await host.ask("PUT", WHERE, body, headers=headers)).http == http

    hosted(test)


@pytest.mark.parametrize("over", [0, 1, 100_000, 900_000])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_the_size_is_bounded(over: int, *, is_chunked: bool) -> None:
    """Up to the limit it is read; what is larger gets HTTP 413, declared or not."""
    size = 64 * 1024 + over
    body = BODY + b" " * (size - len(BODY))

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        length = (
            "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
        )
        writer.write(f"{HEAD}{length}\r\nConnection: close\r\n\r\n".encode())
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if is_chunked else body)
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 413" if over else b"HTTP/1.1 201")
        assert (b'"status_code":2000' in answer) is bool(over)
        assert bool(host.book.learned) is not bool(over)

    hosted(test)


def test_an_endless_body_ends() -> None:
    """Whoever never stops sending is answered and hung up on."""

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        writer.write(f"{HEAD}Content-Length: 99999999999\r\n\r\n".encode())
        with_answer = asyncio.create_task(reader.read())
        while not with_answer.done():
            try:
                writer.write(b" " * 65_536)
                await writer.drain()
            except ConnectionError:
                break
        answer = await asyncio.gather(with_answer, return_exceptions=True)
        writer.close()
        if isinstance(answer[0], bytes):
            assert answer[0].startswith(b"HTTP/1.1 413")
        else:
            assert isinstance(answer[0], ConnectionError)

    hosted(test)


SHORT = replace(Limits(), body=0.1, unread=0.05)


def test_a_slow_body_has_a_deadline() -> None:
    """HTTP 408 and the end of the connection."""

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        writer.write(f"{HEAD}Content-Length: 5000\r\n\r\n{{".encode())
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in answer
        assert b'"status_code":2000' in answer
        assert host.book.learned == []

    hosted(test, limits=SHORT)


def test_a_body_that_drips_has_the_same_deadline() -> None:
    """Some bytes now and then buy no time."""

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        writer.write(f"{HEAD}Content-Length: 5000\r\n\r\n{{".encode())

        async def drip() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        # A drop that comes too late may destroy the answer on its way.
        with suppress(ConnectionError):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
        dripping.cancel()
        writer.close()
        assert host.book.learned == []

    hosted(test, limits=SHORT)


@pytest.mark.parametrize("authorization", ["Token wrong", f"Token {SECRET}"])
def test_a_body_that_nobody_wants_keeps_nobody_waiting(authorization: str) -> None:
    """An answer that does not need it is given, whether it comes or not."""
    head = HEAD.replace(f"Token {SECRET}", authorization).replace("PUT", "DELETE")

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        writer.write(f"{head}Content-Length: 10\r\n\r\n123".encode())
        answer = await reader.read()
        writer.close()
        assert answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 405"))
        assert b"connection: close" in answer

    hosted(test, limits=SHORT)


def test_a_refused_body_leaves_the_connection_in_use() -> None:
    """Once it has come in whole the next request follows on the same connection."""
    head = HEAD.replace("PUT", "DELETE")

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        for _ in range(3):
            writer.write(f"{head}Content-Length: 10\r\n\r\n".encode())
            await writer.drain()
            writer.write(b"0123456789")
            answer = await reader.readuntil(b"}")
            assert answer.startswith(b"HTTP/1.1 405")
            assert b"connection: close" not in answer
        writer.close()

    hosted(test)


def test_strangers_are_not_asked_for_their_body() -> None:
    """`Expect: 100-continue` is answered by 401 at once."""
    head = HEAD.replace(SECRET, "wrong")

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        writer.write(
            f"{head}Content-Length: 10\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 401")

    hosted(test)


def test_nobody_is_asked_for_a_body_that_is_too_large() -> None:
    """HTTP 413 comes at once, in place of `100 Continue`."""

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        length = "Content-Length: 70000\r\nExpect: 100-continue"
        writer.write(f"{HEAD}{length}\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 413")
        writer.close()

    hosted(test)


def test_a_known_one_is_asked_for_his() -> None:
    """`Expect: 100-continue` is answered as it should be."""

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        length = f"Content-Length: {len(BODY)}"
        writer.write(f"{HEAD}{length}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(BODY)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 201")
        writer.close()

    hosted(test)


def test_whoever_leaves_in_the_middle_changes_nothing() -> None:
    """Half a body, then the end: nothing is stored, and the next one is served."""

    async def test(host: Host) -> None:
        _, writer = await host.connect()
        writer.write(f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:-9])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await host.ask("GET", "/versions")).http == 200
        assert host.book.learned == []

    hosted(test)
