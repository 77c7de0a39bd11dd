"""Debouncing: a level counts once it has lasted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.gpio_debounce import Contact


def test_a_level_counts_once_it_has_lasted() -> None:
    """Not a moment before, and then it is told once."""
    contact = Contact(level=False, lasting_s=0.05)
    assert contact.due_at() is None
    assert not contact.feel(10.0, level=True)
    assert contact.due_at() == 10.05
    assert (contact.settle(10.049), contact.level) == (False, False)
    assert (contact.settle(10.05), contact.level) == (True, True)
    assert not contact.settle(20.0)
    assert contact.due_at() is None


def test_bouncing_begins_anew() -> None:
    """Each change starts the time again; what falls back has never been."""
    contact = Contact(level=False, lasting_s=0.05)
    for at, level in ((10.0, True), (10.01, False), (10.02, True), (10.06, False)):
        assert not contact.feel(at, level=level)
    assert contact.due_at() is None
    assert not contact.settle(11.0)
    assert not contact.level


def test_edges_that_are_read_late_count_by_their_own_time() -> None:
    """What had lasted before the next edge came is told when that one is felt."""
    contact = Contact(level=False, lasting_s=0.05)
    assert not contact.feel(10.0, level=True)
    assert contact.feel(10.2, level=False)
    assert contact.level
    assert contact.feel(10.4, level=True)
    assert not contact.level


def test_the_same_level_again_does_not_begin_anew() -> None:
    """Looking at an input is no edge."""
    contact = Contact(level=False, lasting_s=0.05)
    contact.feel(10.0, level=True)
    contact.feel(10.04, level=True)
    assert contact.settle(10.05)


def changes(steps: list[tuple[int, bool]], *, often: bool) -> list[bool]:
    """Feel levels, each some time after the one before; return what came to count."""
    contact = Contact(level=False, lasting_s=50)
    told = []
    now = 0
    for pause, level in [*steps, (100, False), (100, False)]:
        for moment in range(now, now + pause if often else now):
            if contact.settle(moment):
                told.append(contact.level)  # noqa: PERF401 - it changes meanwhile
        now += pause
        before = contact.level
        if contact.feel(now, level=level):
            told.append(not before)
    return told


@given(st.lists(st.tuples(st.integers(1, 100), st.booleans()), max_size=30))
def test_how_often_it_is_looked_at_changes_nothing(
    steps: list[tuple[int, bool]],
) -> None:
    """Looking in between, or only at each edge, tells the same changes in order."""
    assert changes(steps, often=True) == changes(steps, often=False)
