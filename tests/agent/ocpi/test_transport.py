"""One HTTP exchange, with servers that do everything but answer."""

from __future__ import annotations

import asyncio
import gzip
import logging
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.errors import ConfigError, CredentialsError, TransientUpstreamError
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.network import Network
from agent.ocpi.station import Party
from agent.ocpi.tls import TlsOptions
from agent.ocpi.transport import Call, OcpiClient, Response, Routing, new_uuid
from tests.agent.ocpi.peer import BASE64_HEADER, HOME, RAW_HEADER, SECRET, Silence
from tests.agent.ocpi.servers import Scripted, serving

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    Handler = Callable[[httpx.Request], httpx.Response]

UID = "04A1B2C3D4E5F6"
GET = Call(method="GET", url=f"{HOME}/list?key=1", query={"offset": "5"})
AUTHORIZE = Call(
    method="POST",
    url=f"{HOME}/tokens/{UID}/authorize",
    shown="tokens/…/authorize",
    body=b"{}",
    private=(UID,),
)
QUICK = timedelta(milliseconds=20)


def exchange(
    transport: httpx.AsyncBaseTransport,
    *calls: Call,
    encoding: Encoding = Encoding.BASE64,
    max_body_bytes: int = 1024,
) -> list[Response]:
    """Send the calls through one client."""
    ids = count(1)
    client = OcpiClient(
        CredentialsToken(SECRET),
        transport=transport,
        new_id=lambda: f"id-{next(ids)}",
        max_body_bytes=max_body_bytes,
    )

    async def run() -> list[Response]:
        try:
            return [await client.send(call, encoding) for call in calls]
        finally:
            await client.close()

    return asyncio.run(run())


def record(
    handler: Handler,
) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """Keep what the handler is asked."""
    requests: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return handler(request)

    return httpx.MockTransport(keep), requests


def fail(err: Exception) -> Handler:
    """Fail below HTTP."""

    def handler(request: httpx.Request) -> httpx.Response:
        del request
        raise err

    return handler


def test_headers_of_a_plain_request() -> None:
    """Token, ids and query go out; routing headers and a content type do not."""
    transport, requests = record(lambda _: httpx.Response(200, content=b"hello"))
    (response,) = exchange(transport, GET)
    (request,) = requests
    assert str(request.url) == f"{HOME}/list?key=1&offset=5"
    assert request.headers["authorization"] == BASE64_HEADER
    assert request.headers["x-request-id"] == "id-1"
    assert request.headers["x-correlation-id"] == "id-2"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"
    assert not [name for name in request.headers if name.startswith("ocpi-")]
    assert "content-type" not in request.headers
    assert (response.status, response.body) == (200, b"hello")


def test_headers_of_a_module_request() -> None:
    """Body, routing, a given correlation id and the other encoding."""
    transport, requests = record(lambda _: httpx.Response(200))
    call = Call(
        method="PUT",
        url=f"{HOME}/s",
        body=b"{}",
        routing=Routing(Party("SE", "ABC"), Party("NL", "TNM")),
        correlation_id="same",
    )
    exchange(transport, call, call, encoding=Encoding.RAW)
    for request in requests:
        assert request.headers["authorization"] == RAW_HEADER
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-correlation-id"] == "same"
        assert request.headers["ocpi-from-country-code"] == "SE"
        assert request.headers["ocpi-from-party-id"] == "ABC"
        assert request.headers["ocpi-to-country-code"] == "NL"
        assert request.headers["ocpi-to-party-id"] == "TNM"
    assert len({request.headers["x-request-id"] for request in requests}) == 2


def test_open_routing_names_no_receiver() -> None:
    """A hub is asked to find the receiver by leaving it out."""
    headers = Routing(Party("SE", "ABC")).headers()
    assert set(headers) == {"OCPI-from-country-code", "OCPI-from-party-id"}


def test_ids_are_uuids() -> None:
    """Message ids are unique."""
    assert len(new_uuid()) == 36
    assert new_uuid() != new_uuid()


def test_huge_body() -> None:
    """A body that never ends is cut off, packed or not."""
    packed = gzip.compress(b" " * 100_000)
    assert len(packed) < 1024

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"[" * 512

    for answer in (
        httpx.Response(200, content=endless()),
        httpx.Response(200, headers={"content-encoding": "gzip"}, content=packed),
    ):
        transport = httpx.MockTransport(lambda _, answer=answer: answer)
        with pytest.raises(TransientUpstreamError) as caught:
            exchange(transport, GET)
        assert str(caught.value) == (
            "GET /list: expected at most 1,024 bytes, got more; "
            "ask the backend to send smaller pages"
        )


@pytest.mark.parametrize(
    "err",
    [
        httpx.ConnectError("[Errno -3] Temporary failure in name resolution"),
        httpx.ReadError(""),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.LocalProtocolError(f"Illegal header value b'Token {SECRET}'"),
        httpx.DecodingError("Error -3 while decompressing data"),
        OSError(5, f"No way to {UID}"),
        UnicodeEncodeError("ascii", "ö", 0, 1, "ordinal not in range"),
    ],
)
def test_failures_below_http(err: Exception) -> None:
    """Whatever breaks is ours to name, without card and token, and with the cause."""
    with pytest.raises(TransientUpstreamError) as caught:
        exchange(httpx.MockTransport(fail(err)), AUTHORIZE)
    assert caught.value.__cause__ is err
    message = str(caught.value)
    assert message.startswith(f"POST tokens/…/authorize: {type(err).__name__}")
    assert UID not in message
    assert SECRET not in message


