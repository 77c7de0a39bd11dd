"""Keeping the whitelist what the backend says it is, however the crawl goes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.errors import (
    AgentError,
    CredentialsError,
    StoreCorruptError,
    StoreFailedError,
    TransientUpstreamError,
)
from agent.ocpi.pages import Position
from agent.ocpi.sync import OVERLAP, Progress, Synchronizer, SyncResult
from tests.fakes.cards import uid_of
from tests.fakes.lists import files_of, listed, open_list, put_in_force, token
from tests.fakes.source import ScriptedSource
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.domain.tokens import Token
    from agent.store.whitelist import Whitelist

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
CUT = TransientUpstreamError("connection lost")


@pytest.fixture
def whitelist(tmp_path: Path) -> Iterator[Whitelist]:
    """Open an empty list."""
    with closing(open_list(tmp_path)) as opened:
        yield opened


def synchronize(
    whitelist: Whitelist,
    source: ScriptedSource,
    *,
    full: bool = False,
    progress: list[Progress] | None = None,
) -> SyncResult:
    """Run once."""
    steps: list[Progress] = [] if progress is None else progress

    async def main() -> SyncResult:
        synchronizer = Synchronizer("cpo", source, whitelist)
        return await synchronizer.run(full=full, on_progress=steps.append)

    return run_virtual(main())


def test_the_first_run_is_full(whitelist: Whitelist) -> None:
    """Without a cursor the whole list is fetched, whatever was asked for."""
    source = ScriptedSource([token("A")], [token("B", last_updated=FEBRUARY)])

    result = synchronize(whitelist, source)

    assert result == SyncResult(upstream="cpo", full=True, received=2, skipped=0)
    assert source.asked == [(None, None)]
    assert listed(whitelist, "AB") == "AB"
    state = whitelist.sync_state("cpo")
    assert state.cursor == FEBRUARY
    assert state.swept_at is not None


def test_a_full_run_drops_what_is_gone(whitelist: Whitelist) -> None:
    """The list afterwards is the backend's, no more and no less."""
    put_in_force(whitelist, [token("A"), token("B")])

    synchronize(whitelist, ScriptedSource([token("B"), token("C")]), full=True)

    assert listed(whitelist, "ABC") == "BC"


def test_an_incremental_run_asks_from_the_cursor_and_a_little_before(
    whitelist: Whitelist,
) -> None:
    """What the server stamped before it showed it is not missed."""
    put_in_force(whitelist, [token("A", last_updated=FEBRUARY)])
    source = ScriptedSource([token("B", last_updated=MARCH)])

    result = synchronize(whitelist, source)

    assert result == SyncResult(upstream="cpo", full=False, received=1, skipped=0)
    assert source.asked == [(FEBRUARY - OVERLAP, None)]
    assert timedelta(minutes=1) <= OVERLAP
    assert listed(whitelist, "AB") == "AB"
    assert whitelist.sync_state("cpo").cursor == MARCH


def test_an_incremental_run_never_takes_an_older_word(whitelist: Whitelist) -> None:
    """The overlap brings back what was known; a newer row stays."""
    blocked = token("A", valid=False, last_updated=MARCH)
    put_in_force(whitelist, [blocked])

    synchronize(whitelist, ScriptedSource([token("A", last_updated=FEBRUARY)]))

    assert whitelist.find(uid_of("A")) == [blocked]
    assert whitelist.count() == 1
    assert whitelist.sync_state("cpo").cursor == MARCH


def test_nothing_new_keeps_the_cursor(whitelist: Whitelist) -> None:
    """An empty answer is an answer: synchronised, nothing moved."""
    put_in_force(whitelist, [token("A", last_updated=FEBRUARY)])

    assert synchronize(whitelist, ScriptedSource([])).received == 0

    assert whitelist.sync_state("cpo").cursor == FEBRUARY
    assert listed(whitelist, "A") == "A"


