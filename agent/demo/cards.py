"""The demo's cards: one for everything that can become of a tap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from agent.demo.objects import Token
from agent.domain.instant import ocpi_datetime

if TYPE_CHECKING:
    from agent.demo.objects import AllowedType, WhitelistType

COUNTRY_CODE: Final = "NL"
PARTY_ID: Final = "DMO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card somebody holds.

    `whitelist` is None for one that no backend lists, and `allowed` for one that the
    backend does not know when it is asked.
    """

    name: str
    story: str
    uid: str
    whitelist: WhitelistType | None = None
    valid: bool = True
    allowed: AllowedType | None = None

    @property
    def title(self) -> str:
        """The card as the tour calls it."""
        return f"{self.name} ({self.whitelist})" if self.whitelist else self.name

    def token(self, now: datetime) -> Token | None:
        """The Token that the eMSP has made of it."""
        if self.whitelist is None:
            return None
        return Token(
            country_code=COUNTRY_CODE,
            party_id=PARTY_ID,
            uid=self.uid,
            contract_id=make_contract_id(self),
            issuer="Demo eMSP",
            valid=self.valid,
            whitelist=self.whitelist,
            last_updated=ocpi_datetime(now),
        )


def make_contract_id(card: Card) -> str:
    """The contract that the card's holder has with the eMSP."""
    return f"{COUNTRY_CODE}-{PARTY_ID}-{card.name.upper()}"


ADA: Final = Card(
    name="Ada",
    story="always allowed, and the backend may not even be asked",
    uid="04ADA0B1C2D3E4",
    whitelist="ALWAYS",
    allowed="ALLOWED",
)
BO: Final = Card(
    name="Bo",
    story="charges at once, the backend is asked behind",
    # Spelled by the eMSP in its own way; the card itself knows no case.
    uid="04b0b1c2d3e4f5",
    whitelist="ALLOWED",
    allowed="ALLOWED",
)
CLEO: Final = Card(
    name="Cleo",
    story="asked about, and trusted when nobody answers",
    uid="04C1E0A1B2C3D4",
    whitelist="ALLOWED_OFFLINE",
    allowed="ALLOWED",
)
DORA: Final = Card(
    name="Dora",
    story="only the backend can say, and it says yes",
    uid="04D0A1B2C3D4E5",
    whitelist="NEVER",
    allowed="ALLOWED",
)
EMIL: Final = Card(
    name="Emil",
    story="only the backend can say, and it says: no credit",
    uid="04E1A2B3C4D5E6",
    whitelist="NEVER",
    allowed="NO_CREDIT",
)
FINN: Final = Card(
    name="Finn",
    story="lost and blocked",
    uid="04F1A2B3C4D5E6",
    whitelist="ALLOWED",
    valid=False,
    allowed="BLOCKED",
)
STRANGER: Final = Card(
    name="Stranger",
    story="a card that no list has and no backend knows",
    uid="045ACE0FF1CE00",
)
PHONE: Final = Card(
    name="Phone",
    story="makes up a new number each time, so it is nobody's",
    uid="08A1B2C3",
)

CARDS: Final = (ADA, BO, CLEO, DORA, EMIL, FINN, STRANGER, PHONE)


def find_card(name: str) -> Card | None:
    """Find a card by its holder's name."""
    return next((card for card in CARDS if card.name.casefold() == name), None)


def make_tokens() -> list[Token]:
    """The eMSP's whole list."""
    now = datetime.now(UTC)
    return [token for card in CARDS if (token := card.token(now))]
