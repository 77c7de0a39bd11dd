"""OCPI Tokens and what a backend says about them, whatever the OCPI version."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from enum import StrEnum

from msgspec import Struct


class WhitelistType(StrEnum):
    """How far a cached Token may be trusted (OCPI 2.2.1 mod_tokens)."""

    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


class TokenType(StrEnum):
    """What a Token stands for; only RFID can be tapped."""

    RFID = "RFID"
    OTHER = "OTHER"
    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    EMAID = "EMAID"


class Token(Struct, frozen=True, kw_only=True):
    """A Token as the whitelist or an answer gives it.

    `upstream` names the connection it came from. `uid` is spelled as the eMSP
    spells it, for sending back; compare cards by `Uid`, never by this field. Once a
    token has come in, its `group_id` is a keyed hash, good for comparing only.
    """

    upstream: str
    country_code: str
    party_id: str
    uid: str
    type: TokenType
    contract_id: str
    issuer: str
    valid: bool
    whitelist: WhitelistType
    last_updated: datetime
    visual_number: str | None = None
    group_id: str | None = None
    language: str | None = None

    def __repr__(self) -> str:
        """Name the token without its numbers."""
        return (
            f"Token({self.country_code}*{self.party_id} of {self.upstream}, "
            f"{self.whitelist}, valid={self.valid})"
        )


class Verdict(StrEnum):
    """OCPI's AllowedType, and `UNKNOWN` for the three shapes of "unknown token"."""

    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"
    UNKNOWN = "UNKNOWN"


class Answer(Struct, frozen=True, kw_only=True):
    """The eMSP spoke.

    `evse_uids` holds casefolded EVSE uids the permission is limited to, empty for
    no limit; `info` is the text meant for the driver.
    """

    upstream: str
    verdict: Verdict
    token: Token | None = None
    evse_uids: frozenset[str] = frozenset()
    authorization_reference: str | None = None
    info: str | None = None

    def allows(self, evse_uid: str) -> bool:
        """Whether the card may charge at this EVSE."""
        allowed = self.verdict is Verdict.ALLOWED
        return allowed and (not self.evse_uids or evse_uid.casefold() in self.evse_uids)


class NoAnswer(Struct, frozen=True):
    """Nobody spoke in time, or not intelligibly: the offline rules decide.

    `silent` if nobody was heard at all: the upstream may be dead.
    """

    reason: str
    silent: bool = False


class Misconfigured(Struct, frozen=True):
    """The backend refuses to talk to us; this is not "offline"."""

    reason: str


Reply = Answer | NoAnswer | Misconfigured
