"""The list in force: what is found, what is written, what is never replaced."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.domain.tokens import TokenType
from agent.errors import StoreFailedError
from agent.store.keys import CardKeys
from agent.store.token_reader import TokenReader
from agent.store.whitelist import LINK, Whitelist
from tests.fakes.cards import uid_of
from tests.fakes.lists import (
    KEYS,
    add_page,
    files_of,
    listed,
    open_list,
    put_in_force,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.domain.tokens import Token

DAY = timedelta(days=1)


def many(number: int) -> list[Token]:
    """List so many cards that nobody asks for."""
    return [token("Z", uid=f"05{index:012X}") for index in range(number)]


MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def whitelist(tmp_path: Path) -> Iterator[Whitelist]:
    """Open an empty list."""
    with closing(open_list(tmp_path)) as opened:
        yield opened


def test_a_new_station_knows_nobody(whitelist: Whitelist) -> None:
    """An empty list is opened in a folder that does not exist yet."""
    assert whitelist.find(uid_of("A")) == []
    assert whitelist.count() == 0
    state = whitelist.sync_state("cpo")
    assert (state.cursor, state.synchronized_at, state.swept_at) == (None, None, None)


def test_the_folder_is_made(tmp_path: Path) -> None:
    """The state directory need not exist."""
    with closing(open_list(tmp_path / "state" / "of station")) as whitelist:
        assert whitelist.count() == 0


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    """Tokens survive closing and opening."""
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.upsert([token("A"), token("B")])
    with closing(open_list(tmp_path)) as whitelist:
        assert whitelist.find(uid_of("A")) == [token("A")]
        assert whitelist.count() == 2


def test_another_secret_finds_nothing(tmp_path: Path) -> None:
    """A lost key makes the list useless, and nothing worse."""
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.upsert([token("A")])
    with closing(Whitelist(tmp_path, CardKeys(b"k" * 32), "boot-1")) as whitelist:
        assert whitelist.find(uid_of("A")) == []


def test_another_type_is_no_card(whitelist: Whitelist) -> None:
    """A token of another type with the same uid cannot be tapped."""
    whitelist.upsert([token("A", type=TokenType.OTHER)])

    assert whitelist.find(uid_of("A")) == []


@pytest.mark.parametrize("upstreams", [("cpo", "hub"), ("hub", "cpo")])
def test_the_upstream_configured_first_comes_first(
    tmp_path: Path, upstreams: tuple[str, str]
) -> None:
    """Of two parties that list one card the order of the configuration decides."""
    with closing(open_list(tmp_path, upstreams)) as whitelist:
        whitelist.upsert([token("A", "hub"), token("A", "cpo")])

        found = whitelist.find(uid_of("A"))

    assert tuple(item.upstream for item in found) == upstreams


def test_an_upstream_that_is_no_longer_configured_lists_nobody(tmp_path: Path) -> None:
    """Its tokens count for nothing: nobody could be asked, and nobody told."""
    with closing(open_list(tmp_path)) as whitelist:
        whitelist.upsert([token("A", "hub"), token("B", "hub"), token("B")])
    with closing(open_list(tmp_path, ("cpo",))) as whitelist:
        assert whitelist.find(uid_of("A")) == []
        assert [item.upstream for item in whitelist.find(uid_of("B"))] == ["cpo"]


def test_a_newer_word_replaces_an_older_one(whitelist: Whitelist) -> None:
    """The row of the same party is replaced, not added to."""
    whitelist.upsert([token("A")])
    blocked = token("A", valid=False, last_updated=MARCH)

    whitelist.upsert([blocked])

    assert whitelist.find(uid_of("A")) == [blocked]
    assert whitelist.count() == 1


def test_an_older_word_never_replaces_a_newer_one(whitelist: Whitelist) -> None:
    """A late page of an old list does not unblock a card."""
    blocked = token("A", valid=False, last_updated=MARCH)
    whitelist.upsert([blocked])

    whitelist.upsert([token("A", last_updated=MARCH - DAY)])

    assert whitelist.find(uid_of("A")) == [blocked]


def test_the_same_moment_again_takes_the_later_word(whitelist: Whitelist) -> None:
    """Of two words with one `last_updated` the one that came last counts."""
    whitelist.upsert([token("A")])

    whitelist.upsert([token("A", valid=False)])

    assert whitelist.find(uid_of("A")) == [token("A", valid=False)]


def test_a_word_about_one_party_leaves_the_other_alone(whitelist: Whitelist) -> None:
    """Rows of other parties and of other upstreams stay as they are."""
    others = [token("A", "hub"), token("A", party_id="TNM")]
    whitelist.upsert([token("A"), *others])

    whitelist.upsert([token("A", valid=False, last_updated=MARCH)])

    found = whitelist.find(uid_of("A"))
    assert all(other in found for other in others)
    assert len(found) == 3


def test_one_bad_row_undoes_the_whole_page(whitelist: Whitelist) -> None:
    """A page is one transaction, and later pages are not confused by its words."""
    whitelist._list.connection.execute("PRAGMA max_page_count = 40")
    page = many(3000)
    with pytest.raises(StoreFailedError, match="full"):
        whitelist.upsert([token("B", issuer="Once", party_id="ONE"), *page])
    whitelist._list.connection.execute("PRAGMA max_page_count = 1000000")

    whitelist.upsert([token("C", issuer="Twice", party_id="TWO")])

    assert listed(whitelist, "ABC") == "C"
    assert whitelist.find(uid_of("C"))[0].issuer == "Twice"
    assert whitelist.find(uid_of("C"))[0].party_id == "TWO"


def test_a_full_disk_leaves_the_list_in_force(whitelist: Whitelist) -> None:
    """What was known before is still known, and still can be read."""
    whitelist.upsert([token("A")])
    whitelist._list.connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreFailedError):
        whitelist.upsert([token("B"), *many(999)])

    assert listed(whitelist, "AB") == "A"


def test_the_cursor_moves_only_when_told(whitelist: Whitelist) -> None:
    """Storing tokens does not move it; a sweep is something else."""
    whitelist.upsert([token("A", last_updated=MARCH)])
    assert whitelist.sync_state("cpo").cursor is None

    whitelist.finish_incremental("cpo", MARCH)

    state = whitelist.sync_state("cpo")
    assert state.cursor == MARCH
    assert state.synchronized_at is not None
    assert state.swept_at is None


def test_no_cursor_keeps_the_cursor(whitelist: Whitelist) -> None:
    """An incremental run that saw nothing does not forget how far it was."""
    whitelist.finish_incremental("cpo", MARCH)

    whitelist.finish_incremental("cpo", None)

    assert whitelist.sync_state("cpo").cursor == MARCH


def test_upstreams_have_cursors_of_their_own(whitelist: Whitelist) -> None:
    """Moving one does not move the other."""
    whitelist.finish_incremental("cpo", MARCH)
    whitelist.finish_incremental("hub", MARCH - DAY)

    assert whitelist.sync_state("cpo").cursor == MARCH
    assert whitelist.sync_state("hub").cursor == MARCH - DAY


def test_rows_are_counted_by_upstream(whitelist: Whitelist) -> None:
    """The count of one upstream leaves the others out."""
    whitelist.upsert([token("A"), token("B"), token("A", "hub")])

    assert whitelist.count() == 3
    assert whitelist.count_of("cpo") == 2
    assert whitelist.count_of("hub") == 1
    assert whitelist.count_of("nobody") == 0


def test_no_card_number_is_in_any_file(tmp_path: Path) -> None:
    """Not in the list, its journal, a list being staged, nor one that was replaced."""
    cards = "ABCDEF"
    texts = [uid_of(card).value for card in cards]
    with closing(open_list(tmp_path)) as whitelist:
        put_in_force(
            whitelist, [token(card, visual_number=uid_of(card).value) for card in cards]
        )
        whitelist.upsert([token("A", last_updated=MARCH)])
        add_page(
            whitelist.stage("cpo"),
            [token(card, group_id=uid_of(card).value) for card in cards],
        )
        whitelist.learn(token("B", contract_id=f"C-{uid_of('B').value.lower()}"))

        contents = files_of(tmp_path)

    assert any("-wal" in name for name in contents)
    assert any("staged" in name for name in contents)
    for content in contents.values():
        for uid in texts:
            assert uid.encode() not in content.upper()
            assert bytes.fromhex(uid) not in content
            assert bytes.fromhex(uid)[::-1] not in content


def test_a_reader_beside_the_daemon_sees_what_is_written(
    tmp_path: Path, whitelist: Whitelist
) -> None:
    """The command line reads the list while the daemon writes it."""
    with closing(TokenReader(tmp_path / LINK, KEYS, ("cpo",))) as reader:
        whitelist.upsert([token("A", issuer="Written after opening")])

        assert reader.find(uid_of("A"))[0].issuer == "Written after opening"
        assert [item.contract_id for item in reader.listed()] == ["SE-EMS-C0000A"]
        reader.verify()
