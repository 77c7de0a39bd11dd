"""Whitelists of any size, built the way a synchronisation builds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.ocpi import v221
from agent.ocpi.station import Source
from agent.store.keys import CardKeys, load_key
from agent.store.whitelist import Whitelist
from tests.pages_server import token

if TYPE_CHECKING:
    from pathlib import Path

    from agent.domain.tokens import Token

import msgspec

UPSTREAM = "cpo"
_PAGE = 10_000


def domain_tokens(start: int, stop: int) -> list[Token]:
    """The tokens of the sample list from `start` to `stop`."""
    page = msgspec.json.encode([token(number) for number in range(start, stop)])
    tokens, problems = v221.decode_tokens(msgspec.Raw(page), Source(UPSTREAM))
    if problems:
        raise ValueError(problems[0])
    return tokens


def open_whitelist(directory: Path) -> Whitelist:
    """Open the list in a directory, with a key of its own."""
    return Whitelist(directory, CardKeys(load_key(directory, None)), "boot", [UPSTREAM])


def build_whitelist(directory: Path, size: int) -> Whitelist:
    """Make a list of this many tokens."""
    whitelist = open_whitelist(directory)
    staging = whitelist.stage(UPSTREAM)
    for start in range(0, size, _PAGE):
        tokens = domain_tokens(start, min(start + _PAGE, size))
        staging.append(tokens, f"{start}", listed=len(tokens))
    whitelist.swap(UPSTREAM)
    return whitelist
