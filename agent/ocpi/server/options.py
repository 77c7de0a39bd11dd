"""How the server is configured, and what it puts up with."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - msgspec reads it

from msgspec import Struct

KIB = 1024


class ServerOptions(Struct, frozen=True, kw_only=True):
    """[server] of the configuration.

    `public_url` is what backends are told; a proxy passes its path on unchanged.
    """

    public_url: str
    listen: str = "127.0.0.1:8090"
    certificate: Path | None = None
    key: Path | None = None
    max_body_kib: int = 64
    max_requests_per_minute: int = 600


class Limits(Struct, frozen=True, kw_only=True):
    """What no configuration changes; shorter in tests. Times are in seconds.

    `head` is for a TLS handshake, a request's head and silence between requests,
    `body` for the body, `unread` for the rest of a body that is already refused,
    `sent` for an answer to get through, `grace` for requests under way at the end.
    """

    connections: int = 32
    strangers_per_minute: int = 30
    head_bytes: int = 16 * KIB
    unread_bytes: int = 1024 * KIB
    head: float = 10.0
    body: float = 10.0
    unread: float = 1.0
    sent: float = 60.0
    grace: float = 2.0
