"""How one reference backend differs from another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.reference.server import Tls
    from tests.reference.tokens import Party

Encoding = Literal["raw", "base64", "either"]

VERSIONS: Final = ("2.1.1", "2.2.1", "2.3.0")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is fixed before the backend listens."""

    versions: tuple[str, ...] = VERSIONS
    #: The eMSP, or the one of several that tokens belong to by default.
    party: Party = ("NL", "TNM")
    #: Makes the backend a hub; `party` and the owners of tokens stand behind it.
    hub: Party | None = None
    #: Whether authorize may leave out whom it is for: as a hub foresees it, and as
    #: platforms of one party each may, until a handshake has told that party.
    has_open_routing: bool = True
    #: Who the station must be; None takes the first that it says.
    cpo: Party | None = None
    #: Known from the start, without a handshake; None demands one.
    provisioned_token: str | None = "reference-credentials-token"
    base: str = "/ocpi"
    #: Whether the published URLs of modules end in a slash.
    has_slash: bool = False
    modules: tuple[str, ...] = ("tokens", "sessions", "cdrs")
    #: What a station must serve to be registered.
    required: tuple[tuple[str, str], ...] = (("tokens", "RECEIVER"),)
    page_size: int = 50
    #: Where opaque links to the next page lead; None writes offset and limit.
    next_path: str | None = None
    #: How the token is written for the versions URL, which belongs to no version.
    versions_encoding: Encoding = "either"
    #: Whether authorize without LocationReferences is answered with 2002.
    needs_location: bool = True
    unknown_token: Literal["404+2004", "404", "200+2004"] = "404+2004"
    #: What a CDR is answered that is sent again; only an unanswered one may be.
    duplicate_cdr: Literal["accept", "conflict", "refuse"] = "accept"
    tls: Tls | None = None
    #: What the station's own certificate is checked with.
    station_ca: Path | None = None
    #: The certificate and key that the backend shows to the station.
    client_certificate: tuple[Path, Path] | None = None
    now: Callable[[], datetime] = _now
