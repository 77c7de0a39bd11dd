"""PC/SC state words, and the edges between two of them; pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

# Bits of a state word, as in pcsclite.h.
CHANGED: Final = 0x2
UNKNOWN: Final = 0x4
UNAVAILABLE: Final = 0x8
EMPTY: Final = 0x10
PRESENT: Final = 0x20

COUNTER_SHIFT: Final = 16  # The upper half counts insertions and removals
COUNTER_RANGE: Final = 0x10000


class Edge(Enum):
    """What happened at a reader."""

    LOST = "the reader went away, or what was known of it is void"
    EMPTIED = "no card lies in the field"
    INSERTED = "a card came into the field"


def edges(previous: int | None, state: int) -> tuple[Edge, ...]:
    """Tell what happened between two state words; `previous` is None at first sight.

    At first sight the edges are LOST and then what lies there. After that, no
    INSERTED follows another without EMPTIED or LOST between them.
    """
    if not _looked(state):
        return (Edge.LOST,) if state & (UNKNOWN | UNAVAILABLE) else ()
    lies = Edge.INSERTED if state & PRESENT else Edge.EMPTIED
    if previous is None or not _looked(previous):
        return (Edge.LOST, lies)
    passed = (count_of(state) - count_of(previous)) % COUNTER_RANGE
    flipped = bool((previous ^ state) & PRESENT)
    # Only a new reader counts from the beginning.
    counts_anew = passed >= COUNTER_RANGE // 2
    # Cards come and go by turns. But pcscd first shows what happened and then counts
    # it, so who asks in between learns of one tap by two words; read the card again.
    counts_late = not flipped and passed % 2 == 1
    if counts_anew or counts_late:
        return (Edge.LOST, lies)
    if flipped:
        return (lies,)
    if not passed:
        return ()
    # As it was, but not all the time: a swap, or a tap too short to be read.
    between = Edge.EMPTIED if state & PRESENT else Edge.INSERTED
    return (between, lies)


def count_of(state: int) -> int:
    """How many insertions and removals pcscd had counted; it begins again after all."""
    return (state >> COUNTER_SHIFT) % COUNTER_RANGE


def is_later(count: int, than: int) -> bool:
    """Whether more was counted; a reader that is back counts from the beginning."""
    return 0 < (count - than) % COUNTER_RANGE < COUNTER_RANGE // 2


def settled(state: int) -> int:
    """Turn a returned state word into the one to wait on next."""
    return state & ~CHANGED


def _looked(state: int) -> bool:
    """Whether pcscd has a reader here and has looked at its field."""
    return bool(state & (PRESENT | EMPTY)) and not state & (UNKNOWN | UNAVAILABLE)
