"""Keeping the whitelist what the backend says it is, however the crawl goes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import (
    AgentError,
    CredentialsError,
    HeldBackError,
    RefusedUpstreamError,
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
    accept_shrink: bool = False,
    progress: list[Progress] | None = None,
    **settings: Any,  # noqa: ANN401 - the Synchronizer's own
) -> SyncResult:
    """Run once."""
    steps: list[Progress] = [] if progress is None else progress

    async def main() -> SyncResult:
        synchronizer = Synchronizer("cpo", source, whitelist, **settings)
        return await synchronizer.run(
            full=full, accept_shrink=accept_shrink, on_progress=steps.append
        )

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


@pytest.mark.parametrize("total", [3, 1000])
def test_the_cursor_stays_when_changes_are_missing(
    whitelist: Whitelist, total: int
) -> None:
    """What came is taken, and what did not come is asked for again."""
    put_in_force(whitelist, [token("A", last_updated=JANUARY)])
    source = ScriptedSource([token("B", last_updated=MARCH)], [])
    source.facts = {0: {"total": total}, 1: {"total": total}}

    synchronize(whitelist, source)

    assert whitelist.sync_state("cpo").cursor == JANUARY
    assert listed(whitelist, "AB") == "AB"
    source.facts = {0: {"total": 1}, 1: {"total": 1}}
    synchronize(whitelist, source)
    assert source.asked[1] == (JANUARY - OVERLAP, None)
    assert whitelist.sync_state("cpo").cursor == MARCH


def test_broken_tokens_do_not_hold_the_cursor_back(whitelist: Whitelist) -> None:
    """They were listed, if not read; asking again would bring them again."""
    put_in_force(whitelist, [token("A", last_updated=JANUARY)])
    source = ScriptedSource([token("B", last_updated=MARCH)])
    source.problems = {0: ["token 1: expected `str`"]}
    source.facts = {0: {"total": 2}}

    synchronize(whitelist, source)

    assert whitelist.sync_state("cpo").cursor == MARCH


def test_an_incremental_run_never_sweeps(whitelist: Whitelist) -> None:
    """What a filtered list lacks has not changed, even if it lacks everything."""
    put_in_force(whitelist, [token("A"), token("B")])

    synchronize(whitelist, ScriptedSource([token("A", last_updated=MARCH)]))
    synchronize(whitelist, ScriptedSource([]))

    assert listed(whitelist, "AB") == "AB"


def test_another_origin_means_the_whole_list(whitelist: Whitelist) -> None:
    """Another server, version or account: nothing that was known of it counts."""
    put_in_force(whitelist, [token("A"), token("B")])
    source = ScriptedSource([token("A"), token("C")])

    runs = []
    for where in ("https://b 2.2.1", "https://b 2.2.1", "https://b 2.3.0"):
        source.where = where
        runs.append(synchronize(whitelist, source).full)

    assert runs == [True, False, True]

    assert listed(whitelist, "ABC") == "AC"


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
@pytest.mark.parametrize("percent", [0, 50, 100])
def test_a_list_without_a_token_is_held_back(
    whitelist: Whitelist,
    pages: list[list[object]],
    problems: dict[int, list[str]],
    percent: int,
) -> None:
    """It would lock every driver out: it takes a person to say that it is right."""
    put_in_force(whitelist, [token("A")])
    source = ScriptedSource(*pages)  # type: ignore[arg-type] # all of them empty
    source.problems = problems

    with pytest.raises(HeldBackError, match="0 readable tokens, where 1 are"):
        synchronize(whitelist, source, full=True, max_shrink_percent=percent)
    assert listed(whitelist, "A") == "A"

    synchronize(whitelist, source, accept_shrink=True, max_shrink_percent=percent)
    assert whitelist.count() == 0


def test_a_token_learned_meanwhile_makes_no_list(whitelist: Whitelist) -> None:
    """One card that was asked about does not stand for a list that came back empty."""
    put_in_force(whitelist, [token("A")])
    source = ScriptedSource([])
    source.before_page = lambda _: whitelist.learn(token("B"))

    with pytest.raises(HeldBackError):
        synchronize(whitelist, source, full=True)

    assert listed(whitelist, "AB") == "AB"


def test_learned_tokens_hold_no_first_list_back(whitelist: Whitelist) -> None:
    """What was asked about before there was a list is no list."""
    for card in "ABC":
        whitelist.learn(token(card))

    synchronize(whitelist, ScriptedSource([token("D")]))

    assert listed(whitelist, "ABCD") == "D"


SHRINKING: list[tuple[int, int, int, bool]] = [
    # max_shrink_percent, tokens in force, tokens now, taken
    (50, 10, 11, True),
    (50, 10, 5, True),
    (50, 10, 4, False),
    (50, 3, 2, True),
    (50, 3, 1, False),
    (50, 1, 1, True),
    (0, 10, 10, True),
    (0, 10, 9, False),
    (90, 10, 1, True),
    (99, 10, 1, True),
    (100, 10, 1, True),
]


@pytest.mark.parametrize(("percent", "before", "now", "taken"), SHRINKING)
def test_a_list_that_lost_too_much_is_held_back(
    whitelist: Whitelist,
    percent: int,
    before: int,
    now: int,
    taken: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Another upstream's tokens do not count; the message says how to take it."""
    cards = "ABCDEFGHIJK"
    put_in_force(whitelist, [token(card, "hub") for card in "XYZ"])
    put_in_force(whitelist, [token(card) for card in cards[:before]])
    source = ScriptedSource([token(card) for card in cards[:now]])

    if taken:
        synchronize(whitelist, source, full=True, max_shrink_percent=percent)
        assert listed(whitelist, cards) == cards[:now]
        return
    with pytest.raises(HeldBackError) as caught:
        synchronize(whitelist, source, full=True, max_shrink_percent=percent)
    assert f"has {now} readable tokens, where {before} are in force" in str(caught)
    assert "sync --full --accept-shrink --upstream cpo" in str(caught.value)
    assert listed(whitelist, cards) == cards[:before]

    synchronize(whitelist, source, accept_shrink=True, max_shrink_percent=percent)
    assert listed(whitelist, cards) == cards[:now]
    assert whitelist.count_of("hub") == 3


