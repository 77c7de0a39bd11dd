"""Killed at every durable step and every act of a start, a charge and a stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.torture.crowd import SCALE, for_each
from tests.torture.matrix import kill_in, list_passages
from tests.torture.orders import Passage
from tests.torture.story import STORIES, Story

if TYPE_CHECKING:
    from tests.torture.bench import Bench

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300 * SCALE)]

#: What every story passes; a story that does not is none.
LANDMARKS: Final = {
    "before charger enable",
    "after charger enable",
    "before charger disable",
    "after charger disable",
    "before deliver ACTIVE",
    "after the server processed PUT",
    "before COMMIT in journal.db (start)",
    "after COMMIT in journal.db (start)",
    "before COMMIT in journal.db (stop)",
    "after COMMIT in journal.db (stop)",
    "before COMMIT in journal.db (end)",
    "after COMMIT in journal.db (end)",
    "before COMMIT in journal.db (delivered ACTIVE)",
    "after COMMIT in journal.db (delivered ACTIVE)",
    "before COMMIT in journal.db (delivered COMPLETED)",
    "after COMMIT in journal.db (delivered COMPLETED)",
}
#: After a kill in one of these, the next daemon has something to put right.
AWKWARD: Final = (
    "after COMMIT in journal.db (start)",
    "after COMMIT in journal.db (stop)",
    "after charger disable",
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_killed_at_any_point_the_charge_is_told_once_and_exactly(
    benches: list[Bench], story: Story
) -> None:
    """Whatever the daemon is about, its successor brings the story to the same end."""
    told = list_passages(benches[0], story)
    assert {passage.point for passage in told.rest} >= LANDMARKS
    for_each(
        benches,
        story.name,
        [one for part in story.parts for one in getattr(told, part)] * SCALE,
        lambda bench, passage: kill_in(bench, story, passage),
    )


@pytest.mark.parametrize(
    ("point", "leaves"),
    [*((point, False) for point in AWKWARD), ("after charger enable", True)],
)
def test_killed_again_while_recovering_the_charge_is_told_once_and_exactly(
    benches: list[Bench], point: str, *, leaves: bool
) -> None:
    """A second kill, at any point of what the next daemon does by itself.

    It does something else if the car has left meanwhile.
    """
    story, first = STORIES[0], Passage(point, 1)
    told = list_passages(benches[0], story, first, leaves=leaves)
    for_each(
        benches,
        f"again, {point}",
        told.start * SCALE,
        lambda bench, passage: kill_in(bench, story, first, passage, leaves=leaves),
    )