def test_silence() -> None:
    """A server that never answers costs the time given and no more."""
    call = Call(method="GET", url=f"{HOME}/list", timeout=QUICK)
    with pytest.raises(TransientUpstreamError, match=r"within 0\.02 s"):
        exchange(Silence(), call)


def test_dripping_body() -> None:
    """A body that trickles for ever meets the same deadline."""

    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.get_running_loop().create_future()

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))
    call = Call(method="GET", url=f"{HOME}/list", timeout=QUICK)
    with pytest.raises(TransientUpstreamError, match="no complete answer"):
        exchange(transport, call)


def test_cancellation_is_not_an_error() -> None:
    """Being told to stop stops, at once and by its own name."""

    async def run() -> None:
        client = OcpiClient(CredentialsToken(SECRET), transport=Silence())
        task = asyncio.create_task(client.send(GET, Encoding.RAW))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.close()

    asyncio.run(run())


def test_closing_twice_and_unused() -> None:
    """Closing is always allowed."""
    client = OcpiClient(CredentialsToken(SECRET))

    async def run() -> None:
        await client.close()
        await client.close()

    asyncio.run(run())


def test_no_log_shows_the_card(caplog: pytest.LogCaptureFixture) -> None:
    """The HTTP library logs every URL; here it must not."""
    with caplog.at_level(logging.DEBUG):
        exchange(httpx.MockTransport(lambda _: httpx.Response(200)), AUTHORIZE)
    assert UID not in caplog.text
    assert SECRET not in caplog.text


def test_reprs_show_nothing() -> None:
    """Calls and responses may be printed."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"x": UID}, content=UID.encode())
    )
    (response,) = exchange(transport, AUTHORIZE)
    assert UID not in f"{AUTHORIZE!r} {response!r}"
    assert SECRET not in f"{response!r}"


# ---- whose token -----------------------------------------------------------------

NEW = CredentialsToken("another-secret")


def test_the_token_can_be_changed() -> None:
    """Each request carries the token of its time; without one nothing is sent."""
    transport, requests = record(lambda _: httpx.Response(200))
    client = OcpiClient(None, transport=transport)

    async def run() -> None:
        with pytest.raises(CredentialsError) as caught:
            await client.send(GET, Encoding.RAW)
        assert str(caught.value).startswith("GET /list: no credentials token: not reg")
        client.use(CredentialsToken(SECRET))
        await client.send(GET, Encoding.RAW)
        client.use(NEW)
        response = await client.send(GET, Encoding.RAW)
        assert SECRET in response.quote(SECRET)
        assert "another-secret" not in response.quote("another-secret")
        client.use(None)
        with pytest.raises(CredentialsError):
            await client.send(GET, Encoding.RAW)
        await client.close()

    asyncio.run(run())
    sent = [request.headers["authorization"] for request in requests]
    assert sent == [RAW_HEADER, "Token another-secret"]


@pytest.mark.parametrize("own", [None, CredentialsToken(SECRET)])
def test_a_call_may_have_a_token_of_its_own(own: CredentialsToken | None) -> None:
    """It wins over the client's, is hidden like it, and does not stay."""
    transport, requests = record(lambda _: httpx.Response(200))
    call = Call(method="GET", url=f"{HOME}/x", token=NEW)
    client = OcpiClient(own, transport=transport)
    response = asyncio.run(client.send(call, Encoding.RAW))
    assert requests[0].headers["authorization"] == "Token another-secret"
    assert response.quote("bad token another-secret") == "bad token …"
    if own is None:
        with pytest.raises(CredentialsError):
            asyncio.run(client.send(GET, Encoding.RAW))


def test_a_call_does_not_show_its_token() -> None:
    """Calls may be printed, and failures name no token, whoever's it is."""
    call = Call(method="GET", url=f"{HOME}/x", token=NEW)
    assert "another-secret" not in repr(call)
    err = httpx.LocalProtocolError("Illegal header value b'Token another-secret'")
    with pytest.raises(TransientUpstreamError) as caught:
        exchange(httpx.MockTransport(fail(err)), call)
    assert "another-secret" not in str(caught.value)


def test_cookies_are_not_kept() -> None:
    """A session of the server must not outlive the token it was opened with."""
    transport, requests = record(
        lambda _: httpx.Response(200, headers={"set-cookie": "session=1"})
    )
    exchange(transport, GET, GET)
    assert "cookie" not in requests[1].headers


def test_files_are_read_at_the_start(tmp_path: Path) -> None:
    """A mistake in the configuration is found before the first request."""
    network = Network(tls=TlsOptions(ca_file=tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match=r"missing\.pem"):
        OcpiClient(CredentialsToken(SECRET), network=network)


def test_connections_are_reused_and_opened_again() -> None:
    """One connection serves all requests; after closing there is a new one."""
    server = Scripted()
    ports: list[int] = []

    async def run() -> None:
        client = OcpiClient(CredentialsToken(SECRET))
        call = Call(method="GET", url=f"{server.url}/x")
        for _ in range(2):
            await client.send(call, Encoding.RAW)
            await client.send(call, Encoding.RAW)
            await client.close()

    talk = server.talk

    def count_connections(connection: socket.socket) -> None:
        ports.append(connection.getpeername()[1])
        talk(connection)

    server.talk = count_connections  # type: ignore[method-assign]  # a spy
    with serving(server):
        asyncio.run(run())
    assert len(server.heads) == 4
    assert len(ports) == 2
