"""The cards in people's pockets, and what their eMSPs really think of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.domain.tokens import Token, TokenType, Verdict, WhitelistType
from tests.simulation.clock import BEGIN

if TYPE_CHECKING:
    import random

MASTER_GROUP: Final = "STAFF"
_PARTIES: Final = {"cpo": ("SE", "ABC"), "hub": ("DE", "HUB")}
_GROUP_OF: Final = 4
#: Where a tenant may charge.
TENANTS_MAY_USE: Final = frozenset({"E1", "E4", "E8"})


class Kind(StrEnum):
    """Cards that are alike in how they are listed and in what they may."""

    ALWAYS = "always"
    ALLOWED = "allowed"
    OFFLINE = "offline"
    NEVER = "never"
    FLEET = "fleet"
    MASTER = "master"
    TENANT = "tenant"
    VISITOR = "visitor"
    REVIVED = "revived"
    REVOKED = "revoked"
    ALWAYS_INVALID = "always_invalid"
    BLOCKED = "blocked"
    EXPIRED_OFFLINE = "expired_offline"
    POOR = "poor"
    STRANGER = "stranger"
    RANDOM = "random"


class Rights(NamedTuple):
    """How a kind is listed, what its eMSP says when asked, and how many there are."""

    whitelist: WhitelistType | None
    valid: bool
    verdict: Verdict
    how_many: int
    weight: float


RIGHTS: Final = {
    Kind.ALWAYS: Rights(WhitelistType.ALWAYS, True, Verdict.ALLOWED, 40, 2),
    Kind.ALLOWED: Rights(WhitelistType.ALLOWED, True, Verdict.ALLOWED, 80, 3),
    Kind.OFFLINE: Rights(WhitelistType.ALLOWED_OFFLINE, True, Verdict.ALLOWED, 40, 2),
    Kind.NEVER: Rights(WhitelistType.NEVER, True, Verdict.ALLOWED, 40, 2),
    Kind.FLEET: Rights(WhitelistType.ALWAYS, True, Verdict.ALLOWED, 16, 1.5),
    Kind.MASTER: Rights(WhitelistType.ALWAYS, True, Verdict.ALLOWED, 2, 0.05),
    # Allowed at some of the EVSEs only.
    Kind.TENANT: Rights(WhitelistType.NEVER, True, Verdict.ALLOWED, 15, 0.6),
    Kind.VISITOR: Rights(None, True, Verdict.ALLOWED, 20, 0.7),
    Kind.REVIVED: Rights(WhitelistType.ALLOWED, False, Verdict.ALLOWED, 10, 0.3),
    # Blocked by its eMSP on some day; the list knows it later.
    Kind.REVOKED: Rights(WhitelistType.ALLOWED, True, Verdict.BLOCKED, 15, 0.6),
    Kind.ALWAYS_INVALID: Rights(WhitelistType.ALWAYS, False, Verdict.BLOCKED, 8, 0.2),
    Kind.BLOCKED: Rights(WhitelistType.ALLOWED, False, Verdict.BLOCKED, 8, 0.2),
    Kind.EXPIRED_OFFLINE: Rights(
        WhitelistType.ALLOWED_OFFLINE, False, Verdict.EXPIRED, 8, 0.2
    ),
    Kind.POOR: Rights(WhitelistType.NEVER, True, Verdict.NO_CREDIT, 8, 0.2),
    Kind.STRANGER: Rights(None, False, Verdict.UNKNOWN, 15, 0.4),
    Kind.RANDOM: Rights(None, False, Verdict.UNKNOWN, 5, 0.1),
}


@dataclass(eq=False, slots=True)
class Card:
    """A card; `revoked_at` is when its eMSP has blocked it, or will."""

    number: int
    uid: bytes
    kind: Kind
    upstream: str
    group_id: str | None = None
    revoked_at: float | None = None

    @property
    def rights(self) -> Rights:
        """What holds for all cards of its kind."""
        return RIGHTS[self.kind]

    @property
    def key(self) -> str:
        """The number as the agent writes it."""
        return self.uid.hex().upper()

    def is_revoked(self, now: float) -> bool:
        """Whether its eMSP has blocked it."""
        return self.revoked_at is not None and self.revoked_at <= now

    def verdict(self, now: float) -> Verdict:
        """What its eMSP says when asked."""
        if self.kind is Kind.REVOKED and not self.is_revoked(now):
            return Verdict.ALLOWED
        return self.rights.verdict

    def token(self, now: float, *, asked: bool = False) -> Token | None:
        """Say what is listed about it, or told to whoever asks."""
        whitelist, valid, _, _, _ = self.rights
        if self.kind in (Kind.STRANGER, Kind.RANDOM):
            return None
        changed_at = self.revoked_at if self.is_revoked(now) else None
        revived = asked and self.kind is Kind.REVIVED
        # Younger than what is listed.
        otherwise = 0.0 if revived else -1.0
        country_code, party_id = _PARTIES[self.upstream]
        return Token(
            upstream=self.upstream,
            country_code=country_code,
            party_id=party_id,
            uid=self._spelled(),
            type=TokenType.RFID,
            contract_id=f"{country_code}-{party_id}-C{self.number:05}",
            issuer="Example",
            valid=revived or (valid and changed_at is None),
            whitelist=whitelist or WhitelistType.ALLOWED,
            last_updated=BEGIN + timedelta(seconds=changed_at or otherwise),
            group_id=self.group_id,
        )

    def _spelled(self) -> str:
        text = self.uid.hex()
        return (text, text.upper(), ":".join(f"{byte:02x}" for byte in self.uid))[
            self.number % 3
        ]


def make_cards(chance: random.Random, days: float) -> list[Card]:
    """Hand out cards of every kind."""
    cards: list[Card] = []
    for kind, rights in RIGHTS.items():
        for index in range(rights.how_many):
            number = len(cards)
            cards.append(
                Card(
                    number,
                    _uid_of(number, kind),
                    kind,
                    "hub" if number % 3 == 0 else "cpo",
                    group_id=_group_of(kind, index),
                )
            )
            if kind is Kind.FLEET:  # A fleet has one contract partner.
                cards[-1].upstream = "cpo"
            if kind is Kind.REVOKED:
                cards[-1].revoked_at = chance.uniform(0, days * 86400)
    return cards


def _group_of(kind: Kind, index: int) -> str | None:
    match kind:
        case Kind.MASTER:
            return MASTER_GROUP
        case Kind.FLEET:
            name = f"Fleet-{index // _GROUP_OF}"
            return name.upper() if index % 2 else name
        case _:
            return None


def _uid_of(number: int, kind: Kind) -> bytes:
    if kind is Kind.RANDOM:
        return bytes([0x08, number & 0xFF, 0x5A, 0xC3])
    if number % 4 == 0:
        return bytes([0x9A, 0x17, number >> 8, number & 0xFF])
    return bytes([0x04, 0xA1, 0x35, number >> 8, number & 0xFF, 0x5F, 0x80])
