"""What each table allows and the tables together do not."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent import registry
from agent.config.reading import Mistakes, Place
from agent.domain.policy import OfflineMode
from agent.domain.reports import Scope
from drivers.driver import Taking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.config import Config
    from agent.config.upstream import UpstreamConfig

V211 = "2.1.1"
#: What a whole OCPI Location needs; a CDR has one, and every Session of 2.1.1.
LOCATION_KEYS = ("address", "city", "country", "latitude", "longitude")


def check_combinations(
    config: Config, mistakes: Mistakes, *, has_all_upstreams: bool
) -> None:
    """Check what no table can know by itself.

    `has_all_upstreams`: no [[upstream]] was left out for a mistake of its own.
    """
    if has_all_upstreams:
        _check_unknown_cards(config, mistakes)
    _check_what_is_taken(config, mistakes)
    _check_indicators(config, mistakes)
    _check_location(config, mistakes)
    _check_server(config, mistakes)
    _check_tariff(config, mistakes)
    for number, upstream in enumerate(config.upstreams, start=1):
        _check_upstream(config, upstream.config, Place("upstream", number), mistakes)


def _check_upstream(
    config: Config, upstream: UpstreamConfig, place: Place, mistakes: Mistakes
) -> None:
    for key, is_wrong, need in _needs_of(config, upstream):
        if is_wrong:
            mistakes.add(place, key, f"needs {need}")


#: A key, whether what it needs is missing, and what that is.
_Need = tuple[str, bool, str]


def _needs_of(config: Config, upstream: UpstreamConfig) -> Iterator[_Need]:
    """Every key that needs another one."""
    yield (
        "handshake",
        upstream.handshake and config.server.public_url is None,
        "public_url in [server], where the backend can reach us",
    )
    yield from _needs_of_cdrs(config, upstream)
    if upstream.version == V211:
        yield from _needs_of_v211(config, upstream)
    country, party = upstream.country_code, upstream.party_id
    yield "country_code", bool(country) and not party, "party_id"
    yield "party_id", bool(party) and not country, "country_code"
    yield (
        "tokens",
        not upstream.tokens and upstream.sessions is not Scope.ALL,
        'sessions = "all" if it is false: nobody charges with cards of theirs',
    )
    yield (
        "authorize_unknown",
        upstream.authorize_unknown and not upstream.tokens,
        "tokens = true: it asks the same module",
    )
    has_key = upstream.client_key is not None
    yield (
        "client_key",
        has_key and upstream.client_certificate is None,
        "client_certificate",
    )
    has_login = upstream.proxy_login is not None
    yield "proxy_login", has_login and upstream.proxy is None, "proxy"


def _needs_of_cdrs(config: Config, upstream: UpstreamConfig) -> Iterator[_Need]:
    if not upstream.cdrs:
        return
    missing = missing_location_keys(config)
    has_no_id = any(evse.config.evse_id is None for evse in config.evses)
    yield (
        "cdrs",
        config.price() is None,
        "a price in [tariff]; a CDR without a price is never sent",
    )
    yield "cdrs", bool(missing), f"{', '.join(missing)} in [station]"
    yield "cdrs", has_no_id, "evse_id in every [[evse]]"
    yield "cdrs", upstream.sessions is Scope.NONE, "sessions to be told, too"


def _needs_of_v211(config: Config, upstream: UpstreamConfig) -> Iterator[_Need]:
    missing = missing_location_keys(config)
    if config.station.postal_code is None:
        missing = [*missing, "postal_code"]
    yield (
        "version",
        bool(missing),
        f"{', '.join(missing)} in [station]: 2.1.1 tells the whole Location",
    )
    yield (
        "version",
        not (upstream.handshake or names_party(upstream)),
        "country_code and party_id: 2.1.1 does not tell whose a card is",
    )


def names_party(upstream: UpstreamConfig) -> bool:
    """Whether the configuration says which party an upstream is."""
    return bool(upstream.country_code and upstream.party_id)


def missing_location_keys(config: Config) -> list[str]:
    """Which keys of [station] a whole Location still needs."""
    station = config.station
    return [key for key in LOCATION_KEYS if getattr(station, key) is None]


def _check_location(config: Config, mistakes: Mistakes) -> None:
    """Refuse half a Location, which would be found out by a backend otherwise."""
    missing = missing_location_keys(config)
    if 0 < len(missing) < len(LOCATION_KEYS):
        given = next(key for key in LOCATION_KEYS if key not in missing)
        mistakes.add(Place("station"), given, f"needs {', '.join(missing)} as well")


def _check_server(config: Config, mistakes: Mistakes) -> None:
    server = config.server
    if (server.certificate is None) is not (server.key is None):
        key = "key" if server.certificate is None else "certificate"
        mistakes.add(Place("server"), key, "needs certificate and key")
    elif server.certificate is None and not _is_local(server.listen):
        need = "needs certificate and key, or an address of this machine alone"
        mistakes.add(Place("server"), "listen", need, server.listen)


def _is_local(listen: str) -> bool:
    host = urlsplit(f"//{listen}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_tariff(config: Config, mistakes: Mistakes) -> None:
    if config.tariff.vat_percent is not None and config.price() is None:
        need = "needs a price: per_kwh, per_minute or per_session"
        mistakes.add(Place("tariff"), "vat_percent", need)


def _check_unknown_cards(config: Config, mistakes: Mistakes) -> None:
    """Demand somebody to tell of unknown cards that may charge offline."""
    authorization = config.authorization
    if authorization.offline is not OfflineMode.ALLOW_UNKNOWN:
        return
    if not any(
        item.config.authorize_unknown
        and item.config.country_code
        and item.config.party_id
        for item in config.upstreams
    ):
        mistakes.add(
            Place("authorization"),
            "offline",
            "needs an [[upstream]] with authorize_unknown = true and its "
            "country_code and party_id, to book unknown cards on",
            authorization.offline.value,
        )


def _check_what_is_taken(config: Config, mistakes: Mistakes) -> None:
    """Refuse one device, line or pipe that two drivers would fight over."""
    tables = []
    for number, evse in enumerate(config.evses, start=1):
        place = Place("evse", number)
        tables.append((place, "charger", f"charger of {evse.uid}", evse.charger))
        if evse.meter is not None:
            tables.append((place, "meter", f"meter of {evse.uid}", evse.meter))
    for number, reader in enumerate(config.readers, start=1):
        place = Place("reader", number)
        indicator = f"indicator of {reader.name}"
        tables += [
            (place, "driver", f"reader {reader.name}", reader.reader),
            (place, "indicator", indicator, reader.indicator),
        ]
    users: dict[str, str] = {}
    for place, key, user, table in tables:
        for used in _taken_by(table.options):
            if used in users:
                problem = f"{used} is used by the {users[used]} and the {user}"
                mistakes.add(place, key, problem)
            users.setdefault(used, user)


def _check_indicators(config: Config, mistakes: Mistakes) -> None:
    """Let each indicator say whether it goes with its reader."""
    for number, reader in enumerate(config.readers, start=1):
        driver = registry.load_driver(registry.INDICATORS, reader.indicator.driver)
        options, its_reader = reader.indicator.options, reader.reader.options
        for key, problem in driver.find_misfits(options, its_reader):
            mistakes.add(Place("reader", number), f"indicator.{key}", problem)


def _taken_by(options: object) -> Iterator[str]:
    """Name what a driver does not share: all its files, and what its Config `takes`."""
    if is_dataclass(options) and not isinstance(options, type):
        values = (getattr(options, item.name) for item in fields(options))
        yield from (str(value) for value in values if isinstance(value, Path))
    if isinstance(options, Taking):
        yield from options.takes()
