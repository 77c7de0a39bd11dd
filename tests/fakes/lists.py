"""Whitelists in a folder, and what is in their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agent.store.keys import CardKeys
from agent.store.whitelist import Whitelist
from tests.fakes.cards import token_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from agent.domain.tokens import Token
    from agent.store.staging import Staging

KEYS = CardKeys(bytes(range(32)))


def open_list(
    folder: Path, upstreams: Sequence[str] = ("cpo", "hub"), boot_id: str = "boot-1"
) -> Whitelist:
    """Open the whitelist kept in this folder."""
    return Whitelist(folder, KEYS, boot_id, upstreams)


def token(card: str, upstream: str = "cpo", **fields: Any) -> Token:  # noqa: ANN401 - fields of Token
    """List a card at an upstream."""
    return replace(token_of(card), upstream=upstream, **fields)


def listed(whitelist: Whitelist, cards: Iterable[str]) -> str:
    """Say which of the cards, given by their letters, are in the list."""
    return "".join(card for card in cards if whitelist.find(uid_of(card)))


def add_page(
    staging: Staging,
    cards: str | Sequence[Token],
    position: str | None = None,
    **page: Any,  # noqa: ANN401 - what the server said of the page
) -> None:
    """Append a page to a staged list; `position` is where the next one begins."""
    tokens = (
        [token(card, staging.upstream) for card in cards]
        if isinstance(cards, str)
        else cards
    )
    staging.append(tokens, position, **{"listed": len(tokens)} | page)


def put_in_force(whitelist: Whitelist, tokens: Sequence[Token]) -> None:
    """Do a full synchronisation of the upstream of these tokens."""
    upstream = tokens[0].upstream
    add_page(whitelist.stage(upstream), tokens)
    whitelist.swap(upstream)


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file of the whitelist, journals included, links left out."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name.startswith("whitelist") and not path.is_symlink()
    }
