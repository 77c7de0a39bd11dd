"""Tokens without a version, as the books of an eMSP have them, and their rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.reference.values import JsonObject

Party = tuple[str, str]

#: Fields that came with 2.2; everything else a test invents is sent as it is.
_SINCE_22: Final = frozenset(
    (
        *("country_code", "party_id", "group_id", "default_profile_type"),
        "energy_contract",
    )
)


def token(uid: str, **changes: object) -> JsonObject:
    """Make a Token of a card; any field may be changed, unknown ones added."""
    return {
        "uid": uid,
        "type": "RFID",
        "contract_id": f"NL-TNM-C{uid[-12:]}",
        "issuer": "Reference Mobility",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-01-02T03:04:05Z",
        **changes,
    }


def render(version: str, one: JsonObject, party: Party) -> JsonObject:
    """Write a Token as this version has it; `party` owns it unless it says so."""
    if version != "2.1.1":
        country_code, party_id = party
        return {"country_code": country_code, "party_id": party_id, **one}
    kept = {name: value for name, value in one.items() if name not in _SINCE_22}
    if "contract_id" in kept:
        kept["auth_id"] = kept.pop("contract_id")
    return kept


def owner(one: JsonObject, party: Party) -> Party:
    """Tell whose Token it is."""
    return one.get("country_code", party[0]), one.get("party_id", party[1])


def fold_party(party: Party) -> Party:
    """Make parties comparable: their codes are case-insensitive."""
    return party[0].casefold(), party[1].casefold()


def is_same(one: Party, other: Party) -> bool:
    """Whether two parties are one."""
    return fold_party(one) == fold_party(other)
