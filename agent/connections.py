"""From the configuration of an upstream to its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.reports import Subscriber
from agent.errors import ConfigError
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.connection import OcpiConnection
from agent.ocpi.memory import Memory
from agent.ocpi.network import Network, Proxy
from agent.ocpi.station import Location, Party, StationIdentity
from agent.ocpi.tls import TlsOptions
from agent.ocpi.upstream import Upstream
from agent.store.secret_file import SecretFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Config, SecretSource
    from agent.config import Upstream as UpstreamTables
    from agent.errors import AgentError


def connect(
    config: Config,
    tables: UpstreamTables,
    on_change: Callable[[AgentError | None], None] = lambda _: None,
    *,
    clock_is_synchronized: Callable[[], bool] = lambda: True,
) -> OcpiConnection:
    """Make an upstream's connection; reads its secrets, opens nothing."""
    upstream = describe(config, tables)
    path = config.station.state_dir / f"connection-{upstream.name}.json"
    return OcpiConnection(
        upstream,
        Memory(upstream.versions_url, SecretFile(path)),
        clock_is_synchronized=clock_is_synchronized,
        on_change=on_change,
    )


def subscriber(tables: UpstreamTables) -> Subscriber:
    """What an upstream wants to be told."""
    wanted = tables.config
    return Subscriber(name=wanted.name, sessions=wanted.sessions, cdrs=wanted.cdrs)


def read_token(tables: UpstreamTables) -> CredentialsToken:
    """Read the token that the configuration names, as it is now."""
    return CredentialsToken(tables.token.read())


def describe(config: Config, tables: UpstreamTables) -> Upstream:
    """Put together what the connection needs to know."""
    wanted = tables.config
    theirs = None
    if wanted.country_code and wanted.party_id:
        theirs = Party(wanted.country_code, wanted.party_id)
    key = tables.client_key
    return Upstream(
        name=wanted.name,
        versions_url=wanted.versions_url,
        token=read_token(tables),
        handshake=wanted.handshake,
        version=wanted.version,
        their_party=theirs,
        page_size=wanted.page_size,
        has_tokens=wanted.tokens,
        link_origins=tuple(wanted.link_origins),
        quirks=frozenset(wanted.quirks),
        station=_identity(config, wanted.as_party),
        network=Network(
            tls=TlsOptions(
                ca_file=wanted.ca_file,
                certificate=wanted.client_certificate,
                key=key.path() if key else None,
            ),
            proxy=_proxy(wanted.proxy, tables.proxy_login),
        ),
    )


def _identity(config: Config, as_party: str) -> StationIdentity:
    station = config.station
    ours = Party(station.country_code, station.party_id)
    if as_party:
        ours = Party(*as_party.split("*"))
    return StationIdentity(
        country_code=ours.country_code,
        party_id=ours.party_id,
        location_id=station.location_id,
        location=_location(config),
        places=config.places(),
        name=station.operator,
        website=station.website,
    )


def _location(config: Config) -> Location | None:
    """The whole Location, if the configuration has it."""
    station = config.station
    if (
        station.address is None
        or station.city is None
        or station.country is None
        or station.latitude is None
        or station.longitude is None
    ):
        return None
    return Location(
        address=station.address,
        city=station.city,
        country=station.country,
        latitude=station.latitude,
        longitude=station.longitude,
        postal_code=station.postal_code,
        state=station.state,
        name=station.location_name,
        time_zone=station.time_zone,
        type=station.location_type,
    )


def _proxy(url: str | None, login: SecretSource | None) -> Proxy | None:
    if url is None:
        return None
    if login is None:
        return Proxy(url)
    username, separator, password = login.read().partition(":")
    if not separator:
        raise ConfigError("proxy_login: expected user:password in one line")
    return Proxy(url, username, password)
