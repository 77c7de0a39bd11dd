"""Two files that say the same: whatever their order, and nothing less."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from agent.domain.tokens import TokenType, WhitelistType
from agent.store.comparison import are_alike
from agent.store.token_rows import TokenCodec
from agent.store.token_schema import INSERT, migrations
from tests.fakes.cards import token_of
from tests.fakes.lists import KEYS, token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from agent.domain.tokens import Token


def alike(one: Sequence[Token], other: Sequence[Token], upstream: str = "cpo") -> bool:
    """Write two files, in the orders given, and compare them."""
    with ExitStack() as stack:
        files = []
        for tokens in (one, other):
            connection = sqlite3.connect(":memory:", isolation_level=None)
            files.append(stack.enter_context(closing(connection)))
            migrations.apply(Database(connection))
            codec = TokenCodec(connection, KEYS)
            connection.executemany(INSERT, codec.rows(tokens))
        return are_alike(files[0], files[1], upstream)


LISTS = st.lists(
    st.builds(
        token,
        st.sampled_from("AB"),
        upstream=st.sampled_from(["cpo", "hub"]),
        issuer=st.sampled_from(["One", "Two"]),
        valid=st.booleans(),
    ),
    max_size=4,
)


@given(LISTS, st.randoms(use_true_random=False), LISTS)
def test_alike_are_those_with_the_same_tokens(
    tokens: list[Token], chance: Random, others: list[Token]
) -> None:
    """Order and numbering do not count; each token of the upstream does, twice too."""
    shuffled = list(tokens)
    chance.shuffle(shuffled)
    ours, theirs = (
        Counter(repr_of(item) for item in items if item.upstream == "cpo")
        for items in (tokens, others)
    )

    assert alike(tokens, shuffled)
    assert alike(tokens, others) is (ours == theirs)


def repr_of(item: Token) -> tuple[str, str, bool]:
    """Say what tells the drawn tokens apart."""
    return item.uid, item.issuer, item.valid


A = token("A", visual_number="1", group_id="G", language="sv")


@pytest.mark.parametrize(
    "change",
    [
        {"country_code": "NL"},
        {"party_id": "TNM"},
        {"uid": token_of("A").uid.upper()},
        {"uid": f"{token_of('A').uid[:2]}:{token_of('A').uid[2:]}"},
        {"uid": token_of("B").uid},
        {"type": TokenType.OTHER},
        {"contract_id": "C"},
        {"issuer": "Somebody else"},
        {"valid": False},
        {"whitelist": WhitelistType.NEVER},
        {"last_updated": A.last_updated + timedelta(milliseconds=1)},
        {"visual_number": None},
        {"visual_number": ""},
        {"group_id": "H"},
        {"language": None},
    ],
    ids=repr,
)
def test_every_field_counts(change: dict[str, Any]) -> None:
    """A list that differs in one word of one token is another list."""
    changed = token(
        "A", **{"visual_number": "1", "group_id": "G", "language": "sv"} | change
    )

    assert alike([A], [A])
    assert not alike([A, token("Z")], [changed, token("Z")])


def test_a_token_that_came_twice_does_not_stand_for_one_that_is_gone() -> None:
    """As many rows are not the same rows."""
    assert not alike([A, token("B")], [A, A])
    assert not alike([A, A], [A])