def test_nothing_new_writes_nothing(tmp_path: Path, whitelist: Whitelist) -> None:
    """The overlap brings the newest token again every hour; the disk is left alone."""
    tokens = [token("A", last_updated=FEBRUARY), token("B", last_updated=JANUARY)]
    put_in_force(whitelist, tokens)
    before = files_of(tmp_path)

    for _ in range(24):
        assert synchronize(whitelist, ScriptedSource(tokens[:1])).received == 1

    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("tokens", "lines"),
    [([], 0), ([token("A")], 0), ([token("B", last_updated=MARCH)], 1)],
    ids=["nothing", "nothing new", "news"],
)
def test_only_news_is_in_the_log(
    whitelist: Whitelist,
    caplog: pytest.LogCaptureFixture,
    tokens: list[Token],
    lines: int,
) -> None:
    """The log is on a disk as well: an hour without news adds no line."""
    put_in_force(whitelist, [token("A")])
    caplog.clear()

    with caplog.at_level(logging.INFO):
        synchronize(whitelist, ScriptedSource(tokens))

    assert len(caplog.records) == lines


def test_the_cursor_moves_only_at_the_end(whitelist: Whitelist) -> None:
    """A cut incremental run keeps its tokens, and asks for everything again."""
    put_in_force(whitelist, [token("A", last_updated=FEBRUARY)])
    source = ScriptedSource([token("B", last_updated=MARCH)], CUT)
    seen: list[datetime | None] = []
    source.before_page = lambda _: seen.append(whitelist.sync_state("cpo").cursor)

    with pytest.raises(TransientUpstreamError):
        synchronize(whitelist, source)

    assert seen == [FEBRUARY, FEBRUARY]
    assert whitelist.sync_state("cpo").cursor == FEBRUARY
    assert listed(whitelist, "AB") == "AB"


def test_the_cursor_does_not_pass_what_may_have_changed_meanwhile(
    whitelist: Whitelist,
) -> None:
    """A crawl knows everything up to the time of its first page, and no further."""
    put_in_force(whitelist, [token("A", last_updated=JANUARY)])
    source = ScriptedSource([], [token("B", last_updated=MARCH)])
    source.facts = {0: {"served_at": FEBRUARY}, 1: {"served_at": MARCH}}

    synchronize(whitelist, source)
    assert whitelist.sync_state("cpo").cursor == FEBRUARY

    synchronize(whitelist, source, full=True)
    assert whitelist.sync_state("cpo").cursor == FEBRUARY


def test_a_server_in_the_past_does_not_move_the_cursor_back(
    whitelist: Whitelist,
) -> None:
    """Its clock is only a limit."""
    put_in_force(whitelist, [token("A", last_updated=FEBRUARY)])
    source = ScriptedSource([token("B", last_updated=MARCH)])
    source.facts = {0: {"served_at": JANUARY}}

    synchronize(whitelist, source)

    assert whitelist.sync_state("cpo").cursor == FEBRUARY


@pytest.mark.parametrize("error", [CUT, CredentialsError("401")], ids=["cut", "401"])
def test_a_cut_full_run_leaves_the_list_and_goes_on_later(
    whitelist: Whitelist, error: AgentError
) -> None:
    """The old list is in force until all pages are there; none is fetched twice."""
    put_in_force(whitelist, [token("A")])
    source = ScriptedSource([token("B")], [token("C")], error)
    with pytest.raises(type(error)):
        synchronize(whitelist, source, full=True)
    assert listed(whitelist, "ABC") == "A"

    source.pages[2] = [token("D")]
    result = synchronize(whitelist, source, full=True)

    assert source.asked[1] == (None, Position(2))
    assert result.received == 3
    assert listed(whitelist, "ABCD") == "BCD"
    assert source.closed == 2


