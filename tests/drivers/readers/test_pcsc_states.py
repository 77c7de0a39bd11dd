"""State words of pcscd, and the edges between them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.readers.pcsc_states import CHANGED, Edge, edges, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

LOST, EMPTIED, INSERTED = Edge.LOST, Edge.EMPTIED, Edge.INSERTED


@pytest.mark.parametrize(
    ("previous", "state", "expected"),
    [
        # At first sight
        (None, 0x0001_0022, (LOST, INSERTED)),
        (None, 0x0000_0012, (LOST, EMPTIED)),
        (None, 0x0000_0002, ()),
        # In use
        (0x0000_0010, 0x0001_0022, (INSERTED,)),
        (0x0001_0020, 0x0002_0012, (EMPTIED,)),
        (0x0001_0020, 0x0001_0122, ()),
        (0xFFFF_0020, 0x0000_0012, (EMPTIED,)),
        # A swap, and a tap too short to be seen
        (0x0001_0020, 0x0003_0022, (EMPTIED, INSERTED)),
        (0x0002_0010, 0x0004_0012, (INSERTED, EMPTIED)),
        # pcscd shows what happened, and counts it a moment later
        (0x0004_0010, 0x0004_0022, (INSERTED,)),
        (0x0004_0020, 0x0005_0022, (LOST, INSERTED)),
        (0x0005_0020, 0x0005_0012, (EMPTIED,)),
        (0x0005_0010, 0x0006_0012, (LOST, EMPTIED)),
        (0xFFFF_0010, 0x0000_0012, (LOST, EMPTIED)),
        # The reader goes, and comes back counting from the beginning
        (0x0006_0010, 0x0000_000E, (LOST,)),
        (0x0000_000C, 0x0001_0022, (LOST, INSERTED)),
        (0x0005_0020, 0x0001_0022, (LOST, INSERTED)),
        (0x0006_0010, 0x0000_0012, (LOST, EMPTIED)),
    ],
)
def test_edges(previous: int | None, state: int, expected: tuple[Edge, ...]) -> None:
    """Each pair of state words has its edges."""
    assert edges(previous, state) == expected


def words() -> st.SearchStrategy[int]:
    """Build state words: a counter, and any of the bits."""
    return st.builds(
        lambda count, bits: count << 16 | bits,
        st.integers(0, 0xFFFF),
        st.integers(0, 0x7FF),
    )


def history(states: Sequence[int]) -> list[Edge]:
    """Give all edges of a reader's life."""
    before: list[int | None] = [None, *map(settled, states)]
    pairs = zip(before, states, strict=False)
    return [edge for previous, state in pairs for edge in edges(previous, state)]


@given(st.lists(words(), max_size=12))
def test_no_edge_comes_twice(states: list[int]) -> None:
    """No insertion follows another, and no removal, without something between."""
    told = history(states)
    assert all(
        later is LOST or later is not earlier for earlier, later in pairwise(told)
    )


@given(words(), st.integers(0, 0x7FF))
def test_other_bits_are_no_edge(word: int, noise: int) -> None:
    """Use, exclusiveness, muteness and the changed bit tell nothing of the field."""
    assert edges(settled(word), word) in ((), (LOST,))
    seen = word & ~0x3F | 0x20
    assert edges(seen, seen | noise & ~0x3F | CHANGED) == ()
