"""One backend as the configuration describes it."""

from __future__ import annotations

from typing import Final

import httpx
from msgspec import Struct

from agent.errors import ConfigError
from agent.ocpi.authorization import CredentialsToken  # noqa: TC001 - msgspec reads it
from agent.ocpi.discovery import Wanted
from agent.ocpi.network import DIRECT, Network
from agent.ocpi.pages import PAGE_SIZE
from agent.ocpi.quirks import Quirk  # noqa: TC001 - msgspec reads it
from agent.ocpi.station import Party, StationIdentity  # noqa: TC001 - msgspec reads them
from agent.ocpi.urls import resolve_url
from agent.ocpi.wire import SUPPORTED

AUTO: Final = "auto"
_WHOLE_LOCATION: Final = (
    "address, city, postal_code, country, latitude and longitude in [station]"
)


class Upstream(Struct, frozen=True, kw_only=True):
    """The configuration of one backend.

    `token` is for good, or for registering with it if there is to be a `handshake`.
    `version` is a number, or "auto" for the newest that both sides speak;
    `their_party` is the eMSP's, or the hub's, if it wants to be addressed;
    `page_size` is how many tokens we ask for at a time. `has_tokens` is False for a
    backend that is only told of sessions. `link_origins` are other servers that may
    serve the next page of a list.
    """

    name: str
    versions_url: str
    token: CredentialsToken
    station: StationIdentity
    handshake: bool = False
    version: str = AUTO
    their_party: Party | None = None
    page_size: int = PAGE_SIZE
    has_tokens: bool = True
    link_origins: tuple[str, ...] = ()
    quirks: frozenset[Quirk] = frozenset()
    network: Network = DIRECT

    def __post_init__(self) -> None:
        """Raise ConfigError for a URL or a version that cannot work."""
        if resolve_url(self.versions_url, "") is None:
            raise ConfigError(
                f"{self.name}: versions_url: expected an http or https URL, "
                f"got {self.versions_url!r}"
            )
        if self.version not in (AUTO, *SUPPORTED):
            raise ConfigError(
                f"{self.name}: version: expected {AUTO} or {' or '.join(SUPPORTED)}, "
                f"got {self.version!r}"
            )

    @property
    def origin(self) -> httpx.URL:
        """The server that the operator has named."""
        return httpx.URL(self.versions_url)

    def wanted(self, registered: str | None = None) -> Wanted:
        """What to look for; once registered that is the agreed version alone."""
        unusable = self._unusable()
        if registered is not None:
            versions: tuple[str, ...] = (registered,)
        elif self.version != AUTO:
            versions = (self.version,)
        else:
            versions = tuple(one for one in SUPPORTED if one not in unusable)
        return Wanted(versions=versions, tokens=self.has_tokens, unusable=unusable)

    def _unusable(self) -> dict[str, str]:
        """What the configuration lacks for versions that need more of it."""
        lacks = []
        location = self.station.location
        if location is None:
            lacks.append(_WHOLE_LOCATION)
        elif location.postal_code is None:
            lacks.append("postal_code in [station]")
        if self.their_party is None and not self.handshake:
            lacks.append("country_code and party_id in [[upstream]]")
        if not lacks:
            return {}
        return {
            model.VERSION: " and ".join(lacks)
            for model in SUPPORTED.values()
            if not model.NAMES_PARTIES
        }
