"""What `readers identify` shows of a card: every spelling, and how to come to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from agent.card_readers import SeenCard
from agent.descriptions import describe_card, describe_spellings
from agent.domain.transforms import NOTHING, UidTransform
from agent.domain.uid import Technology, Uid

if TYPE_CHECKING:
    from agent.store.whitelist import Whitelist

RAW = bytes.fromhex("04A1B2C3")
PRINTED = "0077705923"  # The same in decimal
TURNED = "3283263748"  # C3B2A104 in decimal
ALSO_MATCH = "[authorization] also_match = "


class Listed:
    """A whitelist of these numbers."""

    def __init__(self, *numbers: str) -> None:
        self._numbers = numbers

    def find(self, uid: Uid) -> list[str]:
        """Find a row, of which nobody looks at more than that it is one."""
        return [uid.value] if uid.value in self._numbers else []


def show(
    *listed: str, raw: bytes = RAW, configured: UidTransform = NOTHING
) -> dict[str, dict[str, Any]]:
    """Identify a card; give the rows by their numbers."""
    seen = SeenCard(
        "front",
        raw,
        Technology.ISO14443,
        Uid.from_bytes(configured.apply(raw)),
        Technology.ISO14443,
    )
    found = describe_spellings(seen, cast("Whitelist", Listed(*listed)))
    return {row["uid"]: row for row in found["spellings"]}


def listed_lines(rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Give what to configure for each number that is listed."""
    return {uid: row["configuration"] for uid, row in rows.items() if row["listed"]}


def test_a_card_that_gave_no_number() -> None:
    """There is nothing to spell, and the reason is told."""
    kind = Technology.ISO14443
    seen = SeenCard("front", b"", kind, None, kind, "3 of 4 bytes")
    found = describe_spellings(seen, cast("Whitelist", Listed()))
    assert (found["spellings"], found["problem"]) == ([], "3 of 4 bytes")
    assert describe_card(seen)["problem"] == "3 of 4 bytes"


def test_a_number_that_the_configured_spelling_makes_impossible() -> None:
    """The other spellings are shown, and what is wrong with the configured one."""
    kind = Technology.ISO14443
    seen = SeenCard("front", RAW, kind, None, kind, "expected 7 bytes")
    found = describe_spellings(seen, cast("Whitelist", Listed("04A1B2C3")))
    assert found["problem"] == "expected 7 bytes"
    assert found["spellings"][0]["configuration"] == "uid = {}"


def test_a_card_that_is_read_as_it_is() -> None:
    """Nothing has to be configured, and it stands first."""
    rows = show("04A1B2C3")
    assert next(iter(rows)) == "04A1B2C3"
    assert listed_lines(rows) == {"04A1B2C3": ""}


def test_a_card_that_is_turned_round() -> None:
    """The reader's table puts it right."""
    assert listed_lines(show("C3B2A104")) == {"C3B2A104": "uid = { reverse = true }"}


def test_what_is_printed_on_a_card_is_shown() -> None:
    """In any case, since a person can compare it with the card."""
    assert PRINTED in show()
    assert show()[PRINTED]["listed"] is False


def test_a_list_of_printed_numbers() -> None:
    """The list is what has another spelling, and all readers' cards are in it."""
    assert listed_lines(show(PRINTED)) == {PRINTED: f'{ALSO_MATCH}["decimal"]'}


def test_a_list_of_numbers_that_were_turned_and_printed() -> None:
    """That takes both."""
    assert listed_lines(show(TURNED)) == {
        TURNED: f'{ALSO_MATCH}["decimal", "reversed"]'
    }


def test_a_reader_that_is_configured_already() -> None:
    """Other spellings in the list are those of the number that it gives now."""
    turned = UidTransform(reverse=True)
    rows = show(PRINTED, raw=RAW[::-1], configured=turned)
    assert listed_lines(rows) == {PRINTED: f'{ALSO_MATCH}["decimal"]'}


def test_what_is_configured_is_shown() -> None:
    """Also where nobody would have thought of it."""
    stripped = UidTransform(strip="3B00")
    raw = bytes.fromhex("3B0004A1B2C3D4E5F6")
    rows = show("04A1B2C3D4E5F6", raw=raw, configured=stripped)
    assert rows["04A1B2C3D4E5F6"]["spelling"] == "as configured"
    assert listed_lines(rows) == {"04A1B2C3D4E5F6": ""}
