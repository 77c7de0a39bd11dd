"""Measure everything: `python -m benchmarks [--large]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    backlog,
    decision,
    large,
    process,
    synchronisation,
    taps,
    wear,
)
from benchmarks.drivers import bench

if TYPE_CHECKING:
    from collections.abc import Generator

    from benchmarks.verdicts import Verdict


_BACKLOG = 100_000


def _measure(directory: Path, sizes: list[int]) -> Generator[Verdict]:
    sync_size = sizes[-1]
    yield from process.measure(directory / "process")
    yield from taps.measure(directory / "taps")
    yield from bench.measure(directory / "drivers")
    yield from wear.measure(directory / "wear")
    # A tenth of the longest list is enough of a backlog for a quick look.
    yield from backlog.measure(directory / "backlog", min(_BACKLOG, sync_size // 10))
    for size in sizes:
        yield from decision.measure(directory / f"decision-{size}", size)
    yield from synchronisation.measure(directory / "synchronisation", sync_size)


def _measure_large(directory: Path, size: int) -> Generator[Verdict]:
    yield from large.measure(directory / "large", size)


def main() -> int:
    """Print a line per measurement; exit 1 if a budget was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller lists")
    parser.add_argument(
        "--large", action="store_true", help=f"only {large.SIZE:,} tokens, for minutes"
    )
    options = parser.parse_args()
    sizes = [10_000, 100_000] if options.quick else [10_000, 1_000_000]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="rfid-agent-bench-") as name:
        directory = Path(name)
        if options.large:
            size = sizes[-1] if options.quick else large.SIZE
            verdicts = _measure_large(directory, size)
        else:
            verdicts = _measure(directory, sizes)
        # Closed at once when Ctrl-C comes, for it may have processes running.
        with closing(verdicts):
            for verdict in verdicts:
                print(verdict, flush=True)
                missed += not verdict.kept
    print(f"{missed} budgets missed" if missed else "every budget was kept")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
