"""The tables of a whitelist file, and the statements of its hot paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlite_utils.migrations import Migrations

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Migrations("whitelist")

_COLUMNS = (
    "(key_high, key_low, party, traits, spelling, issuer, language, contract_id, "
    "visual_number, group_id, updated)"
)
_SAME_ROW = "key_high = ? AND key_low = ? AND party = ?"
INSERT = f"INSERT INTO tokens {_COLUMNS} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
# These two keep the newer of two; the first three columns say which token it is.
DELETE_OLDER = f"DELETE FROM tokens WHERE {_SAME_ROW} AND updated <= ?"  # noqa: S608
INSERT_UNLESS_NEWER = (
    f"INSERT INTO tokens {_COLUMNS} "  # noqa: S608
    "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? "
    f"WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE {_SAME_ROW})"
)
SELECT = (
    "SELECT party, traits, spelling, issuer, language, contract_id, visual_number, "
    "group_id, updated FROM tokens WHERE key_high = ? AND key_low = ? "
    "ORDER BY updated, id"
)
CREATE_INDEX = "CREATE INDEX IF NOT EXISTS tokens_by_key ON tokens (key_high)"


@migrations(name="0001_tokens")
def create_tables(database: Database) -> None:
    """Lay out the tables; `CREATE_INDEX` follows when a file is complete.

    A 64-bit index finds the row and the other half of the key confirms it: that
    saves a third of the index and loses nothing. Rows are not unique by key: the
    newest of a party counts.
    """
    database.table("parties").create(
        {"id": int, "upstream": str, "country_code": str, "party_id": str},
        pk="id",
        not_null={"upstream", "country_code", "party_id"},
    ).create_index(["upstream", "country_code", "party_id"], unique=True)
    database.table("words").create(
        {"id": int, "word": str}, pk="id", not_null={"word"}
    ).create_index(["word"], unique=True)
    numbers = ("key_high", "key_low", "party", "traits", "spelling", "issuer")
    database.table("tokens").create(
        {"id": int}
        | dict.fromkeys((*numbers, "language"), int)
        | dict.fromkeys(("contract_id", "visual_number", "group_id"), str)
        | {"updated": int},
        pk="id",
        not_null={*numbers, "contract_id", "updated"},
    )
    database.table("made_with").create({"key_check": int})
    database.table("upstreams").create(
        {
            "name": str,
            "origin": str,
            "cursor": int,
            "synchronized_at": str,
            "swept_at": str,
        },
        pk="name",
    )
