"""Redirects between real servers: who is asked what, and who is never asked."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trustme

from agent.errors import TransientUpstreamError
from agent.ocpi.network import Network
from agent.ocpi.tls import TlsOptions
from tests.agent.ocpi.servers import (
    LOCALHOST,
    TOKEN,
    Scripted,
    fetch,
    http,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REDIRECTS = ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"]
RAW = f"Token {TOKEN.spellings()[1]}".encode()
LOGIN = "/accounts/login/"


def path_of(head: bytes) -> str:
    """Read what is asked for."""
    return head.split()[1].decode()


def redirect(status: str, location: str) -> bytes:
    """Send the client elsewhere."""
    return http(b"moved", status, (f"Location: {location}",))


def answer_at(
    path: str, status: str, location: str, final: bytes
) -> Callable[[bytes], bytes]:
    """Redirect all paths but one."""
    return lambda head: final if path_of(head) == path else redirect(status, location)


@pytest.fixture
def bystander() -> Iterator[socket.socket]:
    """Another server, which must not even be connected to."""
    with closing(socket.create_server((LOCALHOST, 0))) as server:
        yield server
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("form", ["/tokens/?type=RFID", "{home}/tokens/?type=RFID"])
def test_on_the_same_server(status: str, form: str) -> None:
    """Method, body, token and ids survive a missing slash."""
    server = Scripted()
    server.answer = lambda head: (
        http(b"[]")
        if path_of(head) == "/tokens/?type=RFID"
        else redirect(status, form.format(home=server.url))
    )
    with serving(server):
        response = fetch(f"{server.url}/tokens?type=RFID", b"{}")
    assert (response.status, response.body) == (200, b"[]")
    assert response.url == f"{server.url}/tokens/?type=RFID"
    first, second = server.heads
    assert first.splitlines()[1:] == second.splitlines()[1:]
    for head in (first, second):
        assert head.startswith(b"POST ")
        assert RAW in head
        assert b"content-length: 2\r\n" in head.lower()


@pytest.mark.parametrize("status", REDIRECTS)
def test_to_another_port(status: str, bystander: socket.socket) -> None:
    """Another server never hears of us, and the operator reads where it was to go."""
    port = bystander.getsockname()[1]
    server = Scripted(lambda _: redirect(status, f"http://{LOCALHOST}:{port}/x?key=1"))
    with serving(server), pytest.raises(TransientUpstreamError) as caught:
        fetch(f"{server.url}/x", b"{}")
    assert f"redirected to http://{LOCALHOST}:{port}, another" in str(caught.value)
    assert "key" not in str(caught.value)
    assert len(server.heads) == 1


@pytest.mark.parametrize("form", ["http://localhost:{0}/", "//127.0.0.2:{0}/"])
def test_to_another_name(form: str) -> None:
    """Another name for the same machine is another server: only names are checked."""
    server = Scripted()
    server.answer = lambda _: redirect("307 T", form.format(server.port))
    with serving(server), pytest.raises(TransientUpstreamError, match="another server"):
        fetch(f"{server.url}/x")
    assert len(server.heads) == 1


def test_from_tls_to_plain_http(bystander: socket.socket, tmp_path: Path) -> None:
    """The token is not sent in the clear because a server wants it."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(LOCALHOST).configure_cert(context)
    port = bystander.getsockname()[1]
    server = Scripted(lambda _: redirect("301 M", f"http://{LOCALHOST}:{port}/x"))
    server.tls = context
    network = Network(tls=TlsOptions(ca_file=tmp_path / "ca.pem"))
    with serving(server), pytest.raises(TransientUpstreamError, match="another server"):
        fetch(f"{server.url}/x", network=network)


def test_the_second_hop_is_checked_as_well(bystander: socket.socket) -> None:
    """A harmless redirect does not open the door for another one."""
    port = bystander.getsockname()[1]
    elsewhere = redirect("307 T", f"http://{LOCALHOST}:{port}/")
    server = Scripted(answer_at("/x/", "307 T", "/x/", elsewhere))
    with serving(server), pytest.raises(TransientUpstreamError, match="another server"):
        fetch(f"{server.url}/x")
    assert len(server.heads) == 2


def test_a_user_in_the_location_replaces_no_token() -> None:
    """A Location may not turn our Authorization header into another one."""
    server = Scripted()
    server.answer = lambda head: (
        http()
        if path_of(head) == "/x/"
        else redirect("307 T", f"http://me:pw@{LOCALHOST}:{server.port}/x/")
    )
    with serving(server):
        assert fetch(f"{server.url}/x").status == 200
    assert all(RAW in head for head in server.heads)
    assert not any(b"Basic" in head for head in server.heads)


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_circle(status: str) -> None:
    """Redirects end."""
    server = Scripted(lambda _: redirect(status, "/again"))
    with serving(server), pytest.raises(TransientUpstreamError, match="more than 3"):
        fetch(f"{server.url}/x")
    assert len(server.heads) == 4


@pytest.mark.parametrize(
    "location",
    ["", "http://[", "javascript:alert(1)", "http://xn--a\x80/", "http://x:0/"],
)
def test_nowhere(location: str) -> None:
    """A Location that cannot be followed is no answer."""
    server = Scripted(lambda _: redirect("307 T", location))
    with serving(server), pytest.raises(TransientUpstreamError, match="redirected to"):
        fetch(f"{server.url}/x")
    assert len(server.heads) == 1


def test_see_other_is_an_answer() -> None:
    """303 asks for another method, so it is left to the caller."""
    server = Scripted(lambda _: redirect("303 See Other", "/login"))
    with serving(server):
        assert fetch(f"{server.url}/x").status == 303


@pytest.mark.parametrize("status", ["301 Moved", "302 Found"])
@pytest.mark.parametrize(
    ("final", "kind"),
    [
        ("404 Not Found", "application/json"),
        ("403 Forbidden", "text/html; charset=utf-8"),
        ("405 Method Not Allowed", "text/html"),
    ],
)
def test_a_page_to_log_in(status: str, final: str, kind: str) -> None:
    """A page for people that has never heard of the card is no answer about it."""
    page = http(b"{}", final, (f"Content-Type: {kind}",))
    server = Scripted(answer_at(LOGIN, status, LOGIN, page))
    with serving(server), pytest.raises(TransientUpstreamError) as caught:
        fetch(f"{server.url}/x", b"{}")
    assert f"answered HTTP {final[:3]}; is it a page to log in?" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "target", "final"),
    [
        ("301 Moved", "/x/", "404 Not Found"),
        ("308 Permanent", "/new/x", "404 Not Found"),
        ("301 Moved", "/new/x", "401 Unauthorized"),
        ("301 Moved", "/new/x", "200 OK"),
    ],
)
def test_an_api_that_moved(status: str, target: str, final: str) -> None:
    """What an API answers at its new place counts, errors included."""
    answer = http(b"{}", final, ("Content-Type: application/json",))
    server = Scripted(answer_at(target, status, target, answer))
    with serving(server):
        assert fetch(f"{server.url}/x", b"{}").status == int(final[:3])
