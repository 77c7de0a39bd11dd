"""Cards for the tests, and the OCPI Tokens that list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.interop.extrawest import JsonObject

ALWAYS: Final = "04C1A5E7D21B80"
ALLOWED: Final = "04D39B12F6C481"
OFFLINE: Final = "04E86F3AC57D82"
NEVER: Final = "04F4520DB9EE83"
INVALID: Final = "04A7B3C96E1584"
UNKNOWN: Final = "049D84E20F7A85"
SHORT: Final = "9A5CE714"

PARTY: Final = ("NL", "TNM")


def token(uid: str, whitelist: str, **changes: Any) -> JsonObject:  # noqa: ANN401 - any field of a Token
    """Build an OCPI 2.2.1 Token; its contract says which card it is, without number."""
    country_code, party_id = PARTY
    return {
        "country_code": country_code,
        "party_id": party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": contract_of(uid),
        "issuer": "Test Mobility",
        "valid": True,
        "whitelist": whitelist,
        "last_updated": "2026-01-02T03:04:05Z",
    } | changes


def contract_of(uid: str) -> str:
    """Return the contract of a card: its place among the cards above."""
    return f"NL-TNM-C{CARDS.index(uid):08d}"


CARDS: Final = (ALWAYS, ALLOWED, OFFLINE, NEVER, INVALID, UNKNOWN, SHORT)


def listed() -> list[JsonObject]:
    """List one card of each whitelist type, and one that is no longer valid."""
    return [
        token(ALWAYS, "ALWAYS"),
        token(ALLOWED, "ALLOWED"),
        token(OFFLINE, "ALLOWED_OFFLINE"),
        token(NEVER, "NEVER"),
        token(INVALID, "ALWAYS", valid=False),
    ]
