"""The way to a backend, through a real proxy."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trustme
from rich.pretty import pretty_repr

from agent.errors import ConfigError, TransientUpstreamError
from agent.ocpi.authorization import Encoding
from agent.ocpi.network import Network, Proxy
from agent.ocpi.tls import TlsOptions
from agent.ocpi.transport import Call, OcpiClient
from tests.agent.ocpi.servers import (
    LOCALHOST,
    TOKEN,
    ConnectProxy,
    Scripted,
    fetch,
    serving,
)
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path

USER, PASSWORD = "station", "open-sesame"
TOKENS = tuple(spelling.encode() for spelling in TOKEN.spellings())


@pytest.fixture
def backend(tmp_path: Path) -> tuple[Scripted, TlsOptions]:
    """Serve TLS, and know the authority."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(LOCALHOST).configure_cert(context)
    return Scripted(tls=context), TlsOptions(ca_file=tmp_path / "ca.pem")


def test_a_tunnel(backend: tuple[Scripted, TlsOptions]) -> None:
    """The backend is reached through the proxy, which sees neither token nor path."""
    server, tls = backend
    proxy = ConnectProxy(user=f"{USER}:{PASSWORD}")
    with serving(server, proxy):
        network = Network(tls=tls, proxy=Proxy(proxy.url, USER, PASSWORD))
        assert fetch(f"{server.url}/secret", network=network).status == 200
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {LOCALHOST}:{server.port} ".encode())
    assert b"secret" not in head
    assert not any(token in head for token in TOKENS)
    (head,) = server.heads
    assert b"proxy-authorization" not in head.lower()


def test_plain_http_through_a_proxy() -> None:
    """A backend without TLS, in a laboratory, is asked for by the proxy."""
    proxy = ConnectProxy()
    with serving(proxy):
        network = Network(proxy=Proxy(proxy.url))
        assert fetch("http://emsp.example/x", network=network).status == 200
    assert proxy.heads[0].startswith(b"GET http://emsp.example/x ")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("password", ["", "guess"])
def test_the_proxy_does_not_know_us(scheme: str, password: str) -> None:
    """It is the proxy that is named, not the backend, and no password."""
    proxy = ConnectProxy(user=f"{USER}:{PASSWORD}")
    user = USER if password else ""
    with serving(proxy), pytest.raises(TransientUpstreamError) as caught:
        fetch(
            f"{scheme}://emsp.example/x",
            network=Network(proxy=Proxy(proxy.url, user, password)),
        )
    message = str(caught.value)
    assert message.endswith(f" (through the proxy {proxy.url})")
    assert "407" in message
    assert not password or password not in message


def test_the_proxy_is_away(backend: tuple[Scripted, TlsOptions]) -> None:
    """A refused connection names the proxy; the backend is not tried without it."""
    server, tls = backend
    proxy = ConnectProxy()
    with serving(proxy):
        gone = proxy.url
    with serving(server), pytest.raises(TransientUpstreamError) as caught:
        fetch(f"{server.url}/x", network=Network(tls=tls, proxy=Proxy(gone)))
    assert "Connection refused; is the server up" in str(caught.value)
    assert f"(through the proxy {gone})" in str(caught.value)
    assert server.heads == []


def test_the_proxy_is_silent() -> None:
    """A proxy that takes the connection and says nothing is named as well."""

    async def main(port: int) -> None:
        proxy = Proxy(f"http://{LOCALHOST}:{port}")
        client = OcpiClient(TOKEN, network=Network(proxy=proxy))
        try:
            call = Call(method="GET", url="https://emsp.example/x")
            await client.send(call, Encoding.RAW)
        finally:
            await client.close()

    with closing(socket.create_server((LOCALHOST, 0))) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(TransientUpstreamError) as caught:
            run_virtual(main(port))
    assert str(caught.value) == (
        "GET /x: no complete answer within 30 s "
        f"(through the proxy http://{LOCALHOST}:{port})"
    )


def test_the_backend_is_away(backend: tuple[Scripted, TlsOptions]) -> None:
    """A tunnel that leads nowhere is no answer."""
    server, tls = backend
    proxy = ConnectProxy()
    with serving(server):
        gone = server.url
    with serving(proxy), pytest.raises(TransientUpstreamError, match="the proxy"):
        fetch(f"{gone}/x", network=Network(tls=tls, proxy=Proxy(proxy.url)))


def test_a_proxy_in_between_is_noticed(backend: tuple[Scripted, TlsOptions]) -> None:
    """What the tunnel ends at is checked like any server."""
    server, _ = backend
    proxy = ConnectProxy()
    with serving(server, proxy), pytest.raises(TransientUpstreamError) as caught:
        fetch(f"{server.url}/x", network=Network(proxy=Proxy(proxy.url)))
    assert "set ca_file" in str(caught.value)
    assert server.heads == []


def test_a_proxy_that_speaks_tls(backend: tuple[Scripted, TlsOptions]) -> None:
    """The same authorities are trusted for the proxy, and no others."""
    server, tls = backend
    with serving(server):
        proxy = Proxy(server.url)
        network = Network(tls=tls, proxy=proxy)
        assert fetch("http://emsp.example/x", network=network).status == 200
        with pytest.raises(TransientUpstreamError, match="set ca_file"):
            fetch("http://emsp.example/x", network=Network(proxy=proxy))


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_the_environment_is_not_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the configuration names a proxy."""
    server, proxy = Scripted(), ConnectProxy()
    with serving(server, proxy):
        monkeypatch.setenv(name, proxy.url)
        assert fetch(f"{server.url}/x").status == 200
    assert proxy.heads == []


def test_nothing_shows_the_password() -> None:
    """Proxies and what holds them may be printed."""
    network = Network(proxy=Proxy("http://proxy.example:3128", USER, PASSWORD))
    for text in (repr(network), str(network.proxy), pretty_repr(network)):
        assert "proxy.example" in text
        assert PASSWORD not in text
        assert USER not in text


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "socks5://proxy.example",
        "",
        f"http://{USER}:{PASSWORD}@proxy.example",
    ],
)
def test_urls_that_cannot_be_used(url: str) -> None:
    """The message says what is expected without repeating what may be a password."""
    with pytest.raises(ConfigError, match="proxy: url: expected") as caught:
        Proxy(url)
    assert PASSWORD not in str(caught.value)
