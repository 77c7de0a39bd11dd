"""What failures below HTTP are called."""

from __future__ import annotations

import errno
import socket
import ssl
from itertools import pairwise

import httpx
import pytest

from agent.ocpi.bodies import BodyError
from agent.ocpi.failures import explain_failure
from agent.ocpi.network import DIRECT, Network, Proxy

UID = "04A1B2C3D4E5F6"


def explain(err: Exception, network: Network = DIRECT) -> str:
    """Explain to an operator whose card is private."""
    return explain_failure(
        err, network, private=(UID,), clock_is_synchronized=lambda: True
    )


def chain(*causes: BaseException) -> Exception:
    """Wrap the last in the one before, and so on."""
    for outer, inner in pairwise(causes):
        outer.__cause__ = inner
    first = causes[0]
    assert isinstance(first, Exception)
    return first


NAMELESS = (
    "cannot find the server's address (Name not known): "
    "check its name, DNS and the network"
)
REFUSED = ConnectionRefusedError(111, "Connect call failed")


@pytest.mark.parametrize(
    ("err", "words"),
    [
        (httpx.ReadError(""), "ReadError"),
        (httpx.ConnectError("all failed"), "ConnectError all failed"),
        (
            chain(httpx.ConnectError("all failed"), OSError("x"), REFUSED),
            "cannot connect: Connection refused; is the server up, and the port right?",
        ),
        (
            chain(httpx.ConnectError("all failed"), ExceptionGroup("2", [REFUSED] * 2)),
            "cannot connect: Connection refused; is the server up, and the port right?",
        ),
        (
            chain(httpx.ConnectError("x"), OSError(errno.ENETUNREACH, "y")),
            "cannot connect: Network is unreachable; check the network",
        ),
        (
            chain(httpx.ConnectError("x"), socket.gaierror(-2, "Name not known")),
            NAMELESS,
        ),
        (
            httpx.ConnectTimeout(""),
            "no connection in time: is the server up, or a firewall in the way?",
        ),
        (httpx.ReadTimeout(""), "no answer in time"),
        (
            chain(httpx.WriteError("x"), BrokenPipeError(32, "Broken pipe")),
            "WriteError [Errno 32] Broken pipe",
        ),
        (chain(httpx.ReadError(""), OSError(f"no {UID}")), "ReadError no …"),
        (BodyError(f"got {UID.lower()}"), "got …"),
        (chain(BodyError("expected gzip"), ValueError("-3")), "expected gzip"),
        (httpx.ProxyError("403 Forbidden"), "ProxyError 403 Forbidden"),
        (
            httpx.ProxyError("407 Authentication Required"),
            "HTTP 407: wrong or missing user name and password",
        ),
        (
            chain(httpx.ConnectError("x"), ssl.SSLError(1, "[SSL] strange")),
            "TLS failed: [SSL] strange",
        ),
        (
            chain(httpx.ConnectError("x"), ssl.SSLCertVerificationError(1, "x")),
            "the server's certificate was not accepted (x); its owner must replace it",
        ),
    ],
)
def test_words(err: Exception, words: str) -> None:
    """The cause is named by where it began, without card numbers."""
    assert explain(err) == words


def test_a_proxy_that_repeats_its_password() -> None:
    """The proxy's secrets are no better known to readers than the backend's."""
    network = Network(proxy=Proxy("http://proxy.example", "me", "open-sesame"))
    for said in ("open-sesame", "bWU6b3Blbi1zZXNhbWU="):
        assert explain(httpx.ProxyError(f"403 bad {said}"), network) == (
            "ProxyError 403 bad …"
        )