def test_a_cut_full_run_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The position is on disk."""
    source = ScriptedSource([token("A")], CUT)
    with (
        closing(open_list(tmp_path)) as whitelist,
        pytest.raises(TransientUpstreamError),
    ):
        synchronize(whitelist, source)
    source.pages[1] = [token("B")]
    with closing(open_list(tmp_path)) as whitelist:
        synchronize(whitelist, source)

        assert source.asked == [(None, None), (None, Position(1))]
        assert listed(whitelist, "AB") == "AB"


def test_stopping_in_the_middle_closes_the_crawl(whitelist: Whitelist) -> None:
    """A cancelled run ends its request, and the next one goes on."""
    source = ScriptedSource([token("A")], [token("B")])

    async def main() -> None:
        synchronizer = Synchronizer("cpo", source, whitelist)
        steps: list[Progress] = []
        task = asyncio.create_task(
            synchronizer.run(full=True, on_progress=steps.append)
        )

        def stop(number: int) -> None:
            if number:
                task.cancel()

        source.before_page = stop
        await asyncio.wait({task})
        assert task.cancelled()

    run_virtual(main())
    assert source.closed == 1
    source.before_page = lambda _: None
    synchronize(whitelist, source, full=True)

    assert listed(whitelist, "AB") == "AB"


# ---- lists that cannot be true ----------------------------------------------------


def test_a_list_shorter_than_announced_is_not_taken(whitelist: Whitelist) -> None:
    """A server that ends early would lock drivers out: the old list stays."""
    put_in_force(whitelist, [token("A")])
    source = ScriptedSource([token("B")], [token("C")])
    source.facts = {0: {"total": 3}, 1: {"total": 3}}

    with pytest.raises(TransientUpstreamError, match="ended after 2 of 3 tokens"):
        synchronize(whitelist, source, full=True)
    assert listed(whitelist, "ABC") == "A"

    source.pages[1] = [token("C"), token("D")]
    synchronize(whitelist, source, full=True)
    assert source.asked[1] == (None, None)
    assert listed(whitelist, "ABCD") == "BCD"


def test_a_list_longer_than_announced_is_taken(whitelist: Whitelist) -> None:
    """Tokens may have been added meanwhile, and items may come twice."""
    source = ScriptedSource([token("A"), token("B")], [token("B"), token("C")])
    source.facts = {0: {"total": 3}, 1: {"total": 3}}

    synchronize(whitelist, source, full=True)

    assert listed(whitelist, "ABC") == "ABC"


@pytest.mark.parametrize(
    ("pages", "problems"),
    [([[]], {}), ([], {}), ([[], []], {0: ["token 0: bad"], 1: ["token 0: bad"]})],
    ids=["an empty page", "no page", "broken tokens only"],
)
def test_a_list_without_a_token_is_not_taken(
    whitelist: Whitelist, pages: list[list[object]], problems: dict[int, list[str]]
) -> None:
    """It would lock every driver out: the old list stays."""
    put_in_force(whitelist, [token("A")])
    source = ScriptedSource(*pages)  # type: ignore[arg-type] # all of them empty
    source.problems = problems

    with pytest.raises(TransientUpstreamError, match="the old one stays"):
        synchronize(whitelist, source, full=True)

    assert listed(whitelist, "A") == "A"


def test_a_token_learned_meanwhile_makes_no_list(whitelist: Whitelist) -> None:
    """One card that was asked about does not stand for a list that came back empty."""
    put_in_force(whitelist, [token("A")])
    source = ScriptedSource([])
    source.before_page = lambda _: whitelist.learn(token("B"))

    with pytest.raises(TransientUpstreamError, match="the old one stays"):
        synchronize(whitelist, source, full=True)

    assert listed(whitelist, "AB") == "AB"


def test_an_empty_list_of_a_new_upstream_is_taken(whitelist: Whitelist) -> None:
    """A party may have no cards yet; other upstreams' tokens are not its own."""
    put_in_force(whitelist, [token("A", "hub")])

    synchronize(whitelist, ScriptedSource([]), full=True)

    assert whitelist.sync_state("cpo").swept_at is not None
    assert listed(whitelist, "A") == "A"


