"""What drivers add: from a card's last byte to the event, and when nothing happens.

Each runs in a process of its own, in which nothing else is; all else is played here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.drivers import chargers, indicators, pcsc, readers
from benchmarks.drivers.measuring import Yardstick
from benchmarks.drivers.measuring import measure as measure_drivers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.verdicts import Verdict


def measure(directory: Path) -> Iterator[Verdict]:
    """Measure every driver; those on PC/SC are left out where pcscd cannot be had."""
    directory.mkdir()
    bench = pcsc.Bench(directory / "pcscd")
    with Yardstick() as yardstick, bench.running() as on_pcscd:
        if bench.problem:
            print(f"reader pcsc, indicator acs: skipped: {bench.problem}")
        subjects = [*readers.subjects(directory / "readers"), *on_pcscd]
        yield from measure_drivers(subjects, yardstick)
        subjects = [
            *chargers.subjects(directory / "chargers"),
            *indicators.subjects(directory / "indicators"),
        ]
        yield from measure_drivers(subjects, yardstick)
