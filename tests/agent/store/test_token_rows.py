"""Tokens as rows: everything comes back, and no card number is in the file."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlite_utils import Database

from agent.domain.tokens import Token, TokenType, WhitelistType
from agent.domain.uid import Uid
from agent.errors import StoreCorruptError
from agent.store import token_rows
from agent.store.keys import CardKeys
from agent.store.token_rows import TokenCodec
from agent.store.token_schema import INSERT, migrations
from tests.fakes.cards import token_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = CardKeys(bytes(range(32)))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


OPENED: list[sqlite3.Connection] = []


@pytest.fixture(autouse=True)
def close_files() -> Iterator[None]:
    """Leave no file open."""
    yield
    while OPENED:
        OPENED.pop().close()


def fresh() -> sqlite3.Connection:
    """Make a whitelist file in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    OPENED.append(connection)
    migrations.apply(Database(connection))
    return connection


def store(*tokens: Token) -> tuple[sqlite3.Connection, TokenCodec]:
    """Write tokens into a new file and forget everything else."""
    connection = fresh()
    connection.executemany(INSERT, TokenCodec(connection, KEYS).rows(tokens))
    return connection, TokenCodec(connection, KEYS)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    """Draw a canonical number of 4, 7 or 10 bytes that looks like no other data."""
    seed = draw(st.integers(0, 10_000))
    length = draw(st.sampled_from([4, 7, 10]))
    return sha256(str(seed).encode()).digest()[:length].hex().upper()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "mixed": lambda uid: "".join(
        char.lower() if index % 3 else char for index, char in enumerate(uid)
    ),
    "colons": lambda uid: ":".join(uid[i : i + 2] for i in range(0, len(uid), 2)),
    "lower colons": lambda uid: ":".join(
        uid[i : i + 2].lower() for i in range(0, len(uid), 2)
    ),
    "spaces": lambda uid: " ".join(uid[i : i + 2] for i in range(0, len(uid), 2)),
    "a dash in front": lambda uid: f"-{uid}",
    "dots around": lambda uid: f".{uid.lower()}.",
}
TEXTS = st.text("ABCDEFabcdef0123456789-*", max_size=8)
EMBEDDINGS: dict[str, Callable[[str, str], str]] = {
    "nothing": lambda _uid, _spelled: "",
    "as spelled": lambda _uid, spelled: spelled,
    "upper": lambda uid, _spelled: uid,
    "lower": lambda uid, _spelled: uid.lower(),
    "mixed": lambda uid, _spelled: SPELLINGS["mixed"](uid),
    "twice": lambda uid, spelled: f"{uid}/{spelled}",
    "reversed": lambda uid, _spelled: bytes.fromhex(uid)[::-1].hex(),
    "decimal": lambda uid, _spelled: str(int(uid, 16)),
    "reversed decimal": lambda uid, _spelled: str(
        int.from_bytes(bytes.fromhex(uid), "little")
    ),
}


@st.composite
def tokens(draw: st.DrawFn) -> Token:
    """Draw a token whose other fields may contain its card number."""
    uid = draw(card_numbers())
    spelled = SPELLINGS[draw(st.sampled_from(sorted(SPELLINGS)))](uid)

    def text() -> str:
        inner = EMBEDDINGS[draw(st.sampled_from(sorted(EMBEDDINGS)))](uid, spelled)
        return draw(TEXTS) + inner + draw(TEXTS)

    return Token(
        upstream=draw(st.sampled_from(["cpo", "hub"])),
        country_code="SE",
        party_id=draw(st.sampled_from(["EMS", "TNM"])),
        uid=spelled,
        type=TokenType.RFID,
        contract_id=text(),
        issuer=draw(st.text(max_size=8)),
        valid=draw(st.booleans()),
        whitelist=draw(st.sampled_from(WhitelistType)),
        last_updated=EPOCH
        + timedelta(milliseconds=draw(st.integers(0, 4_000_000_000_000))),
        visual_number=text() if draw(st.booleans()) else None,
        group_id=text() if draw(st.booleans()) else None,
        language=draw(st.sampled_from([None, "sv", "de"])),
    )


