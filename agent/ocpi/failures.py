"""What goes wrong below HTTP, in words for an operator."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING, Final

import httpx

from agent.ocpi.bodies import BodyError
from agent.ocpi.redaction import redact
from agent.ocpi.tls import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.ocpi.network import Network

#: All that the libraries raise about an exchange that did not come to an end.
FAILURES: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    BodyError,
    UnicodeError,
    OSError,
)

#: The status by which a proxy wants to know who we are, and what that means.
PROXY_REFUSES: Final = 407
WRONG_USER: Final = f"HTTP {PROXY_REFUSES}: wrong or missing user name and password"

_UNKNOWN_NAME: Final = (
    "cannot find the server's address ({}): check its name, DNS and the network"
)
_NO_CONNECTION: Final = {
    errno.ECONNREFUSED: "is the server up, and the port right?",
    errno.EHOSTUNREACH: "check the network",
    errno.ENETUNREACH: "check the network",
    errno.ETIMEDOUT: "is the server up, or a firewall in the way?",
}
_SLOW: Final[dict[type[Exception], str]] = {
    httpx.ConnectTimeout: "no connection in time: " + _NO_CONNECTION[errno.ETIMEDOUT],
    httpx.ReadTimeout: "no answer in time",
}


def explain_failure(
    err: Exception,
    network: Network,
    *,
    private: tuple[str, ...],
    clock_is_synchronized: Callable[[], bool],
) -> str:
    """Say what went wrong, without `private`, and what a reader can do about it."""
    causes = list(_causes(err))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return explain(
                cause, network.tls, clock_is_synchronized=clock_is_synchronized
            )
    if isinstance(err, httpx.ProxyError) and str(err).startswith(str(PROXY_REFUSES)):
        return WRONG_USER
    words = str(err) if isinstance(err, BodyError) else _word(err, causes)
    return redact(words, (*private, *network.secrets()))


def _word(err: Exception, causes: list[BaseException]) -> str:
    if type(err) in _SLOW:
        return _SLOW[type(err)]
    # The system's own word tells more than what the libraries make of it.
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return _UNKNOWN_NAME.format(cause.strerror)
        if isinstance(cause, OSError) and cause.errno in _NO_CONNECTION:
            reason = os.strerror(cause.errno)
            return f"cannot connect: {reason}; {_NO_CONNECTION[cause.errno]}"
    causes.sort(key=lambda one: not (isinstance(one, OSError) and one.errno))
    words = next((str(cause) for cause in causes if str(cause)), "")
    # Some end their sentence, and ours goes on.
    return f"{type(err).__name__} {words}".rstrip(" .")


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    """Go down to the beginning: libraries wrap what they catch."""
    while err is not None:
        yield err
        if isinstance(err, BaseExceptionGroup):
            err = err.exceptions[0]
        else:
            err = err.__cause__ or err.__context__