@pytest.mark.parametrize(
    ("total", "taken"),
    [(1, False), (2, False), (6, True), (None, True)],
)
def test_tokens_that_come_twice_count_once(
    whitelist: Whitelist,
    total: int | None,
    taken: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Where there are more of them than announced; else nobody looks so closely."""
    put_in_force(whitelist, [token(card) for card in "ABCDEF"])
    source = ScriptedSource([token("A"), token("B")] * 3)
    source.facts = {0: {"total": total}}

    if taken:
        synchronize(whitelist, source, full=True)
    else:
        with pytest.raises(HeldBackError, match="has 2 readable tokens"):
            synchronize(whitelist, source, full=True)

    assert listed(whitelist, "ABCDEF") == ("AB" if taken else "ABCDEF")


def test_a_short_list_of_another_backend_is_held_back(whitelist: Whitelist) -> None:
    """A new URL, version or account is where a list is most likely to be wrong."""
    put_in_force(whitelist, [token(card) for card in "ABC"])

    source = ScriptedSource([token("D")])
    source.where = "elsewhere"

    with pytest.raises(HeldBackError):
        synchronize(whitelist, source)

    assert listed(whitelist, "ABCD") == "ABC"


def test_changes_are_taken_although_the_list_is_held_back(whitelist: Whitelist) -> None:
    """A card that is blocked meanwhile is blocked; what is missing stays."""
    put_in_force(whitelist, [token(card, last_updated=JANUARY) for card in "ABC"])
    blocked = token("A", valid=False, last_updated=FEBRUARY)
    source = ScriptedSource([blocked])

    with pytest.raises(HeldBackError):
        synchronize(whitelist, source, full=True)

    assert source.asked == [(None, None), (JANUARY - OVERLAP, None)]
    assert whitelist.find(uid_of("A")) == [blocked]
    assert listed(whitelist, "ABC") == "ABC"
    assert whitelist.sync_state("cpo").cursor == FEBRUARY


@pytest.mark.parametrize(
    "error", [CUT, CredentialsError("401"), RefusedUpstreamError("no", 422)]
)
def test_a_list_stays_held_back_when_the_changes_fail(
    whitelist: Whitelist, error: AgentError
) -> None:
    """What is told is why the list is not taken, not what came after."""
    put_in_force(whitelist, [token(card) for card in "ABC"])
    source = ScriptedSource([token("A")])

    def fail_later(_: int) -> None:
        if len(source.asked) > 1:
            raise error

    source.before_page = fail_later
    with pytest.raises(HeldBackError):
        synchronize(whitelist, source, full=True)

    assert len(source.asked) == 2
    assert listed(whitelist, "ABC") == "ABC"


def test_the_staged_list_is_thrown_away_when_it_is_held_back(
    tmp_path: Path, whitelist: Whitelist
) -> None:
    """It takes room, and the next full run must not go on from its end."""
    put_in_force(whitelist, [token(card) for card in "ABC"])
    source = ScriptedSource([token("A")])

    for _ in range(2):
        with pytest.raises(HeldBackError):
            synchronize(whitelist, source, full=True)

    assert [start for date, start in source.asked if date is None] == [None, None]
    assert not [name for name in files_of(tmp_path) if "staged" in name]


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
