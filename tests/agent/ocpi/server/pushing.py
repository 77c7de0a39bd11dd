"""Tokens as backends push them, and whitelists that know one already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.ocpi.station import Party, Source
from agent.ocpi.wire import SUPPORTED
from tests.agent.ocpi.examples import old_token_json, raw, token_json
from tests.agent.ocpi.server.hosting import VERSIONS, Host, MemoryBook

if TYPE_CHECKING:
    from agent.domain.tokens import Token

UID = "04a1b2c3d4e5f6"
SOURCE = Source("emsp", Party("NL", "TNM"))
NEW_VERSIONS = [version for version in VERSIONS if version != "2.1.1"]
OLDER, SAME, NEWER = (
    "2026-01-01T00:00:00Z",
    "2026-01-02T03:04:05Z",
    "2026-02-01T00:00:00Z",
)


def pushed(version: str, **changes: object) -> dict[str, object]:
    """Write a Token as a backend of this version does."""
    return old_token_json(**changes) if version == "2.1.1" else token_json(**changes)


def path(version: str, uid: str = UID, party: str = "NL/TNM") -> str:
    """Say where a token is."""
    return f"/{version}/tokens/{party}/{uid}"


def book_of(version: str = "2.2.1", **changes: object) -> MemoryBook:
    """Know one token already."""
    book = MemoryBook()
    book.learn(SUPPORTED[version].decode_token(raw(pushed(version, **changes)), SOURCE))
    book.learned.clear()
    return book


def only(host: Host) -> Token:
    """Take the one token that has been learned."""
    [token] = host.book.learned
    return token
