"""The driver's time is one budget, on real sockets that stop working at every step."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from agent.domain.tokens import NoAnswer, Reply
from agent.domain.uid import Uid
from agent.event_loop import StationLoop
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.connection import OcpiConnection
from agent.ocpi.upstream import Upstream
from tests.agent.ocpi.peer import DETAILS, SECRET, STATION, TOKENS, VERSIONS
from tests.e2e.waiting import until
from tests.fakes.virtual_loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    Serve = Callable[[str, str, asyncio.StreamWriter], Awaitable[None]]

UID = Uid("04A1B2C3D4E5F6")
AUTHORIZE = f"{TOKENS}/{UID.value}/authorize"
BUDGET = timedelta(seconds=2)
LOCALHOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Let what was not closed be found in the test that did not close it."""
    yield
    gc.collect()


class Loop(StationLoop, VirtualLoop):
    """The daemon's loop, on which time costs nothing."""


class Ending(NamedTuple):
    """What came of a question and of a knock after it, and how long each took."""

    reply: Reply
    reply_took_s: float
    heard: bool
    knock_took_s: float


SILENCE = Ending(
    NoAnswer("no answer about a card within 2 s", silent=True), 2.0, False, 2.0
)


async def ask_and_knock(versions_url: str) -> Ending:
    """Ask a backend about a card, then find out whether it is there at all."""
    connection = OcpiConnection(
        Upstream(
            name="emsp",
            versions_url=versions_url,
            token=CredentialsToken(SECRET),
            station=STATION,
        )
    )
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    reply = await connection.authorize(UID, None, ["SE*ABC*E1"], BUDGET)
    replied_at = loop.time()
    heard = await connection.probe(BUDGET)
    knocked_at = loop.time()
    await connection.close()
    return Ending(reply, replied_at - began_at, heard, knocked_at - replied_at)


def run(versions_url: str) -> Ending:
    """Do so on the daemon's loop."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(ask_and_knock(versions_url))


# ---- before anything is sent -----------------------------------------------------


@contextmanager
def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Let the C library take for ever over names, until the end of the context."""
    names: list[bytes] = []
    end = threading.Event()

    def look_up(host: bytes, *_: object) -> list[object]:
        names.append(host)
        end.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "the name server did not answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield names
    # The loop has ended: nobody has waited for these threads, not even for their start.
    threads = [one for one in threading.enumerate() if one.name == "look-up"]
    until(lambda: len(names) == len(threads), "what the threads look up")
    end.set()
    for thread in threads:
        thread.join()


def test_a_name_server_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the driver nor the end of the loop waits for the C library."""
    with hanging_resolver(monkeypatch) as names:
        assert run("https://emsp.example/versions") == SILENCE
    assert names == [b"emsp.example", b"emsp.example"]


def test_a_network_that_swallows_packets() -> None:
    """A connection that is never established costs the budget and no more."""
    with closing(socket.socket()) as server, closing(socket.socket()) as first:
        server.bind((LOCALHOST, 0))
        server.listen(0)
        # The kernel ignores who comes when the queue is full.
        first.connect(server.getsockname())
        port = server.getsockname()[1]
        assert run(f"http://{LOCALHOST}:{port}/versions") == SILENCE
        server.setblocking(False)
        server.accept()[0].close()
        with pytest.raises(BlockingIOError):
            server.accept()


# httpcore leaves the socket under a cancelled TLS handshake to the collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_tls_handshake_that_nobody_takes_up() -> None:
    """A process that hangs behind an open port costs the budget and no more."""
    with closing(socket.create_server((LOCALHOST, 0))) as server:
        port = server.getsockname()[1]
        assert run(f"https://{LOCALHOST}:{port}/versions") == SILENCE


# ---- in the middle of an answer --------------------------------------------------


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve on loopback; yield where, and the list of what has been asked for."""
    asked: list[str] = []
    home = ""

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split()[1].decode().partition("?")[0]
                if head.startswith(b"POST"):
                    await reader.readuntil(b"}")
                asked.append(path)
                await serve(home, path, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, LOCALHOST, 0)
    home = f"http://{LOCALHOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield home, asked
    finally:
        server.close()


def answer_of(home: str, path: str) -> bytes:
    """Write what a good backend answers."""
    endpoint = {"identifier": "tokens", "role": "SENDER", "url": home + TOKENS}
    data: object = {
        VERSIONS: [{"version": "2.2.1", "url": home + DETAILS}],
        DETAILS: {"version": "2.2.1", "endpoints": [endpoint]},
        TOKENS: [],
        AUTHORIZE: {"allowed": "ALLOWED"},
    }[path]
    body = json.dumps({"data": data, "status_code": 1000, "timestamp": "x"}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def silence(home: str, path: str, writer: asyncio.StreamWriter) -> None:
    """Say nothing."""
    del home, path, writer


async def half_a_head(home: str, path: str, writer: asyncio.StreamWriter) -> None:
    """Stop in the middle of the headers."""
    writer.write(answer_of(home, path)[:20])


async def half_a_body(home: str, path: str, writer: asyncio.StreamWriter) -> None:
    """Stop in the middle of the JSON."""
    writer.write(answer_of(home, path)[:-20])


async def drip(home: str, path: str, writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then, which never ends."""
    del home, path
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.1)


async def slowly(home: str, path: str, writer: asyncio.StreamWriter) -> None:
    """Answer each request well, in less time than there is for all of them."""
    await asyncio.sleep(0.9)
    writer.write(answer_of(home, path))


async def well(home: str, path: str, writer: asyncio.StreamWriter) -> None:
    """Answer."""
    writer.write(answer_of(home, path))


def good_until(stop: str, misbehave: Serve) -> Serve:
    """Answer well, but not about one path."""

    async def serve(home: str, path: str, writer: asyncio.StreamWriter) -> None:
        await (misbehave if path.startswith(stop) else well)(home, path, writer)

    return serve


@pytest.mark.parametrize("misbehave", [silence, half_a_head, half_a_body, drip])
@pytest.mark.parametrize("stop", [VERSIONS, DETAILS, TOKENS])
def test_a_backend_that_stops_half_way(stop: str, misbehave: Serve) -> None:
    """However much of the answer has come, the driver waits no longer."""

    async def main() -> tuple[Ending, list[str]]:
        async with serving(good_until(stop, misbehave)) as (home, asked):
            return await ask_and_knock(home + VERSIONS), asked

    with asyncio.Runner(loop_factory=Loop) as runner:
        ending, asked = runner.run(main())
    assert ending == SILENCE
    last = AUTHORIZE if stop == TOKENS else stop
    assert last in asked


def test_steps_that_are_quick_enough_each_but_not_together() -> None:
    """Discovery comes out of the same budget; what was found of it is kept."""

    async def main() -> tuple[Ending, list[str]]:
        async with serving(slowly) as (home, asked):
            return await ask_and_knock(home + VERSIONS), asked

    with asyncio.Runner(loop_factory=Loop) as runner:
        ending, asked = runner.run(main())
    assert (ending.reply, ending.reply_took_s) == (SILENCE.reply, 2)
    assert ending.heard
    assert ending.knock_took_s == pytest.approx(0.9)
    assert asked == [VERSIONS, DETAILS, AUTHORIZE, TOKENS]
