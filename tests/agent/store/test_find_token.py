"""One token looked up by its owner's names, and changed without losing its group."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from agent.domain.tokens import Token, TokenType
from tests.fakes.cards import uid_of
from tests.fakes.lists import KEYS, add_page, open_list, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.store.whitelist import Whitelist

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
UID = uid_of("A").value


@pytest.fixture
def whitelist(tmp_path: Path) -> Iterator[Whitelist]:
    """Open an empty list."""
    with closing(open_list(tmp_path)) as opened:
        yield opened


def find(whitelist: Whitelist, *names: str, kind: str = "RFID") -> Token | None:
    """Look up by upstream, country, party and uid."""
    upstream, country_code, party_id, uid = names
    return whitelist.find_token(upstream, country_code, party_id, uid, TokenType(kind))


def test_every_part_of_the_name_counts(whitelist: Whitelist) -> None:
    """Another connection, country, party, number or type is another token."""
    whitelist.upsert([token("A"), token("A", "hub"), token("A", party_id="TNM")])

    assert find(whitelist, "cpo", "SE", "EMS", UID) == token("A")
    assert find(whitelist, "hub", "SE", "EMS", UID) == token("A", "hub")
    assert find(whitelist, "cpo", "SE", "TNM", UID) == token("A", party_id="TNM")
    for names in [
        ("hub", "SE", "TNM", UID),
        ("cpo", "NO", "EMS", UID),
        ("cpo", "SE", "XXX", UID),
        ("cpo", "SE", "EMS", uid_of("B").value),
        ("nobody", "SE", "EMS", UID),
    ]:
        assert find(whitelist, *names) is None
    assert find(whitelist, "cpo", "SE", "EMS", UID, kind="APP_USER") is None


def test_case_and_separators_do_not(whitelist: Whitelist) -> None:
    """CiStrings, and a number in any spelling."""
    whitelist.upsert([token("A")])
    spelled = ":".join(UID[i : i + 2].lower() for i in range(0, len(UID), 2))

    assert find(whitelist, "cpo", "se", "ems", spelled) == token("A")


def test_the_newest_of_two_spellings_counts(whitelist: Whitelist) -> None:
    """A party that was listed in two cases has one token."""
    newer = token("A", party_id="ems", valid=False, last_updated=MARCH)
    whitelist.upsert([newer, token("A")])

    assert find(whitelist, "cpo", "SE", "EMS", UID) == newer


def test_other_types_are_found_by_their_own_name(whitelist: Whitelist) -> None:
    """An app user has a number that need not be one."""
    user = token("A", uid="user-42@app", type=TokenType.APP_USER)
    whitelist.upsert([user])

    found = find(whitelist, "cpo", "SE", "EMS", "USER-42@app", kind="APP_USER")

    assert found is not None
    assert found.contract_id == user.contract_id


def test_what_was_learned_is_found_at_once_from_any_thread(
    whitelist: Whitelist,
) -> None:
    """Many threads ask while another one changes the list."""
    whitelist.upsert([token("A")])

    def change(number: int) -> bool:
        at = MARCH.replace(microsecond=number * 1000)
        whitelist.learn(token("A", valid=bool(number % 2), last_updated=at))
        found = find(whitelist, "cpo", "SE", "EMS", UID)
        return found is not None and found.last_updated >= at

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(change, range(1, 100)))


def test_it_sees_the_list_that_is_in_force(whitelist: Whitelist) -> None:
    """After a swap it is the new one."""
    whitelist.upsert([token("A")])
    add_page(whitelist.stage("cpo"), "B")
    whitelist.swap("cpo")

    assert find(whitelist, "cpo", "SE", "EMS", UID) is None
    assert find(whitelist, "cpo", "SE", "EMS", uid_of("B").value) == token("B")


def test_a_group_survives_being_stored_again(whitelist: Whitelist) -> None:
    """What is read, changed and written back still belongs to its group."""
    whitelist.upsert([token("A", group_id="G1"), token("B", group_id="g1")])
    for number in range(1, 4):
        found = find(whitelist, "cpo", "SE", "EMS", UID)
        assert found is not None
        at = MARCH.replace(day=number)
        whitelist.learn(replace(found, valid=False, last_updated=at))

    [first], [second] = whitelist.find(uid_of("A")), whitelist.find(uid_of("B"))
    assert not first.valid
    assert first.group_id == second.group_id == KEYS.group("G1")
