"""Whether something grows: the fit, and what is counted for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.soak.samples import WARM_S, Sample, descriptors, slope_per_hour, warm_time_s

if TYPE_CHECKING:
    from pathlib import Path


def sample(at_s: float, life: int, age_s: float, rss_kib: int) -> Sample:
    """Look at nothing but the memory."""
    nothing = dict.fromkeys(
        ("threads", "fds", "tasks", "objects", "journal_bytes", "wal_bytes"), 0
    )
    logged = {"cpu_s": 0.0, "log_lines": 0, "outbox": 0}
    looked = {"at_s": at_s, "life": life, "age_s": age_s, "rss_kib": rss_kib}
    return Sample(**nothing, **logged, **looked)  # type: ignore[arg-type]  # by name


def test_a_steady_rise_is_found_over_several_lives() -> None:
    """Each life has a level of its own, and all of them rise by 2 KiB a second."""
    rising = [
        sample(1000.0 * life + second, life, 300.0 + second, 500 * life + 2 * second)
        for life in (1, 2, 3)
        for second in range(0, 300, 3)
    ]
    slope = slope_per_hour(rising, lambda one: one.rss_kib)
    assert slope == pytest.approx(2 * 3600)


def test_another_level_after_a_restart_is_no_rise() -> None:
    """A daemon that begins with more and keeps it has no slope."""
    steps = [
        sample(100.0 * life + second, life, 300.0, 1000 * life)
        for life in (1, 2, 3)
        for second in range(20)
    ]
    assert slope_per_hour(steps, lambda one: one.rss_kib) == 0.0


def test_growing_into_its_work_does_not_count() -> None:
    """The first minutes are left out."""
    young = [sample(float(s), 1, float(s), 1000 * s) for s in range(0, 240, 3)]
    assert slope_per_hour(young, lambda one: one.rss_kib) == 0.0


def test_warm_time_is_that_of_all_lives() -> None:
    """Each life without its first minutes; one that was shorter counts nothing."""
    ages_s = [(1, 30.0), (2, 10.0), (2, WARM_S + 10.0), (3, WARM_S + 40.0)]
    lives = [sample(0.0, life, age_s, 0) for life, age_s in ages_s]
    assert warm_time_s(lives) == pytest.approx(50.0)


def test_descriptors_are_told_apart_by_what_they_lead_to(tmp_path: Path) -> None:
    """A file by its name, pipes without their numbers."""
    before = descriptors(os.getpid())
    ends = os.pipe()
    with (tmp_path / "some.file").open("w"):
        after = descriptors(os.getpid())
    for end in ends:
        os.close(end)
    assert after - before == {"some.file": 1, "pipe": 2}
