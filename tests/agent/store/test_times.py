"""What the journal knows of time outlives a restart."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.store.journal import FILE, Journal
from agent.store.times import BOOTS_KEPT
from tests.fakes.sessions import NOON, instant, session_of, started_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = datetime(2026, 3, 1, 11, 0, 0, 123_000, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Open a new journal."""
    with closing(Journal(tmp_path / FILE)) as opened:
        yield opened


def test_bases_are_found_again(tmp_path: Path) -> None:
    """The first word on a boot stands: later ones know less of its beginning."""
    with closing(Journal(tmp_path / FILE)) as journal:
        journal.times.learn_base("boot-1", BASE)
        journal.times.learn_base("boot-2", BASE + timedelta(days=1))
        journal.times.learn_base("boot-1", BASE + timedelta(days=2))
    with closing(Journal(tmp_path / FILE)) as journal:
        assert journal.times.bases() == {
            "boot-1": BASE,
            "boot-2": BASE + timedelta(days=1),
        }


def test_old_boots_are_forgotten(journal: Journal) -> None:
    """A station that is started every day for years does not fill its disk."""
    for number in range(BOOTS_KEPT + 5):
        journal.times.learn_base(f"boot-{number}", BASE)

    bases = journal.times.bases()

    assert len(bases) == BOOTS_KEPT
    assert "boot-4" not in bases
    assert f"boot-{BOOTS_KEPT + 4}" in bases


def test_an_empty_journal_knows_no_time(journal: Journal) -> None:
    """Then the clock may say what it likes."""
    assert journal.times.last_known() is None


def test_the_latest_moment_is_known(journal: Journal) -> None:
    """Of a start, of a reading, or of an orderly end."""
    journal.record([started_record(session_of("S1", meter_wh=None))])
    assert journal.times.last_known() == NOON + timedelta(seconds=1)
    read = session_of("S2", updated_at=instant(90))
    journal.record([started_record(read)])
    assert journal.times.last_known() == NOON + timedelta(seconds=90)
    journal.times.note(NOON + timedelta(hours=1))
    journal.times.note(NOON + timedelta(hours=2))
    assert journal.times.last_known() == NOON + timedelta(hours=2)
