"""Tokens as compact rows without card numbers: schema and coding.

A row holds no uid. Its key is a keyed hash of the uid, and what OCPI needs to send
back is rebuilt from the tapped card and a description of the eMSP's spelling. Texts
that repeat (issuers, spellings, languages) stand once in `words`.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from agent.domain.tokens import Token, TokenType, WhitelistType
from agent.domain.uid import Uid, respell, spelling_of
from agent.errors import StoreCorruptError
from agent.store.masking import forms_in, mask, unmask, veil
from agent.store.moments import from_milliseconds, to_milliseconds
from agent.store.token_schema import SELECT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from agent.store.keys import CardKeys


# Stored numbers: never renumber.
_WHITELIST_CODES = {
    WhitelistType.ALWAYS: 0,
    WhitelistType.ALLOWED: 1,
    WhitelistType.ALLOWED_OFFLINE: 2,
    WhitelistType.NEVER: 3,
}
_WHITELIST_TYPES = {code: kind for kind, code in _WHITELIST_CODES.items()}
_VALID_BIT = 4
_SPELLED_CANONICAL = 0
_SPELLED_LOWER = -1

#: Of words and of parties each; a list has some dozens, a broken one may have millions.
KEPT_IN_MEMORY: Final = 10_000

_Party = tuple[str, str, str]
Row = tuple[int, int, int, int, int, int, int | None, str, str | None, str | None, int]


class ListedToken(Struct, frozen=True, kw_only=True):
    """What a list can show of a token: everything but its card number."""

    upstream: str
    country_code: str
    party_id: str
    contract_id: str
    visual_number: str | None
    group_id: str | None
    issuer: str
    valid: bool
    whitelist: WhitelistType
    last_updated: datetime


class TokenCodec:
    """Turns Tokens into rows of one database file and back.

    The dictionaries of the file are kept in memory as far as they are small, as honest
    ones are. `rows` may add to them and must run inside the transaction that inserts
    the rows.
    """

    def __init__(self, connection: sqlite3.Connection, keys: CardKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._check_key()
        self.reload()

    def _check_key(self) -> None:
        """Refuse a file made with another key: no card would be found in it."""
        made_with = self._connection.execute("SELECT key_check FROM made_with")
        if any(value != self._keys.check_value for (value,) in made_with):
            raise StoreCorruptError("the whitelist was made with another key")

    def sign(self) -> None:
        """Note in a new file which key it is made with."""
        self._connection.execute(
            "INSERT INTO made_with (key_check) SELECT ? "
            "WHERE NOT EXISTS (SELECT 1 FROM made_with)",
            (self._keys.check_value,),
        )

    def reload(self) -> None:
        """Read the dictionaries again: after a rollback, or another's additions."""
        self._parties: dict[_Party, int] = {}
        self._party_names: dict[int, _Party] = {}
        self._words: dict[str, int] = {}
        self._word_texts: dict[int, str] = {}
        for number, *names in self._connection.execute(
            "SELECT id, upstream, country_code, party_id FROM parties LIMIT ?",
            (KEPT_IN_MEMORY,),
        ):
            upstream, country_code, party_id = names
            self._keep_party((upstream, country_code, party_id), number)
        for word, number in self._connection.execute(
            "SELECT word, id FROM words LIMIT ?", (KEPT_IN_MEMORY,)
        ):
            self._keep_word(word, number)

    def rows(self, tokens: Iterable[Token]) -> Iterator[Row]:
        """Code tokens for `INSERT`, each when it is inserted.

        Another thread, which may have a card to look up, gets its turn in between.
        """
        return map(self._row, tokens)

    def _row(self, token: Token) -> Row:
        uid = Uid.parse(token.uid).value
        free_texts = f"{token.contract_id}|{token.visual_number}"
        forms = forms_in(free_texts, uid)
        high, low = self._keys.lookup(uid, token.type)
        party = (token.upstream, token.country_code, token.party_id)
        return (
            high,
            low,
            self._parties.get(party) or self._find_party(party),
            _WHITELIST_CODES[token.whitelist] | (_VALID_BIT if token.valid else 0),
            self._spelling(token.uid, uid),
            self._words.get(token.issuer) or self._find_word(token.issuer),
            self._word(token.language) if token.language else None,
            mask(token.contract_id, forms),
            token.visual_number and mask(token.visual_number, forms),
            token.group_id and self._keys.group(token.group_id),
            to_milliseconds(token.last_updated),
        )

    def find(self, uid: Uid, token_type: TokenType) -> list[Token]:
        """Every party's token with this uid, the newest only of each party."""
        found = self._connection.execute(
            SELECT, self._keys.lookup(uid.value, token_type)
        ).fetchall()
        if not found:
            return []
        return list(
            {row[0]: self._token(uid, token_type, row) for row in found}.values()
        )

    def _token(self, uid: Uid, token_type: TokenType, row: tuple[Any, ...]) -> Token:
        party, traits, spelling, issuer, language, contract, visual, group, at = row
        upstream, country_code, party_id = self._party_name(party)
        return Token(
            upstream=upstream,
            country_code=country_code,
            party_id=party_id,
            uid=self._spell(uid, spelling),
            type=token_type,
            contract_id=unmask(contract, uid),
            issuer=self._text(issuer),
            valid=bool(traits & _VALID_BIT),
            whitelist=_WHITELIST_TYPES[traits & ~_VALID_BIT],
            last_updated=from_milliseconds(at),
            visual_number=visual and unmask(visual, uid),
            group_id=group,
            language=self._text(language) if language else None,
        )

    def listed(self) -> Iterator[ListedToken]:
        """Every row, without card numbers."""
        for row in self._connection.execute(
            "SELECT party, traits, issuer, contract_id, visual_number, group_id, "
            "updated FROM tokens ORDER BY id"
        ):
            party, traits, issuer, contract_id, visual_number, group_id, updated = row
            upstream, country_code, party_id = self._party_name(party)
            yield ListedToken(
                upstream=upstream,
                country_code=country_code,
                party_id=party_id,
                contract_id=veil(contract_id),
                visual_number=visual_number and veil(visual_number),
                group_id=group_id,
                issuer=self._text(issuer),
                valid=bool(traits & _VALID_BIT),
                whitelist=_WHITELIST_TYPES[traits & ~_VALID_BIT],
                last_updated=from_milliseconds(updated),
            )

    def translate(self, row: tuple[Any, ...], source: TokenCodec) -> Row:
        """Bring a whole row of another file over, with this file's numbers."""
        _, high, low, party, traits, spelling, issuer, language, *rest = row
        names = source._party_name(party)
        word = source._text
        contract_id, visual_number, group_id, updated = rest
        return (
            high,
            low,
            self._parties.get(names) or self._find_party(names),
            traits,
            spelling if spelling <= 0 else self._word(word(spelling)),
            self._word(word(issuer)),
            language and self._word(word(language)),
            contract_id,
            visual_number,
            group_id,
            updated,
        )

    def _spelling(self, text: str, uid: str) -> int:
        if text == uid:
            return _SPELLED_CANONICAL
        if text == uid.lower():
            return _SPELLED_LOWER
        return self._word(spelling_of(text))

    def _spell(self, uid: Uid, spelling: int) -> str:
        if spelling == _SPELLED_CANONICAL:
            return uid.value
        if spelling == _SPELLED_LOWER:
            return uid.value.lower()
        return respell(uid, self._text(spelling))

    # ---- dictionaries -------------------------------------------------------------

    def _party_name(self, number: int) -> _Party:
        if (party := self._party_names.get(number)) is None:
            row = self._connection.execute(
                "SELECT upstream, country_code, party_id FROM parties WHERE id = ?",
                (number,),
            ).fetchone()
            if row is None:
                raise StoreCorruptError(f"the whitelist has no party number {number}")
            party = (row[0], row[1], row[2])
            self._keep_party(party, number)
        return party

    def _text(self, number: int) -> str:
        if (word := self._word_texts.get(number)) is None:
            row = self._connection.execute(
                "SELECT word FROM words WHERE id = ?", (number,)
            ).fetchone()
            if row is None:
                raise StoreCorruptError(f"the whitelist has no word number {number}")
            word = str(row[0])
            self._keep_word(word, number)
        return word

    def _word(self, word: str) -> int:
        return self._words.get(word) or self._find_word(word)

    def _find_word(self, word: str) -> int:
        """Number a word that is not in memory."""
        row = self._connection.execute(
            "SELECT id FROM words WHERE word = ?", (word,)
        ).fetchone()
        number = row[0] if row else self._add("words (word) VALUES (?)", (word,))
        self._keep_word(word, number)
        return int(number)

    def _find_party(self, party: _Party) -> int:
        """Number a party that is not in memory."""
        row = self._connection.execute(
            "SELECT id FROM parties "
            "WHERE upstream = ? AND country_code = ? AND party_id = ?",
            party,
        ).fetchone()
        columns = "parties (upstream, country_code, party_id) VALUES (?, ?, ?)"
        number = row[0] if row else self._add(columns, party)
        self._keep_party(party, number)
        return int(number)

    def _add(self, columns: str, values: tuple[str, ...]) -> int:
        return self._connection.execute(f"INSERT INTO {columns}", values).lastrowid or 0

    def _keep_word(self, word: str, number: int) -> None:
        if len(self._words) < KEPT_IN_MEMORY:
            self._words[word] = number
            self._word_texts[number] = word

    def _keep_party(self, party: _Party, number: int) -> None:
        if len(self._parties) < KEPT_IN_MEMORY:
            self._parties[party] = number
            self._party_names[number] = party
