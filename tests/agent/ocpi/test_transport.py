"""One HTTP exchange, with servers that do everything but answer."""

from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.errors import TransientUpstreamError
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.station import Party
from agent.ocpi.transport import Call, OcpiClient, Response, Routing, new_uuid
from tests.agent.ocpi.peer import BASE64_HEADER, HOME, RAW_HEADER, SECRET, Silence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("location", ["/tokens/", f"{HOME}:443/tokens/"])
def test_redirect_on_the_same_server(status: int, location: str) -> None:
    """Method, body and token survive a missing slash."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/"):
            return httpx.Response(200, content=request.content)
        return httpx.Response(status, headers={"location": location})

    transport, requests = record(handler)
    (response,) = exchange(transport, AUTHORIZE)
    assert response.body == b"{}"
    assert [request.method for request in requests] == ["POST", "POST"]
    assert requests[1].headers["authorization"] == BASE64_HEADER
    assert response.url == f"{HOME}/tokens/"


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/tokens/",
        "http://emsp.example/tokens/",
        "https://emsp.example:8443/",
        "//evil.example/",
        "https://[",
    ],
)
def test_redirect_elsewhere(location: str) -> None:
    """Nobody else is given the token, and the operator reads where it was to go."""
    transport, requests = record(
        lambda _: httpx.Response(307, headers={"location": location})
    )
    with pytest.raises(TransientUpstreamError, match="redirected to"):
        exchange(transport, GET)
    assert len(requests) == 1


def test_redirect_circle() -> None:
    """Redirects end."""
    transport, requests = record(
        lambda _: httpx.Response(307, headers={"location": "/again"})
    )
    with pytest.raises(TransientUpstreamError, match="more than 3 times"):
        exchange(transport, GET)
    assert len(requests) == 4


def test_other_redirects_are_answers() -> None:
    """A redirect that would turn a POST into a GET is left to the caller."""
    transport, requests = record(
        lambda _: httpx.Response(302, headers={"location": "/login"})
    )
    (response,) = exchange(transport, GET)
    assert response.status == 302
    assert len(requests) == 1


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
        with pytest.raises(TransientUpstreamError, match="at most 1024 bytes"):
            exchange(transport, GET)


@pytest.mark.parametrize(
    "err",
    [
        httpx.ConnectError("[Errno -3] Temporary failure in name resolution"),
        httpx.ReadError(""),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.LocalProtocolError(f"Illegal header value b'Token {SECRET}'"),
        httpx.DecodingError("Error -3 while decompressing data"),
        OSError(113, f"No route to {UID}"),
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


@pytest.mark.parametrize(
    ("complaint", "advice"),
    [
        ("certificate is not yet valid", "check the clock"),
        ("certificate has expired", "the backend must renew it"),
        ("self-signed certificate", "certificate authorities"),
    ],
)
def test_certificates(complaint: str, advice: str) -> None:
    """A refused certificate comes with what to do about it."""
    refused = ssl.SSLCertVerificationError(1, "verify failed")
    refused.verify_message = complaint
    err = httpx.ConnectError("verify failed")
    err.__cause__ = OSError()
    err.__cause__.__context__ = refused
    with pytest.raises(TransientUpstreamError, match=complaint) as caught:
        exchange(httpx.MockTransport(fail(err)), GET)
    assert advice in str(caught.value)


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
