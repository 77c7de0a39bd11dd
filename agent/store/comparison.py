"""Whether two whitelist files say the same of an upstream, whatever their order."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3

# Whole rows in words of their own, since each file numbers its parties and words.
_ROWS = """
SELECT key_high, key_low, country_code, party_id, traits, min(spelling, 0),
    spellings.word, issuers.word, languages.word,
    contract_id, visual_number, group_id, updated
FROM tokens JOIN parties ON parties.id = party
LEFT JOIN words AS spellings ON spellings.id = spelling
LEFT JOIN words AS issuers ON issuers.id = issuer
LEFT JOIN words AS languages ON languages.id = language
WHERE upstream = ?
"""
_COUNT = (
    "SELECT count(*) FROM tokens JOIN parties ON parties.id = party WHERE upstream = ?"
)
_DIGEST_BYTES = 16


def are_alike(
    one: sqlite3.Connection, other: sqlite3.Connection, upstream: str
) -> bool:
    """Say whether both list the same tokens of an upstream; may read all of both.

    Memory is bounded: what is compared is the sum of a digest of each row, which also
    tells a row that is there twice.
    """
    return _count(one, upstream) == _count(other, upstream) and (
        _digest(one, upstream) == _digest(other, upstream)
    )


def _count(connection: sqlite3.Connection, upstream: str) -> int:
    (rows,) = connection.execute(_COUNT, (upstream,)).fetchone()
    return int(rows)


def _digest(connection: sqlite3.Connection, upstream: str) -> int:
    encode = msgspec.msgpack.Encoder().encode
    total = 0
    for row in connection.execute(_ROWS, (upstream,)):
        digest = blake2b(encode(row), digest_size=_DIGEST_BYTES).digest()
        total += int.from_bytes(digest)
    return total
