"""Fixtures of the torture."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from tests.torture.bench import Bench
from tests.torture.full_disk import small_station
from tests.torture.load import TOKENS as CROWD
from tests.torture.story import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.torture.disks import SmallDisk
    from tests.torture.station import Station

#: As many as there are processors on the smallest machine that runs the tests.
WORKERS: Final = 2


@pytest.fixture(scope="session")
def benches() -> Iterator[list[Bench]]:
    """Make benches for a driver with one card, one per worker."""
    with ExitStack() as stack:
        yield [stack.enter_context(Bench(TOKENS)) for _ in range(WORKERS)]


@pytest.fixture
def bench(benches: list[Bench]) -> Bench:
    """Give one of them."""
    return benches[0]


@pytest.fixture(scope="session")
def crowded_benches() -> Iterator[list[Bench]]:
    """Make benches for a crowd with several cards, one per worker."""
    with ExitStack() as stack:
        yield [stack.enter_context(Bench(CROWD)) for _ in range(WORKERS)]


@pytest.fixture
def small(bench: Bench) -> Iterator[tuple[Station, SmallDisk]]:
    """Run a station on a small disk, with a car that waits to be charged."""
    with small_station(bench) as (station, disk):
        station.start()
        station.plug()
        yield station, disk
