"""Who is calling: the credentials token, and how often it may."""

from __future__ import annotations

from base64 import b64decode
from math import ceil
from typing import TYPE_CHECKING, Final

from agent.ocpi.server.allowance import Allowance
from agent.ocpi.server.answers import CLIENT_ERROR, RequestError
from agent.ocpi.server.ports import Access

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from agent.clock import Clock
    from agent.ocpi.server.ports import Peer

_SCHEME: Final = "token"
#: Base64 of the longest token that OCPI allows, and room for a newline.
_MAX_CHARS: Final = 128


class Doorkeeper:
    """Tells the peers apart, and from strangers, who share one small allowance."""

    def __init__(
        self,
        peers: Sequence[Peer],
        clock: Clock,
        *,
        per_minute: int,
        strangers_per_minute: int,
    ) -> None:
        self._peers = peers
        self._allowances = {peer.name: Allowance(per_minute, clock) for peer in peers}
        self._strangers = Allowance(strangers_per_minute, clock)

    def admit(self, authorization: Sequence[str]) -> tuple[Peer, Access]:
        """Recognise a caller by its Authorization headers; raise RequestError.

        Strangers are counted only after nobody was recognised, so that they can lock
        nobody out.
        """
        known = self._recognize(authorization)
        if known is None:
            _charge(self._strangers)
            raise RequestError(
                CLIENT_ERROR,
                "unknown or missing credentials token",
                http_status=401,
                headers={"WWW-Authenticate": "Token"},
            )
        peer, _ = known
        _charge(self._allowances[peer.name])
        return known

    def _recognize(self, authorization: Sequence[str]) -> tuple[Peer, Access] | None:
        # Every spelling is compared with every peer: time tells nobody anything.
        candidates = list(read_tokens(authorization))
        found = [
            (peer, access)
            for peer in self._peers
            for candidate in candidates
            if (access := peer.recognize(candidate)) is not None
        ]
        full = (known for known in found if known[1] is Access.FULL)
        return next(full, found[0] if found else None)


def read_tokens(authorization: Sequence[str]) -> Iterator[str]:
    """Give the tokens that one header may mean: as it is, and out of Base64.

    The OCPI versions disagree, and many senders with their version.
    """
    if len(authorization) != 1:
        return
    scheme, _, value = authorization[0].strip().partition(" ")
    value = value.strip()
    if scheme.lower() != _SCHEME or len(value) > _MAX_CHARS:
        return
    for candidate in (value, _decode(value)):
        if candidate and all("!" <= char <= "~" for char in candidate):
            yield candidate


def _decode(value: str) -> str:
    """Undo Base64; a newline that was encoded with the token does not count."""
    try:
        return b64decode(value, validate=True).decode("ascii").strip()
    except ValueError:
        return ""


def _charge(allowance: Allowance) -> None:
    wait: timedelta | None = allowance.take()
    if wait is not None:
        seconds = max(1, ceil(wait.total_seconds()))
        raise RequestError(
            CLIENT_ERROR,
            "too many requests",
            http_status=429,
            headers={"Retry-After": str(seconds)},
        )