def folded(token: Token) -> Token:
    """Fold the fields that OCPI compares without case."""
    return replace(
        token,
        contract_id=token.contract_id.casefold(),
        visual_number=token.visual_number and token.visual_number.casefold(),
    )


def concealed(token: Token) -> Token:
    """Expect a hash in place of the group."""
    return replace(token, group_id=token.group_id and KEYS.group(token.group_id))


@given(tokens())
def test_a_token_comes_back_as_the_emsp_sent_it(token: Token) -> None:
    """Every field survives; the uid to the letter, the numbers but for their case.

    The group survives as a hash, since nothing but comparing it is ever wanted.
    """
    _, codec = store(token)

    [found] = codec.find(Uid.parse(token.uid), TokenType.RFID)

    assert folded(found) == folded(concealed(token))


@given(tokens())
def test_no_card_number_is_in_the_file(token: Token) -> None:
    """Neither its digits in any case nor its bytes stand anywhere in the file."""
    connection, _ = store(token)
    uid = Uid.parse(token.uid).value

    content = connection.serialize()

    assert uid.encode() not in content.upper()
    assert token.uid.encode().upper() not in content.upper()
    assert bytes.fromhex(uid) not in content
    assert bytes.fromhex(uid)[::-1] not in content


@pytest.mark.parametrize("how", sorted(SPELLINGS))
@pytest.mark.parametrize("tapped", sorted(SPELLINGS))
def test_every_spelling_finds_every_spelling(how: str, tapped: str) -> None:
    """A card matches its token whatever either side puts between the digits."""
    uid = uid_of("A").value
    token = replace(token_of("A"), uid=SPELLINGS[how](uid))
    _, codec = store(token)

    [found] = codec.find(Uid.parse(SPELLINGS[tapped](uid)), TokenType.RFID)

    assert found.uid == token.uid


def test_contract_ids_keep_their_case() -> None:
    """A card number in upper or lower case inside another field comes back alike."""
    uid = uid_of("A").value
    token = replace(
        token_of("A"),
        uid=SPELLINGS["colons"](uid),
        contract_id=f"SE-EMS-{uid}",
        visual_number=f"no {uid.lower()}",
        group_id=SPELLINGS["colons"](uid),
    )

    _, codec = store(token)

    assert codec.find(uid_of("A"), TokenType.RFID) == [concealed(token)]


def test_group_that_is_another_cards_number_is_not_in_the_file() -> None:
    """In any case the same group, and no trace of the number."""
    number = uid_of("B").value
    connection, codec = store(replace(token_of("A"), group_id=number))

    [found] = codec.find(uid_of("A"), TokenType.RFID)

    assert found.group_id == KEYS.group(number.lower()) != KEYS.group("other")
    assert number.encode() not in connection.serialize().upper()


def test_another_type_is_another_token() -> None:
    """An app user whose id looks like a card is no card."""
    _, codec = store(replace(token_of("A"), type=TokenType.APP_USER))

    assert codec.find(uid_of("A"), TokenType.RFID) == []
    assert len(codec.find(uid_of("A"), TokenType.APP_USER)) == 1


def test_another_key_finds_nothing() -> None:
    """Without the secret the rows lead nowhere."""
    connection, _ = store(token_of("A"))

    stranger = TokenCodec(connection, CardKeys(b"another key, also of 32 bytes..."))

    assert stranger.find(uid_of("A"), TokenType.RFID) == []


def test_the_newest_row_of_a_party_counts_whatever_the_order() -> None:
    """Rows may be appended in any order; `last_updated` decides, then the later row."""
    old = token_of("A")
    new = replace(old, valid=False, last_updated=old.last_updated + timedelta(days=1))
    for rows in ((old, new), (new, old), (old, replace(new, valid=True), new)):
        _, codec = store(*rows)

        assert codec.find(uid_of("A"), TokenType.RFID) == [new]


def test_each_party_has_its_own_row() -> None:
    """One card of two parties is found for both."""
    ours = token_of("A")
    theirs = replace(ours, party_id="TNM", valid=False)

    _, codec = store(ours, theirs)

    found = codec.find(uid_of("A"), TokenType.RFID)
    assert sorted(found, key=lambda token: token.party_id) == [ours, theirs]


