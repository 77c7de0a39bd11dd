"""The schema of an [[upstream]], and where its secrets are kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path  # noqa: TC003 - msgspec reads the annotations
from typing import Annotated, Literal

from msgspec import Meta, Struct

from agent.config.types import (  # noqa: TC001 - msgspec reads them
    CountryCode,
    Name,
    PartyId,
    PartyName,
    Percent,
    ProxyUrl,
    Secret,
    Url,
)
from agent.domain.reports import Scope
from agent.errors import ConfigError
from agent.ocpi.quirks import Quirk  # noqa: TC001 - msgspec reads it


class SecretSource(Struct, frozen=True, kw_only=True):
    """Where a secret is kept; never the secret itself."""

    file: Path | None = None
    credential: Name | None = None

    def path(self) -> Path:
        """Say which file it is in; ConfigError if only the service can see it."""
        if self.file is None:
            raise ConfigError(
                f"credential {self.credential!r} is handed to the running service "
                "only: start that first, and run this with sudo"
            )
        return self.file

    def read(self) -> str:
        """Read a secret of one line; ConfigError if it is not there."""
        path = self.path()
        try:
            token = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or "expected ASCII text"
            raise ConfigError(f"{path}: {reason}") from err
        if not token:
            raise ConfigError(f"{path} is empty")
        if not token.isprintable() or " " in token:
            raise ConfigError(f"{path}: expected the secret alone, in one line")
        return token


class UpstreamConfig(Struct, frozen=True, kw_only=True):
    """[[upstream]]: one OCPI party that owns tokens and hears of sessions."""

    name: Name
    versions_url: Url
    token: Secret
    handshake: bool = False
    version: Literal["auto", "2.1.1", "2.2.1", "2.3.0"] = "auto"
    country_code: CountryCode | None = None
    party_id: PartyId | None = None
    as_party: PartyName = ""
    tokens: bool = True
    authorize_unknown: bool = False
    sessions: Scope = Scope.OWN
    cdrs: bool = False
    sync_every: timedelta = timedelta(hours=1)
    full_sync_every: timedelta = timedelta(days=1)
    max_shrink: Percent = 50
    page_size: Annotated[
        int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10000")
    ] = 1000
    link_origins: list[Url] = []
    quirks: list[Quirk] = []
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Secret | None = None
    proxy: ProxyUrl | None = None
    proxy_login: Secret | None = None


class Upstream(Struct, frozen=True, kw_only=True):
    """An upstream with its secrets' places found."""

    config: UpstreamConfig
    token: SecretSource
    client_key: SecretSource | None = None
    proxy_login: SecretSource | None = None
