"""Nodes that udev may not have given to anybody yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.fresh_nodes import GIVEN_WITHIN_S, is_fresh

if TYPE_CHECKING:
    from pathlib import Path


def test_a_node_is_fresh_for_a_moment(tmp_path: Path) -> None:
    """From when it was made, or changed hands, by the clock of the file system."""
    node = tmp_path / "event0"
    node.touch()
    made_at = node.stat().st_ctime
    assert is_fresh(node, now=lambda: made_at)
    assert is_fresh(node, now=lambda: made_at + GIVEN_WITHIN_S - 0.01)
    assert not is_fresh(node, now=lambda: made_at + GIVEN_WITHIN_S)


def test_a_clock_that_was_set_back_makes_nothing_fresh(tmp_path: Path) -> None:
    """Otherwise a refusal would be taken for passing until that time comes again."""
    node = tmp_path / "event0"
    node.touch()
    assert not is_fresh(node, now=lambda: node.stat().st_ctime - 1)


def test_what_is_not_there_is_not_fresh(tmp_path: Path) -> None:
    """Nor is what cannot be looked at."""
    assert not is_fresh(tmp_path / "event0")
