"""Cards named by one letter, and the Tokens that eMSPs would list for them."""

from __future__ import annotations

from datetime import UTC, datetime

from agent.domain.tokens import Token, TokenType, WhitelistType
from agent.domain.uid import Uid


def uid_of(card: str) -> Uid:
    """Give the card with this letter its 7-byte number."""
    return Uid.from_bytes(bytes([0x04, ord(card), 0xA1, 0xB2, 0xC3, 0xD4, 0xE5]))


def name_of(uid: Uid) -> str:
    """Find the letter of a card; `?` stands for any other number."""
    raw = bytes.fromhex(uid.value)
    card = chr(raw[1]) if len(raw) > 1 else "?"
    return card if card.isalnum() and uid_of(card) == uid else "?"


def token_of(
    card: str,
    whitelist: WhitelistType = WhitelistType.ALWAYS,
    *,
    valid: bool = True,
    group_id: str | None = None,
    party_id: str = "EMS",
) -> Token:
    """List a card: by default it may charge and nobody is asked."""
    return Token(
        upstream="cpo",
        country_code="SE",
        party_id=party_id,
        uid=uid_of(card).value.lower(),
        type=TokenType.RFID,
        contract_id=f"SE-{party_id}-C0000{card}",
        issuer="Example",
        valid=valid,
        whitelist=whitelist,
        last_updated=datetime(2026, 1, 1, tzinfo=UTC),
        group_id=group_id,
    )
