"""The stores lose nothing that was relied on, whatever a power cut leaves of a disk."""

from __future__ import annotations

import logging
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from tests.torture.crowd import SCALE
from tests.torture.lossy_disk import Names
from tests.torture.lossy_mount import LossyMount, why_unavailable
from tests.torture.lost_writes import do, find_losses
from tests.torture.lost_writes_journal import check_journal, keep_journal
from tests.torture.lost_writes_whitelist import check_whitelist, keep_whitelist

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(120 * SCALE),
    pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable())),
]
CUTS_AT_EACH_NAME: Final = 2
RANDOM_CUTS: Final = 40


class Store(NamedTuple):
    """What a store does, and what it must not have lost."""

    keep: Callable[..., None]
    check: Callable[..., Any]


JOURNAL: Final = Store(keep_journal, check_journal)
WHITELIST: Final = Store(keep_whitelist, check_whitelist)
BOTH: Final = pytest.mark.parametrize(
    "store", [JOURNAL, WHITELIST], ids=["journal", "whitelist"]
)
EITHER_RULE: Final = pytest.mark.parametrize(
    "rule", list(Names), ids=lambda rule: str(rule.value)
)


@BOTH
@EITHER_RULE
def test_no_power_cut_takes_what_was_relied_on(store: Store, rule: Names) -> None:
    """Cut at every sync, and anywhere; nothing or anything of the unsynced is left."""
    with LossyMount(rule) as disk:
        work = do(disk, store.keep)
        for cuts in (
            work.cuts_at_syncs(),
            work.cuts_at_names(CUTS_AT_EACH_NAME * SCALE, seed=SCALE),
            work.random_cuts(RANDOM_CUTS * SCALE, seed=SCALE),
        ):
            assert find_losses(disk, work, cuts, store.check) == []


# ---- the test itself can fail -------------------------------------------------------


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep what the stores say of so much damage out of the test's report."""
    caplog.set_level(logging.CRITICAL)


@BOTH
@EITHER_RULE
@pytest.mark.usefixtures("quiet")
def test_a_disk_that_does_not_sync_is_noticed(store: Store, rule: Names) -> None:
    """The check finds losses where there are some."""
    with LossyMount(rule, honest=False) as disk:
        work = do(disk, store.keep)
        cuts = list(work.cuts_at_syncs())[-10:]
        losses = find_losses(disk, work, cuts, store.check)
    assert len(losses) >= len(cuts)


@pytest.mark.usefixtures("quiet")
def test_a_journal_that_does_not_sync_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `synchronous = OFF`, on the best of disks, sessions are lost."""

    class Careless(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as in sqlite3
            sql = sql.replace("synchronous = FULL", "synchronous = OFF")
            return super().execute(sql, *args)

    careless = partial(sqlite3.connect, factory=Careless)
    with LossyMount(Names.JOURNALLED) as disk:
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", careless)
            work = do(disk, keep_journal)
        losses = find_losses(disk, work, work.random_cuts(50, seed=1), check_journal)
    assert any("S1 was started and is not there" in loss for loss in losses)
