"""Salvaging a journal on a disk that forgets: a power cut anywhere loses no session."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent.store.journal import FILE, Journal
from tests.fakes.journals import PAGE_BYTES, contents_of, make_journal, overwrite
from tests.torture.crowd import SCALE
from tests.torture.lossy_disk import Names
from tests.torture.lossy_mount import LossyMount, why_unavailable
from tests.torture.lost_writes import do, find_losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.fakes.journals import Contents

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(120 * SCALE),
    pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable())),
]


def repair(
    damaged: dict[str, bytes], directory: Path, tell: Callable[[str], None]
) -> None:
    """Start on a damaged journal, which has been on the disk for long."""
    for name, content in damaged.items():
        (directory / name).write_bytes(content)
    sync(directory)
    tell("the journal is there")
    Journal(directory / FILE).close()


def sync(directory: Path) -> None:
    """Make everything in a folder durable."""
    for path in (*directory.iterdir(), directory):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def check(
    damaged: dict[str, bytes],
    rows: Contents,
    directory: Path,
    told: Sequence[str],
) -> Iterator[str]:
    """Open it as the daemon does; name what is missing."""
    if not told:
        return
    with closing(Journal(directory / FILE)) as journal:
        salvage = journal.salvage
    if salvage is None:
        yield "nobody is told of the damage"
    elif salvage.found is None:
        yield "nobody knows what was salvaged"
    if contents_of(directory / FILE) != rows:
        yield "something was not salvaged"
    kept = {
        FILE + path.name.partition(".damaged-")[2][21:]: path.read_bytes()
        for path in directory.glob(f"{FILE}.damaged-*")
    }
    if kept != damaged:
        yield f"kept {sorted(kept)}"


@pytest.mark.parametrize("rule", list(Names), ids=lambda rule: str(rule.value))
def test_a_power_cut_while_salvaging_loses_nothing(
    tmp_path: Path, rule: Names, caplog: pytest.LogCaptureFixture
) -> None:
    """The next start finds the damaged journal or the salvaged one; the alarm, too."""
    caplog.set_level(logging.CRITICAL)
    path = make_journal(tmp_path, 10, in_log=2)
    rows = contents_of(path)
    overwrite(path, 0, b"\xff" * PAGE_BYTES)
    damaged = {
        f"{FILE}{suffix}": path.with_name(f"{FILE}{suffix}").read_bytes()
        for suffix in ("", "-wal")
    }
    with LossyMount(rule) as disk:
        work = do(disk, partial(repair, damaged))
        for cuts in (
            work.cuts_at_syncs(),
            work.cuts_at_names(3 * SCALE, seed=SCALE),
            work.random_cuts(40 * SCALE, seed=SCALE),
        ):
            assert find_losses(disk, work, cuts, partial(check, damaged, rows)) == []
