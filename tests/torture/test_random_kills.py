"""Killed at random moments, with several drivers, readers and EVSEs at work."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from tests.torture.bench import fast_directory
from tests.torture.crowd import SCALE, for_each
from tests.torture.disks import SmallDisk
from tests.torture.load import torture

if TYPE_CHECKING:
    from tests.torture.bench import Bench

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300 * SCALE)]

SEEDS: Final = 6
SEEDS_FULL: Final = 3
DEATHS: Final = 20
DISK_BYTES: Final = 16 * 1024 * 1024


def test_killed_at_random_under_load_every_session_is_told_once_and_exactly(
    crowded_benches: list[Bench],
) -> None:
    """Whoever has charged is charged for it, and nobody else; the seed is named."""
    for_each(
        crowded_benches,
        "random kills, seed",
        range(SEEDS * SCALE),
        lambda bench, seed: torture(bench, seed, DEATHS),
    )


def test_killed_at_random_while_the_disk_is_full_every_session_is_told_once(
    crowded_benches: list[Bench],
) -> None:
    """The same, when again and again nothing can be written."""
    with ExitStack() as stack:
        disks: dict[Bench, SmallDisk] = {}
        for bench in crowded_benches:
            path = stack.enter_context(fast_directory())
            disks[bench] = stack.enter_context(SmallDisk(path, DISK_BYTES))
        for_each(
            crowded_benches,
            "random kills with a full disk, seed",
            range(SEEDS_FULL * SCALE),
            lambda bench, seed: torture(bench, seed, DEATHS, disks[bench]),
        )
