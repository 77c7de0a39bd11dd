"""The power fails, and the disk forgets what was not synced: nothing is lost by it.

Where a cut happens and what survives of it depends on numbers that a failure names.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from tests.torture.bench import Bench
from tests.torture.crowd import SCALE, for_each
from tests.torture.lossy_disk import Names
from tests.torture.lossy_mount import LossyMount, why_unavailable
from tests.torture.lost_writes_station import Blow, rehearse, tell_story, torture
from tests.torture.lost_writes_swap import OLD_TOKENS, cut_swap, rehearse_swap
from tests.torture.orders import Passage
from tests.torture.story import STORIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.torture.story import Story

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(120 * SCALE),
    pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable())),
]
#: How many cuts there are of each kind, for each story where it has one.
AT_PASSAGES: Final = 3 * SCALE
AT_STEPS: Final = 3 * SCALE
IN_SWAPS: Final = 4 * SCALE
CROWDS: Final = 2 * SCALE
CUTS_OF_A_CROWD: Final = 10


class Dice:
    """Chooses how the power fails; the same way in every run of the same length."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(f"{name} {SCALE}")  # noqa: S311 - no secret

    def blows(self, count: int, passages: list[Passage]) -> list[Blow]:
        """Choose so many passages, each of them once before any comes again."""
        rounds, rest = divmod(count, len(passages))
        chosen = passages * rounds + self._random.sample(passages, rest)
        return [self._blow(passage=passage) for passage in chosen]

    def blows_at_steps(self, count: int, steps: int) -> list[Blow]:
        """Choose so many of the steps of a disk."""
        return [self._blow(at_step=self._random.randrange(steps)) for _ in range(count)]

    def _blow(self, passage: Passage | None = None, at_step: int | None = None) -> Blow:
        return Blow(
            rule=self._random.choice(list(Names)),
            seed=self._random.choice([None, self._random.getrandbits(32)]),
            passage=passage,
            at_step=at_step,
        )


@pytest.fixture(scope="module")
def mounts() -> Iterator[list[LossyMount]]:
    """Mount disks, one per worker."""
    with ExitStack() as stack:
        yield [stack.enter_context(LossyMount(Names.STRICT)) for _ in range(2)]


@pytest.fixture
def disks(benches: list[Bench], mounts: list[LossyMount]) -> dict[Bench, LossyMount]:
    """Give each bench a disk."""
    return dict(zip(benches, mounts, strict=True))


@pytest.fixture
def crowded_disks(
    crowded_benches: list[Bench], mounts: list[LossyMount]
) -> dict[Bench, LossyMount]:
    """Give each bench with several cards a disk."""
    return dict(zip(crowded_benches, mounts, strict=True))


@pytest.fixture(scope="module")
def swapping_benches() -> Iterator[list[Bench]]:
    """Make benches whose backends change their lists."""
    with ExitStack() as stack:
        yield [stack.enter_context(Bench(OLD_TOKENS)) for _ in range(2)]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_cut_at_any_moment_the_charge_is_told_once_and_exactly(
    disks: Mapping[Bench, LossyMount], story: Story
) -> None:
    """What was acted upon or told before the cut is in the books after it.

    Also while the disk has not answered, and nothing may be done about it yet.
    """
    first, *_ = benches = list(disks)
    passages, steps = rehearse(first, disks[first], story)
    dice = Dice(story.name)
    for_each(
        benches,
        f"cut in {story.name}",
        dice.blows(AT_PASSAGES, passages) + dice.blows_at_steps(AT_STEPS, steps),
        lambda bench, blow: tell_story(bench, disks[bench], story, blow),
    )


def test_cut_again_and_again_under_load_every_session_is_told_once_and_exactly(
    crowded_disks: Mapping[Bench, LossyMount],
) -> None:
    """Whoever has charged is charged for it, and nobody else."""
    for_each(
        list(crowded_disks),
        "power cuts under load, seed",
        range(CROWDS),
        lambda bench, seed: torture(
            bench, crowded_disks[bench], list(Names)[seed % 2], seed, CUTS_OF_A_CROWD
        ),
    )


def test_cut_while_a_list_is_replaced_the_old_one_or_the_new_one_decides(
    swapping_benches: list[Bench], mounts: list[LossyMount]
) -> None:
    """Whole, without the backend; and with it, the new one."""
    disks = dict(zip(swapping_benches, mounts, strict=True))
    dice = Dice("swap")
    passages, steps = rehearse_swap(swapping_benches[0], mounts[0])
    blows = dice.blows(IN_SWAPS, passages) + dice.blows_at_steps(IN_SWAPS, steps)
    for_each(
        swapping_benches,
        "cut in a swap",
        blows,
        lambda bench, blow: cut_swap(bench, disks[bench], blow),
    )


@pytest.mark.parametrize(
    ("point", "loss"),
    [
        ("after charger enable", "energy for nobody"),
        ("after the server processed PUT", "energy for nobody"),
        ("after charger disable", "a session that was shown is lost"),
        ("before deliver COMPLETED", "a session that was shown is lost"),
    ],
)
def test_a_disk_that_does_not_sync_is_noticed(
    disks: Mapping[Bench, LossyMount], point: str, loss: str
) -> None:
    """The same tests fail where there is something to lose."""
    bench, disk = next(iter(disks.items()))
    blow = Blow(rule=Names.JOURNALLED, seed=None, passage=Passage(point, 1))
    with pytest.raises(AssertionError, match=loss):
        tell_story(bench, disk, STORIES[0], blow, honest=False)
