"""How many connections there may be, whose is given up, and how all of them end."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.ocpi.server import Limits
from tests.agent.ocpi.examples import token_json
from tests.agent.ocpi.server.hosting import BASE, SECRET, Host, MemoryBook, hosted
from tests.agent.ocpi.server.opening import OPTIONS, server_of

if TYPE_CHECKING:
    from collections.abc import Callable

WHERE = "/2.2.1/tokens/NL/TNM/04a1b2c3d4e5f6"
GET = (
    f"GET {BASE}{WHERE} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {SECRET}\r\n\r\n"
).encode()
FEW = replace(Limits(), connections=4)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Read until the end; a reset is one."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


def held() -> tuple[Callable[[], None], threading.Event, threading.Semaphore]:
    """Give a disk that waits, the event that ends it, and a count of who has come."""
    may_go, arrived = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        arrived.release()
        assert may_go.wait(20)

    return wait, may_go, arrived


def test_the_longest_silent_one_makes_room() -> None:
    """A full house of silent strangers does not keep anybody out."""

    async def test(host: Host) -> None:
        strangers = [await host.connect() for _ in range(4)]
        assert (await host.ask("GET", "/versions")).http == 200
        first, *others = strangers
        assert await is_closed(first[0])
        for _, writer in others:
            writer.write(GET)
        for reader, writer in others:
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 404")
            writer.close()
        first[1].close()

    hosted(test, limits=FEW)


def test_a_flood_of_silence() -> None:
    """However many connect and say nothing, there are never more than so many."""

    async def test(host: Host) -> None:
        crowd = [await host.connect() for _ in range(40)]
        assert (await host.ask("GET", "/versions")).http == 200
        gone = [asyncio.create_task(is_closed(reader)) for reader, _ in crowd[:-3]]
        assert all(await asyncio.gather(*gone))
        for _, writer in crowd:
            writer.close()

    hosted(test, limits=FEW)


def test_whoever_is_being_served_is_not_given_up() -> None:
    """If all are busy the next one is turned away, and comes again later."""
    wait, may_go, arrived = held()

    async def test(host: Host) -> None:
        busy = [await host.connect() for _ in range(4)]
        for _, writer in busy:
            writer.write(GET)
        await asyncio.to_thread(arrived.acquire)
        # The others wait behind the first one, but they have been recognised.
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(host.peer.shown) == len(busy)
        reader, writer = await host.connect()
        writer.write(GET)
        assert await is_closed(reader)
        writer.close()
        may_go.set()
        for reader, writer in busy:
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 404")
            writer.close()
        assert (await host.ask("GET", "/versions")).http == 200

    hosted(test, limits=FEW, book=MemoryBook(before=wait))


def test_a_request_under_way_is_answered_before_the_end() -> None:
    """When the server is to stop, what has begun is finished and told."""
    wait, may_go, arrived = held()

    async def test(host: Host) -> None:
        asked = asyncio.create_task(host.ask("PUT", WHERE, token_json()))
        await asyncio.to_thread(arrived.acquire)
        assert host.running is not None
        host.running.cancel()
        await asyncio.sleep(0)
        may_go.set()
        assert (await asked).http == 201
        await asyncio.wait({host.running})

    host = hosted(test, book=MemoryBook(before=wait))
    assert len(host.book.learned) == 1


def test_a_request_that_takes_too_long_is_cut_at_the_end() -> None:
    """Nobody is told a success that nobody knows of; the connection ends."""
    wait, may_go, arrived = held()

    async def test(host: Host) -> None:
        reader, writer = await host.connect()
        writer.write(GET)
        await asyncio.to_thread(arrived.acquire)
        assert host.running is not None
        host.running.cancel()
        await asyncio.wait({host.running})
        assert await is_closed(reader)
        writer.close()
        may_go.set()

    hosted(test, book=MemoryBook(before=wait), limits=replace(Limits(), grace=0.05))


def test_the_end_closes_everything_at_once() -> None:
    """Silent connections, half heads and half bodies do not delay it."""
    head = GET.replace(b"GET", b"PUT").replace(b"\r\n\r\n", b"\r\nContent-Type: ")

    async def test(host: Host) -> None:
        clients = [await host.connect() for _ in range(3)]
        clients[1][1].write(GET[:20])
        clients[2][1].write(head + b"application/json\r\nContent-Length: 99\r\n\r\n{")
        assert (await host.ask("GET", "/versions")).http == 200
        assert host.running is not None
        host.running.cancel()
        await asyncio.wait({host.running})
        for reader, writer in clients:
            assert await is_closed(reader)
            writer.close()
        everybody = asyncio.all_tasks() - {asyncio.current_task()}
        assert everybody == set()

    hosted(test, limits=replace(Limits(), grace=0.05))


def test_whoever_comes_in_the_last_moment_is_hung_up_on() -> None:
    """A connection that was taken and not yet begun is closed with the others."""

    async def main() -> None:
        server = server_of(OPTIONS)
        async with server.open():
            hall = server._hall
            assert hall is not None
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            async with hall:
                hall.let_in(ours)
            assert ours.fileno() == -1
            theirs.close()

    asyncio.run(main())


def test_a_port_is_free_again_after_the_end() -> None:
    """A reload takes the same port at once, although connections were open."""

    async def test(host: Host) -> None:
        await host.ask("GET", "/versions")

    host = hosted(test)
    options = replace(host.options, listen=f"127.0.0.1:{host.port}")

    again = hosted(test, options=options)
    assert again.port == host.port