def test_half_a_key_is_not_enough() -> None:
    """The index holds 64 bits; the other 64 must fit as well."""
    connection, codec = store(token_of("A"))
    connection.execute("UPDATE tokens SET key_low = key_low + 1")

    assert codec.find(uid_of("A"), TokenType.RFID) == []


def test_words_are_stored_once() -> None:
    """A thousand tokens of one issuer hold its name once, in the file and in memory."""
    issuer = "The issuer with the very long name"
    tokens_of_one = [
        replace(token_of("A"), issuer=issuer, language="sv", contract_id=f"C{number}")
        for number in range(1000)
    ]

    connection, _ = store(*tokens_of_one)

    assert connection.serialize().count(issuer.encode()) <= 2  # The row and its index


def test_a_codec_learns_words_that_another_one_added() -> None:
    """A reader that was opened before the first token still understands the rows."""
    connection = fresh()
    reader = TokenCodec(connection, KEYS)
    token = replace(token_of("A"), uid=SPELLINGS["mixed"](uid_of("A").value))

    connection.executemany(INSERT, TokenCodec(connection, KEYS).rows([token]))

    assert reader.find(uid_of("A"), TokenType.RFID) == [token]


def test_the_dictionaries_need_not_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A backend that makes up an issuer or a party per token takes none of it."""
    monkeypatch.setattr(token_rows, "KEPT_IN_MEMORY", 3)
    many = [
        replace(
            token_of(card), issuer=f"I{number}", party_id=f"P{number}", language=card
        )
        for number, card in enumerate("ABCDEFGHIJ")
    ]
    connection = fresh()
    writer = TokenCodec(connection, KEYS)
    connection.executemany(INSERT, writer.rows(many))
    connection.executemany(INSERT, writer.rows(many))
    reader = TokenCodec(connection, KEYS)
    target = fresh()
    mover = TokenCodec(target, KEYS)
    rows = connection.execute("SELECT * FROM tokens").fetchall()
    target.executemany(INSERT, [mover.translate(row, reader) for row in rows])

    for codec in (writer, reader, mover):
        for token in many:
            assert codec.find(Uid.parse(token.uid), token.type) == [token]
        kept = (codec._words, codec._word_texts, codec._parties, codec._party_names)
        assert [len(one) for one in kept] == [3, 3, 3, 3]
    for file in (connection, target):
        assert file.execute("SELECT count(*) FROM words").fetchone() == (20,)
        assert file.execute("SELECT count(*) FROM parties").fetchone() == (10,)


@pytest.mark.parametrize("damage", ["DELETE FROM words", "DELETE FROM parties"])
def test_a_number_that_stands_for_nothing_is_damage(damage: str) -> None:
    """A row that names a word or a party that is not there proves nothing."""
    connection, _ = store(token_of("A"))
    connection.execute(damage)

    with pytest.raises(StoreCorruptError, match="the whitelist has no"):
        TokenCodec(connection, KEYS).find(uid_of("A"), TokenType.RFID)


def test_a_list_shows_everything_but_card_numbers() -> None:
    """Where a number stood inside another field the list shows dots."""
    uid = uid_of("A").value
    token = replace(
        token_of("A"), contract_id=f"C-{uid}", visual_number=f"{uid.lower()}/7"
    )
    _, codec = store(token)

    [listed] = codec.listed()

    assert (listed.contract_id, listed.visual_number) == ("C-…", "…/7")
    assert listed.issuer == token.issuer
    assert listed.last_updated == token.last_updated
    assert uid not in repr(listed).upper()


@given(st.lists(tokens(), max_size=5))
def test_rows_move_to_another_file_with_its_own_numbers(moved: list[Token]) -> None:
    """Translated rows mean the same in a file whose dictionaries differ."""
    source, source_codec = store(*moved)
    target, target_codec = store(
        replace(token_of("B"), issuer="Somebody", party_id="XXX", language="fr")
    )

    rows = source.execute("SELECT * FROM tokens").fetchall()
    target.executemany(
        INSERT, [target_codec.translate(row, source_codec) for row in rows]
    )

    for token in moved:
        uid = Uid.parse(token.uid)
        assert target_codec.find(uid, token.type) == source_codec.find(uid, token.type)
