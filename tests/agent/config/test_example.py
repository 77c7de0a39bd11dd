"""The example is a valid configuration, and documents every key there is."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import registry
from agent.config import load_config, schema
from agent.config.reading import parse_duration
from agent.config.upstream import UpstreamConfig

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "config.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")

TABLES: dict[str, type[msgspec.Struct]] = {
    "station": schema.StationConfig,
    "authorization": schema.AuthorizationConfig,
    "reporting": schema.ReportingConfig,
    "clock": schema.ClockConfig,
    "evse": schema.EvseConfig,
    "reader": schema.ReaderConfig,
    "tariff": schema.TariffConfig,
    "server": schema.ServerConfig,
    "upstream": UpstreamConfig,
}
DRIVERS = [
    (group, name)
    for group in (registry.READERS, registry.CHARGERS, registry.INDICATORS)
    for name in registry.driver_names(group)
]
# The drivers whose keys are written out; those of others stand in comments.
IN_USE = ("pcsc", "serial", "pipe")
# Absent by default, so the example shows what they could be.
WITHOUT_DEFAULT = {
    "address",
    "ca_file",
    "certificate",
    "city",
    "client_certificate",
    "client_key",
    "country",
    "country_code",
    "evse_id",
    "evses",
    "key",
    "latitude",
    "location_name",
    "longitude",
    "meter",
    "meter_id",
    "party_id",
    "per_kwh",
    "per_minute",
    "per_session",
    "plug_in_timeout",
    "postal_code",
    "proxy",
    "proxy_login",
    "public_url",
    "state",
    "time_zone",
    "vat_percent",
    "website",
    "whitelist_max_age",
}


def section(table: str) -> str:
    """Cut out every table of this name, comments included."""
    parts = re.split(r"^\[\[?(\w+)\]\]?$", TEXT, flags=re.MULTILINE)
    return "".join(
        text
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
        if name == table
    )


def shown(table: str) -> dict[str, Any]:
    """Read the keys of a table, those commented out as well."""
    found: dict[str, Any] = {}
    for line in re.findall(r"^(?:# )?(\w+ = .*)$", section(table), re.MULTILINE):
        found |= {
            key: value for key, value in tomllib.loads(line).items() if key not in found
        }
    return found


def commented(table: str) -> dict[str, Any]:
    """Read the keys that are commented out, which the header calls defaults."""
    lines = re.findall(r"^# (\w+ = .*)$", section(table), re.MULTILINE)
    return {key: value for line in lines for key, value in tomllib.loads(line).items()}


def as_written(value: object) -> object:
    """Write a default as TOML would have it."""
    return (
        value.value
        if isinstance(value, Enum)
        else str(value)
        if isinstance(value, Path)
        else value
    )


def test_the_example_is_valid(tmp_path: Path) -> None:
    """It is read without a mistake; only the credential cannot be looked at."""
    path = tmp_path / "config.toml"
    path.write_text(TEXT, encoding="utf-8")

    config = load_config(path)

    assert [reader.reader.driver for reader in config.readers] == list(IN_USE)
    assert len(config.notes) == 1


def test_the_example_is_valid_with_every_default_written_out(tmp_path: Path) -> None:
    """Taking the comment away from any key leaves a valid file."""
    lines = [
        line.removeprefix("# ") if re.match(r"# \w+ = ", line) else line
        for line in TEXT.splitlines()
    ]
    path = tmp_path / "config.toml"
    path.write_text("\n".join(lines), encoding="utf-8")

    load_config(path)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_key_is_documented(table: str) -> None:
    """Each key of the schema stands in its table, with a comment beside it."""
    keys = {item.name for item in msgspec.structs.fields(TABLES[table])}

    assert keys <= shown(table).keys()


@pytest.mark.parametrize("table", sorted(TABLES))
def test_nothing_else_is_documented(table: str) -> None:
    """What the example shows is what the schema, or a driver, reads."""
    keys = {item.name for item in msgspec.structs.fields(TABLES[table])}
    if table == "reader":
        keys.add("driver")
        for name in registry.driver_names(registry.READERS):
            driver = registry.load_driver(registry.READERS, name)
            keys |= {item.name for item in dataclasses.fields(driver.Config)}

    assert shown(table).keys() <= keys


@pytest.mark.parametrize(("group", "name"), DRIVERS)
def test_every_option_of_a_driver_is_documented(group: str, name: str) -> None:
    """Drivers' own keys are shown beside their name, with their defaults."""
    config = registry.load_driver(group, name).Config
    reader = shown("reader")

    for item in dataclasses.fields(config):
        assert re.search(rf"\b{item.name} = ", TEXT), item.name
        if name not in IN_USE or group != registry.READERS:
            continue
        if item.default is not dataclasses.MISSING:
            value = reader[item.name]
            written = (
                parse_duration(value) if isinstance(item.default, timedelta) else value
            )
            assert written == item.default
    assert f'driver = "{name}"' in TEXT


@pytest.mark.parametrize("table", sorted(TABLES))
def test_commented_keys_show_their_defaults(table: str) -> None:
    """What the header of the example promises holds for each of them."""
    values = commented(table)
    for item in msgspec.structs.fields(TABLES[table]):
        if item.name not in values or item.name in WITHOUT_DEFAULT - {"station"}:
            continue
        default = item.default
        if default is msgspec.NODEFAULT:
            assert item.default_factory is not msgspec.NODEFAULT, item.name
            default = item.default_factory()
        written = values[item.name]
        if isinstance(default, timedelta):
            written = parse_duration(written)
        if isinstance(default, msgspec.Struct):
            written = msgspec.convert(written, type(default))
        assert written == as_written(default), item.name


@pytest.mark.parametrize("table", sorted(TABLES))
def test_keys_with_a_default_are_commented_out(table: str) -> None:
    """The example sets what has to be set; the rest is there to be looked up."""
    set_keys = shown(table).keys() - commented(table).keys()
    for item in msgspec.structs.fields(TABLES[table]):
        if item.name in set_keys and item.name != "authorize_unknown":
            assert item.required, item.name
