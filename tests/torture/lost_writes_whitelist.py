"""The whitelist at work on a disk that forgets: what it does, and what must be left."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from agent.domain.uid import Uid
from agent.store.keys import CardKeys, load_key
from agent.store.whitelist import Whitelist
from tests.fakes.cards import token_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from agent.domain.tokens import Token

_LISTS: Final = (1, 2, 3)
_CARDS: Final = 24
_PAGE: Final = 10


class Sync(Enum):
    """How far a synchronisation has come."""

    BEGUN = "begun"
    IN_FORCE = "in force"


@dataclass(frozen=True, slots=True)
class ListFact:
    """Something was told of a list."""

    sync: Sync
    number: int


def keep_whitelist(directory: Path, tell: Callable[[ListFact], None]) -> None:
    """Put one list after the other in force, with a little change after each."""
    with closing(_open(directory, "boot-1")) as whitelist:
        for number in _LISTS:
            tell(ListFact(Sync.BEGUN, number))
            staging = whitelist.stage("cpo")
            tokens = _tokens(number)
            for first in range(0, len(tokens), _PAGE):
                page = tokens[first : first + _PAGE]
                is_last = first + _PAGE >= len(tokens)
                position = None if is_last else str(first + _PAGE)
                staging.append(page, position, listed=len(page))
            whitelist.swap("cpo")
            tell(ListFact(Sync.IN_FORCE, number))
            whitelist.upsert([tokens[0]])
            whitelist.finish_incremental("cpo", datetime(2026, 3, number, tzinfo=UTC))


def check_whitelist(directory: Path, told: Sequence[ListFact]) -> Iterator[str]:
    """Open it after a reboot: one list is there, whole; not an older one than told."""
    with closing(_open(directory, "boot-2")) as whitelist:
        found = {
            number: sum(
                any(token.contract_id == card.contract_id for token in tokens)
                for card in _tokens(number)
                if (tokens := whitelist.find(Uid(card.uid)))
            )
            for number in _LISTS
        }
        count = whitelist.count()
        whitelist.verify()
        is_noticed = whitelist.sync_state("cpo").swept_at is None
    if list(directory.glob("*.damaged-*")):
        yield "a list was damaged"
    in_force = [fact.number for fact in told if fact.sync is Sync.IN_FORCE]
    begun = [fact.number for fact in told if fact.sync is Sync.BEGUN]
    possible = [*in_force[-1:], *(number for number in begun if number not in in_force)]
    if count == 0:
        if in_force:
            fetched = "and will be fetched again" if is_noticed else "for good"
            yield f"no list is in force {fetched}"
    elif not any(
        found == {n: _CARDS * (n == number) for n in _LISTS} for number in possible
    ):
        yield f"of lists {possible}, one was to be there, whole: {found}"
    elif count != _CARDS:
        yield f"{count} rows instead of {_CARDS}"


def _open(directory: Path, boot_id: str) -> Whitelist:
    return Whitelist(directory, CardKeys(load_key(directory, None)), boot_id, ("cpo",))


def _tokens(number: int) -> list[Token]:
    """Every list has cards of its own."""
    return [
        replace(
            token_of("A"),
            upstream="cpo",
            uid=f"04{number:02X}{card:010X}",
            contract_id=f"NL-TNM-{number}-{card}",
        )
        for card in range(_CARDS)
    ]
