"""Every key that has values of its own kind: what is taken, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from agent.config import load_config
from agent.config.schema import ServerConfig, StationConfig, TariffConfig
from agent.config.upstream import UpstreamConfig
from agent.domain.reports import Scope
from agent.errors import ConfigError
from agent.ocpi.quirks import Quirk
from tests.agent.config.station_file import GOOD, extend, load, write

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config import Config

#: A table, a key, a value that is refused, what must be said of it.
REFUSED: list[tuple[str, str, str, str]] = [
    ("station", "operator", f'"{"x" * 101}"', "at most 100 characters"),
    ("station", "website", '"cpo.example"', "a URL"),
    ("station", "website", '"https://cpo.example:99999"', "a URL"),
    ("station", "address", '""', "1 to 45 characters"),
    ("station", "address", f'"{"x" * 46}"', "1 to 45 characters"),
    ("station", "city", "5", "1 to 45 characters"),
    ("station", "postal_code", f'"{"1" * 11}"', "expected"),
    ("station", "state", f'"{"x" * 21}"', "expected"),
    ("station", "country", '"SE"', "three capital letters"),
    ("station", "country", '"swe"', "three capital letters"),
    ("station", "latitude", '"59.3"', "5 to 7 decimals"),
    ("station", "latitude", "59.329323", "5 to 7 decimals"),
    ("station", "latitude", '"90.00001"', "5 to 7 decimals"),
    ("station", "latitude", '"-91.00000"', "5 to 7 decimals"),
    ("station", "latitude", '"59,329323"', "5 to 7 decimals"),
    ("station", "longitude", '"180.00001"', "5 to 7 decimals"),
    ("station", "longitude", '"200.00000"', "5 to 7 decimals"),
    ("station", "longitude", '"18.06858123"', "5 to 7 decimals"),
    ("station", "location_name", f'"{"x" * 101}"', "at most 100 characters"),
    ("station", "location_type", '"GARAGE"', '"PARKING_GARAGE"'),
    ("station", "time_zone", '""', "1 to 45 characters"),
    ("reporting", "tell_grants", '"yes"', "true or false"),
    # Never a binary fraction, never less than nothing.
    ("tariff", "per_kwh", "39.5", 'a number as text, like "39.5"'),
    ("tariff", "per_kwh", '"-1"', "a number as text"),
    ("tariff", "per_kwh", '"1e3"', "a number as text"),
    ("tariff", "per_kwh", '"NaN"', "a number as text"),
    ("tariff", "per_kwh", '"Infinity"', "a number as text"),
    ("tariff", "per_kwh", '"1,5"', "a number as text"),
    ("tariff", "per_kwh", '" 1"', "a number as text"),
    ("tariff", "per_kwh", '"1\\n"', "a number as text"),
    ("tariff", "per_kwh", '".5"', "a number as text"),
    ("tariff", "per_kwh", '"1."', "a number as text"),
    ("tariff", "per_kwh", '"٣"', "a number as text"),
    ("tariff", "per_kwh", '"1234567890"', "a number as text"),
    ("tariff", "per_kwh", '"0.0000001"', "a number as text"),
    ("tariff", "per_kwh", '""', "a number as text"),
    ("tariff", "per_kwh", "true", "a number as text"),
    ("tariff", "per_kwh", "nan", "a number as text"),
    ("tariff", "per_kwh", "-1", "a number as text"),
    ("tariff", "per_kwh", "[1]", "a number as text"),
    ("tariff", "per_minute", "1.25", "a number as text"),
    ("tariff", "per_session", "0.5", "a number as text"),
    ("tariff", "minor_digits", "5", "how many decimals"),
    ("tariff", "minor_digits", "-1", "how many decimals"),
    ("tariff", "minor_digits", '"2"', "how many decimals"),
    ("server", "public_url", '"station.example"', "a URL"),
    ("server", "public_url", '"https://station.example:port/"', "a URL"),
    ("server", "listen", '"8090"', "an address and a port"),
    ("server", "listen", '"127.0.0.1:99999"', "an address and a port"),
    ("server", "listen", '"::1:8090"', "an address and a port"),
    ("server", "listen", '"[::1:8090"', "an address and a port"),
    ("server", "listen", "8090", "an address and a port"),
    ("server", "certificate", "5", "a path"),
    ("server", "max_body_kib", "0", "a whole number"),
    ("server", "max_requests_per_minute", "0", "a whole number"),
    ("server", "keep_cards", '"7"', "a duration"),
    ("server", "keep_cards", "7", "a duration"),
    ("evse", "evse_id", '""', "1 to 48"),
    ("evse", "evse_id", '"SE*ABC E1"', "1 to 48"),
    ("evse", "evse_id", f'"{"x" * 49}"', "1 to 48"),
    ("evse", "connector_standard", '"IEC 62196"', "1 to 36"),
    ("evse", "connector_format", '"PLUG"', 'one of "SOCKET", "CABLE"'),
    ("evse", "power_type", '"AC"', '"AC_1_PHASE"'),
    ("evse", "voltage", "0", "expected"),
    ("evse", "amperage", "-16", "expected"),
    ("evse", "amperage", "32.5", "expected"),
    ("evse", "meter_id", '""', "1 to 255"),
    ("upstream", "handshake", "1", "true or false"),
    ("upstream", "as_party", '"SEABC"', '"SE*ABC"'),
    ("upstream", "as_party", '"se*abc"', '"SE*ABC"'),
    ("upstream", "tokens", '"no"', "true or false"),
    ("upstream", "sessions", '"some"', 'one of "own", "all", "none"'),
    ("upstream", "sessions", "true", 'one of "own", "all", "none"'),
    ("upstream", "cdrs", '"yes"', "true or false"),
    ("upstream", "max_shrink", "-1", "percent from 0 to 100"),
    ("upstream", "max_shrink", "101", "percent from 0 to 100"),
    ("upstream", "max_shrink", "0.5", "percent from 0 to 100"),
    ("upstream", "link_origins", '"https://hub.example"', "a list"),
    ("upstream", "link_origins", '["hub.example"]', "a list, each a URL"),
    ("upstream", "link_origins", '["https://hub.example:0x1"]', "a URL"),
    ("upstream", "link_origins", '["https://a.example", "https://[b"]', "a URL"),
    ("upstream", "quirks", '["no-such-quirk"]', '"explicit-nulls"'),
    ("upstream", "quirks", '"explicit-nulls"', "a list"),
    ("upstream", "ca_file", '["a"]', "a path"),
    ("upstream", "client_certificate", "true", "a path"),
    ("upstream", "proxy", '"proxy.example:3128"', "a URL without a password"),
    ("upstream", "proxy", '"socks5://proxy.example:1080"', "a URL without"),
    ("upstream", "proxy", '"http://proxy.example:3128/path"', "a URL without"),
    ("upstream", "proxy", '"http://proxy.example:99999"', "a URL without"),
]

#: A table, a key, a value, what is made of it.
TAKEN: list[tuple[str, str, str, Any]] = [
    ("station", "latitude", '"-90.00000"', "-90.00000"),
    ("station", "latitude", '"5.1234567"', "5.1234567"),
    ("station", "longitude", '"-180.00000"', "-180.00000"),
    ("station", "longitude", '"179.999999"', "179.999999"),
    ("station", "time_zone", '"Europe/Stockholm"', "Europe/Stockholm"),
    ("reporting", "tell_grants", "true", True),
    ("tariff", "per_kwh", '"39.5"', Decimal("39.5")),
    ("tariff", "per_kwh", "40", Decimal(40)),
    ("tariff", "per_kwh", '"0"', Decimal()),
    ("tariff", "per_kwh", '"999999999.999999"', Decimal("999999999.999999")),
    ("tariff", "minor_digits", "0", 0),
    ("server", "public_url", '"https://a.example:8443/x"', "https://a.example:8443/x"),
    ("server", "listen", '"[::1]:8090"', "[::1]:8090"),
    ("server", "listen", '"localhost:65535"', "localhost:65535"),
    ("server", "keep_cards", '"0s"', timedelta()),
    ("upstream", "as_party", '"SE*XYZ"', "SE*XYZ"),
    ("upstream", "sessions", '"all"', Scope.ALL),
    ("upstream", "sessions", '"none"', Scope.NONE),
    ("upstream", "max_shrink", "0", 0),
    ("upstream", "max_shrink", "100", 100),
    ("upstream", "link_origins", '["https://b.example:1"]', ["https://b.example:1"]),
    ("upstream", "quirks", '["explicit-nulls"]', [Quirk.EXPLICIT_NULLS]),
    ("upstream", "proxy", '"http://proxy.example:3128"', "http://proxy.example:3128"),
]

LATITUDE, LONGITUDE = 'latitude = "59.329323"', 'longitude = "18.068581"'
#: The rest of a Location, which a value in [station] may need.
LOCATION = {
    "address": 'address = "Storgatan 1"',
    "city": 'city = "Stockholm"',
    "country": 'country = "SWE"',
    "latitude": LATITUDE,
    "longitude": LONGITUDE,
}


def with_key(table: str, key: str, value: str) -> str:
    """Write a good file with this key."""
    lines = [f"{key} = {value}"]
    if table == "station" and key in LOCATION:
        lines += [line for name, line in LOCATION.items() if name != key]
    return extend(GOOD, **{table: "\n".join(lines)})


def table_of(config: Config, table: str) -> Any:  # noqa: ANN401 - a Struct of any table
    """Give the first table of a name."""
    match table:
        case "evse":
            return config.evses[0].config
        case "upstream":
            return config.upstreams[0].config
        case _:
            return getattr(config, table)


@pytest.mark.parametrize(("table", "key", "value", "part"), REFUSED)
def test_a_value_of_the_wrong_kind_is_refused(
    tmp_path: Path, table: str, key: str, value: str, part: str
) -> None:
    """One message, with the table, the key, and what would be right."""
    path = write(tmp_path, with_key(table, key, value))

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    [message] = str(caught.value).splitlines()
    assert f"{table}]" in message
    assert f" {key}" in message
    assert "expected" in message
    assert part in message
    assert ".toml:" in message


@pytest.mark.parametrize(("table", "key", "value", "meaning"), TAKEN)
def test_a_value_of_the_right_kind_is_taken(
    tmp_path: Path, table: str, key: str, value: str, meaning: object
) -> None:
    """Also at the edge of what is allowed."""
    config = load(tmp_path, with_key(table, key, value))
    read = getattr(table_of(config, table), key)
    assert read == meaning
    assert type(read) is type(meaning)


@pytest.mark.parametrize(
    ("schema", "defaults"),
    [
        (StationConfig, {"location_type": "OTHER", "address": None, "operator": ""}),
        (TariffConfig, {"per_kwh": None, "vat_percent": None, "minor_digits": 2}),
        (
            ServerConfig,
            {
                "public_url": None,
                "listen": "127.0.0.1:8090",
                "keep_cards": timedelta(days=7),
            },
        ),
        (
            UpstreamConfig,
            {
                "handshake": False,
                "as_party": "",
                "tokens": True,
                "sessions": Scope.OWN,
                "cdrs": False,
                "max_shrink": 50,
                "link_origins": [],
                "quirks": [],
                "proxy": None,
            },
        ),
    ],
)
def test_what_is_not_written_has_its_default(
    tmp_path: Path, schema: type[Any], defaults: dict[str, object]
) -> None:
    """A file of the last release means what it meant."""
    config = load(tmp_path)
    tables = (config.station, config.tariff, config.server, config.upstreams[0].config)
    [read] = [table for table in tables if isinstance(table, schema)]
    assert {key: getattr(read, key) for key in defaults} == defaults


def test_files_of_an_upstream_and_of_the_server_lie_beside_the_configuration(
    tmp_path: Path,
) -> None:
    """Where its token lies, too; the state directory is not for them."""
    (tmp_path / "client.key").write_text("key")
    (tmp_path / "client.key").chmod(0o600)
    text = extend(
        GOOD,
        upstream='ca_file = "ca.pem"\nclient_certificate = "client.pem"\n'
        'client_key = { file = "client.key" }',
        server='certificate = "station.pem"\nkey = "/etc/station.key"',
    )
    config = load(tmp_path, text)
    upstream = config.upstreams[0]
    assert upstream.config.ca_file == tmp_path / "ca.pem"
    assert upstream.config.client_certificate == tmp_path / "client.pem"
    assert upstream.client_key is not None
    assert upstream.client_key.file == tmp_path / "client.key"
    assert config.server.certificate == tmp_path / "station.pem"
    assert str(config.server.key) == "/etc/station.key"
