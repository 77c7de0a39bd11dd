"""The next list in the making: resumed, started over, or thrown away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agent.errors import StoreFailedError
from tests.fakes.cards import uid_of
from tests.fakes.lists import add_page, listed, open_list, token

if TYPE_CHECKING:
    from pathlib import Path

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def test_nothing_staged_is_in_force(tmp_path: Path) -> None:
    """A card of the next list is unknown until the lists are swapped."""
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.upsert([token("A")])

        add_page(whitelist.stage("cpo"), [token("B")], listed=1)

        assert listed(whitelist, "AB") == "A"


def test_a_cut_crawl_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Position, count, cursor and tokens of the pages so far are kept."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token("A", last_updated=MARCH)], "page 2", listed=2)
        add_page(staging, [token("B")], "page 3", listed=1)
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        resumed = (staging.position, staging.seen, staging.cursor)
        add_page(staging, [token("C")], listed=1)
        whitelist.swap("cpo")

        assert resumed == ("page 3", 3, MARCH)
        assert listed(whitelist, "ABC") == "ABC"
        assert whitelist.sync_state("cpo").cursor == MARCH


def test_staging_twice_goes_on(tmp_path: Path) -> None:
    """Within one run the same list is handed out again."""
    with closing(open_list(tmp_path)) as whitelist:
        add_page(whitelist.stage("cpo"), [token("A")], "page 2", listed=1)

        assert whitelist.stage("cpo").position == "page 2"


def test_after_a_reboot_it_starts_over(tmp_path: Path) -> None:
    """Nothing staged is durable before it is complete, so a reboot voids it."""
    with closing(open_list(tmp_path)) as whitelist:
        add_page(whitelist.stage("cpo"), [token("A")], "page 2", listed=1)
    with closing(open_list(tmp_path, boot_id="boot-2")) as whitelist:
        staging = whitelist.stage("cpo")
        state = (staging.position, staging.seen, staging.cursor)
        add_page(staging, [token("B")], listed=1)
        whitelist.swap("cpo")

        assert state == (None, 0, None)
        assert listed(whitelist, "AB") == "B"


@pytest.mark.parametrize(
    "content",
    [b"", b"SQLite format 3\0", b"\xff" * 9000, None],
    ids=["empty", "torn header", "garbage", "torn in the middle"],
)
def test_a_torn_file_starts_over(tmp_path: Path, content: bytes | None) -> None:
    """Whatever a power cut left behind, the crawl begins again."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token(card) for card in "AB"], "page 2", listed=2)
    whole = staging.path.read_bytes()
    torn = whole[: 4096 + 100] if content is None else content
    staging.path.write_bytes(torn)
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        state = (staging.position, staging.seen)
        add_page(staging, [token("C")], listed=1)
        whitelist.swap("cpo")

        assert state == (None, 0)
        assert listed(whitelist, "ABC") == "C"


def test_a_page_and_its_position_are_one(tmp_path: Path) -> None:
    """A page that did not fit leaves position and count where they were."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token("A")], "page 2", listed=1)
        staging.connection.execute("PRAGMA max_page_count = 1")
        page = [token("B", contract_id=f"C{n}" * 9, issuer="Lost") for n in range(999)]
        with pytest.raises(StoreFailedError):
            add_page(staging, page, "page 3", listed=999)

        assert (staging.position, staging.seen) == ("page 2", 1)

        staging.connection.execute("PRAGMA max_page_count = 100000")
        add_page(staging, [token("B", issuer="Found")], "page 3", listed=1)
        whitelist.swap("cpo")
        assert whitelist.find(uid_of("B"))[0].issuer == "Found"


def test_broken_tokens_count_as_seen(tmp_path: Path) -> None:
    """`listed` is what the server listed, whatever could be read of it."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [], "page 2", listed=3)

        assert (staging.seen, staging.position) == (3, "page 2")
        assert staging.is_empty()


def test_what_is_staged_is_counted(tmp_path: Path) -> None:
    """Tokens that could be read, learned ones included, also after a restart."""
    counts = []
    for _ in range(2):
        with closing(open_list(tmp_path)) as whitelist:
            staging = whitelist.stage("cpo")
            counts.append(staging.count())
            add_page(staging, "AB", "1", listed=5)
            staging.learn(token("C"))
            counts.append(staging.count())
            assert staging.count_distinct() == 3

    assert counts == [0, 3, 3, 6]


def test_the_cursor_is_the_newest_of_all_pages(tmp_path: Path) -> None:
    """An older page does not move it back."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token("A", last_updated=MARCH)], listed=1)
        add_page(staging, [token("B", last_updated=JANUARY)], listed=1)
        add_page(staging, [], listed=0)

        assert staging.cursor == MARCH


def test_an_abandoned_list_is_gone(tmp_path: Path) -> None:
    """No file stays, and the next crawl begins at the beginning."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token("A")], "page 2", listed=1)

        whitelist.abandon("cpo")

        assert not list(tmp_path.glob("*staged*"))
        assert whitelist.stage("cpo").position is None


def test_abandoning_nothing_is_fine(tmp_path: Path) -> None:
    """There need not be a staged list."""
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.abandon("cpo")


def test_two_upstreams_stage_side_by_side(tmp_path: Path) -> None:
    """Each has a file of its own, and one swap does not disturb the other crawl."""
    with closing(open_list(tmp_path)) as whitelist:
        add_page(whitelist.stage("cpo"), [token("A")], listed=1)
        add_page(whitelist.stage("hub"), [token("B", "hub")], "page 2", listed=1)

        whitelist.swap("cpo")

        hub = whitelist.stage("hub")
        assert (hub.position, hub.seen) == ("page 2", 1)
        add_page(hub, [token("C", "hub")], listed=1)
        whitelist.swap("hub")
        assert listed(whitelist, "ABC") == "ABC"


def test_the_cursor_stops_at_the_first_pages_time(tmp_path: Path) -> None:
    """What changed while the list was read may be on a page that was read before."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token("A", last_updated=JANUARY)], "2", served_at=FEBRUARY)
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token("B", last_updated=MARCH)], served_at=MARCH)
        whitelist.swap("cpo")

        assert whitelist.sync_state("cpo").cursor == FEBRUARY


def test_learning_does_not_move_the_cursor(tmp_path: Path) -> None:
    """One token that came by another way says nothing about the others."""
    with closing(open_list(tmp_path)) as whitelist:
        staging = whitelist.stage("cpo")
        add_page(staging, [token("A", last_updated=JANUARY)], "page 2")

        whitelist.learn(token("B", last_updated=MARCH))

        assert (staging.cursor, staging.seen, staging.position) == (
            JANUARY,
            1,
            "page 2",
        )


def test_learning_beside_a_crawl_disturbs_neither(tmp_path: Path) -> None:
    """Pages come from one thread and answers from another; both are whole."""
    with closing(open_list(tmp_path)) as whitelist, ThreadPoolExecutor(2) as threads:
        staging = whitelist.stage("cpo")

        def crawl() -> None:
            for number in range(60):
                add_page(staging, "AB", f"page {number}")

        def learn() -> None:
            for number in range(60):
                whitelist.learn(token("C", issuer=f"Issuer {number}"))

        pages, answers = threads.submit(crawl), threads.submit(learn)
        pages.result(timeout=30)
        answers.result(timeout=30)

        assert (staging.seen, staging.position) == (120, "page 59")
        whitelist.swap("cpo")
        assert whitelist.count() == 180
