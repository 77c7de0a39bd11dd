"""Which row of the whitelist a card is: spellings, owners and types."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent.card_readers import CardDesk
from agent.domain.tokens import Token, TokenType
from agent.domain.uid import Alias, Technology, Uid
from agent.health import Health
from tests.fakes.cards import uid_of
from tests.fakes.clock import FakeClock
from tests.fakes.lists import KEYS, open_list, token

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from agent.store.whitelist import Whitelist

RAW = bytes.fromhex("0441A1B2C3D4E5")  # Card A
UID, REVERSED = RAW.hex().upper(), RAW[::-1].hex().upper()
BOTH = frozenset(Alias)
EM4100 = bytes.fromhex("3F00A1B2C3")


@pytest.fixture
def whitelist(tmp_path: Path) -> Iterator[Whitelist]:
    """Open a list of two upstreams, the first of which counts more."""
    with closing(open_list(tmp_path, ["cpo", "hub"])) as whitelist:
        yield whitelist


def _tap(
    whitelist: Whitelist,
    uid: Uid,
    aliases: Collection[Alias] = (),
    technology: Technology = Technology.ISO14443,
) -> Token | None:
    """Hold a card to a reader, and say which row it is."""
    clock = FakeClock()
    desk = CardDesk(
        find=whitelist.find,
        aliases=aliases,
        on_damage=lambda: pytest.fail("the list is whole"),
        fingerprint=KEYS.fingerprint,
        new_id=lambda: "T1",
        clock=clock,
        health=Health(clock),
    )
    return desk.tap("front", "0", uid, technology).token


@pytest.mark.parametrize(
    "spelled",
    [
        UID,
        UID.lower(),
        RAW.hex(":"),
        RAW.hex(":").upper(),
        RAW.hex("-"),
        RAW.hex(" "),
        RAW.hex("."),
        "0441a1B2:c3D4-e5",
    ],
)
def test_65_case_and_separators_match(whitelist: Whitelist, spelled: str) -> None:
    """However it is listed, it is the card, and keeps its eMSP's spelling."""
    whitelist.upsert([token("A", uid=spelled)])

    found = _tap(whitelist, uid_of("A"))

    assert found == token("A", uid=spelled)


@pytest.mark.parametrize(
    ("spelled", "alias"),
    [
        (REVERSED, Alias.REVERSED),
        (RAW[::-1].hex(":"), Alias.REVERSED),
        (str(int(UID, 16)), Alias.DECIMAL),
    ],
    ids=["byte order", "byte order and separators", "decimal"],
)
def test_65_byte_order_and_decimal_spelling_match_where_configured(
    whitelist: Whitelist, spelled: str, alias: Alias
) -> None:
    """Since such a number may be another card's own, only on request."""
    whitelist.upsert([token("A", uid=spelled)])

    assert _tap(whitelist, uid_of("A"), [alias]) == token("A", uid=spelled)
    assert _tap(whitelist, uid_of("A"), BOTH) == token("A", uid=spelled)
    assert _tap(whitelist, uid_of("A")) is None
    assert _tap(whitelist, uid_of("A"), BOTH - {alias}) is None


@pytest.mark.parametrize(
    "spelled",
    [
        str(int.from_bytes(EM4100)),
        str(int.from_bytes(EM4100[-4:])).zfill(10),
        str(int.from_bytes(EM4100[::-1])),
    ],
    ids=["whole number", "as printed on the card", "reversed"],
)
def test_65_decimal_spellings_of_a_card_with_five_bytes(
    whitelist: Whitelist, spelled: str
) -> None:
    """The print on such cards is of the last four bytes."""
    whitelist.upsert([token("A", uid=spelled)])

    found = _tap(whitelist, Uid.from_bytes(EM4100), BOTH, Technology.EM4100)

    assert found == token("A", uid=spelled)


def test_65_own_number_comes_before_another_spelling(whitelist: Whitelist) -> None:
    """A card that is listed as itself is never taken for another."""
    mine, other = token("A", contract_id="MINE"), token("A", uid=REVERSED)
    whitelist.upsert([other, mine])

    assert _tap(whitelist, uid_of("A"), BOTH) == mine


@pytest.mark.parametrize("order", [["cpo", "hub"], ["hub", "cpo"]])
def test_69_uid_listed_by_two_parties(
    whitelist: Whitelist, order: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The upstream listed first wins, and a warning names both."""
    parties = {"cpo": "ONE", "hub": "TWO"}
    for upstream in order:
        whitelist.upsert([token("A", upstream, party_id=parties[upstream])])

    found = _tap(whitelist, uid_of("A"))

    assert found is not None
    assert (found.upstream, found.party_id) == ("cpo", "ONE")
    [warning] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "SE*ONE" in warning.getMessage()
    assert "SE*TWO" in warning.getMessage()


def test_69_first_party_that_blocks_is_not_overruled(whitelist: Whitelist) -> None:
    """Its word counts, whatever the other one says."""
    blocked = token("A", "cpo", valid=False)
    whitelist.upsert([token("A", "hub"), blocked])

    assert _tap(whitelist, uid_of("A")) == blocked


def test_uid_listed_by_one_party_is_no_conflict(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture
) -> None:
    """A list full of cards gives no reason to warn."""
    whitelist.upsert([token("A", "hub"), token("B", "cpo")])

    assert _tap(whitelist, uid_of("A")) == token("A", "hub")
    assert [one for one in caplog.records if one.levelno == logging.WARNING] == []


@pytest.mark.parametrize("kind", [one for one in TokenType if one != TokenType.RFID])
def test_70_type_differs_and_nothing_matches(
    whitelist: Whitelist, kind: TokenType
) -> None:
    """An app's number is no card's, though it reads the same."""
    whitelist.upsert([token("A", type=kind)])

    assert _tap(whitelist, uid_of("A")) is None


def test_70_card_is_found_beside_an_app_user_with_its_number(
    whitelist: Whitelist,
) -> None:
    """The other type neither hides the card nor conflicts with it."""
    card = token("A", "hub")
    whitelist.upsert([token("A", "cpo", type=TokenType.APP_USER), card])

    assert _tap(whitelist, uid_of("A")) == card