@pytest.mark.parametrize("full", [True, False])
def test_broken_tokens_are_counted_and_named(
    whitelist: Whitelist,
    caplog: pytest.LogCaptureFixture,
    full: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The others are taken; the log names five and counts the rest."""
    put_in_force(whitelist, [token("A")])
    source = ScriptedSource([token("B")], [token("C")])
    source.problems = {
        0: [f"token {number}: expected `str`" for number in range(8)],
        1: ["token 1: expected `bool`"],
    }
    source.facts = {0: {"total": 11}, 1: {"total": 11}}

    result = synchronize(whitelist, source, full=full)

    assert (result.received, result.skipped) == (11 if full else 2, 9)
    assert listed(whitelist, "BC") == "BC"
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 7
    assert "token 4: " in caplog.text
    assert "skipped 3 more" in caplog.text
    assert "token 5: " not in caplog.text


# ---- the store --------------------------------------------------------------------


def test_a_disk_that_fails_leaves_the_list(
    whitelist: Whitelist, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error goes to whoever schedules; the crawl begins anew."""
    put_in_force(whitelist, [token("A")])
    source = ScriptedSource([token("B")], [token("C")])
    staging = whitelist.stage("cpo")
    append = staging.append
    failures = iter([None, StoreFailedError("full")])

    def fail_once(*args: object, **kwargs: object) -> None:
        if (error := next(failures, None)) is not None:
            raise error
        append(*args, **kwargs)  # type: ignore[arg-type] # what it was given

    monkeypatch.setattr(staging, "append", fail_once)
    with pytest.raises(StoreFailedError):
        synchronize(whitelist, source, full=True)
    assert listed(whitelist, "ABC") == "A"

    synchronize(whitelist, source, full=True)

    assert source.asked[1] == (None, None)
    assert listed(whitelist, "ABC") == "BC"


@pytest.mark.parametrize("error", [StoreCorruptError, StoreFailedError])
def test_a_staged_list_that_the_disk_spoils_is_thrown_away(
    whitelist: Whitelist, monkeypatch: pytest.MonkeyPatch, error: type[AgentError]
) -> None:
    """It would be damaged at every attempt, or takes the space that is missing."""
    source = ScriptedSource([token("A")], [token("B")])
    staging = whitelist.stage("cpo")

    def fail(*_: object, **__: object) -> None:
        raise error("damaged, or full")

    monkeypatch.setattr(staging, "append", fail)
    with pytest.raises(error):
        synchronize(whitelist, source, full=True)
    assert not staging.path.exists()

    synchronize(whitelist, source, full=True)

    assert source.asked == [(None, None), (None, None)]
    assert listed(whitelist, "AB") == "AB"


def test_progress_is_told_page_by_page(whitelist: Whitelist) -> None:
    """How many so far, and how many there are if the server says."""
    source = ScriptedSource([token("A"), token("B")], [token("C")])
    source.facts = {0: {"total": 3}}
    steps: list[Progress] = []

    synchronize(whitelist, source, full=True, progress=steps)

    assert steps == [Progress("cpo", 2, 3), Progress("cpo", 3, None)]


def test_one_run_at_a_time(whitelist: Whitelist) -> None:
    """A second request waits for the first, and does not disturb it."""
    source = ScriptedSource([token("A")], [token("B")])
    order: list[int] = []
    source.before_page = order.append

    async def main() -> None:
        synchronizer = Synchronizer("cpo", source, whitelist)
        steps: list[Progress] = []
        await asyncio.gather(
            *[synchronizer.run(full=True, on_progress=steps.append) for _ in range(3)]
        )

    run_virtual(main())

    assert order == [0, 1] * 3
    assert whitelist.count() == 2
