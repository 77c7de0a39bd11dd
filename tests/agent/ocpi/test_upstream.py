"""What a configuration of a backend asks for, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from agent.errors import ConfigError
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.discovery import Wanted
from agent.ocpi.network import Network, Proxy
from agent.ocpi.station import Party
from agent.ocpi.upstream import Upstream
from agent.ocpi.wire import SUPPORTED
from tests.agent.ocpi.examples import ID_ONLY, STATION
from tests.agent.ocpi.peer import HOME, SECRET, VERSIONS

THEIRS = Party("NL", "TNM")
assert STATION.location is not None
NO_CODE = replace(STATION, location=replace(STATION.location, postal_code=None))
PLACE = "address, city, postal_code, country, latitude and longitude in [station]"
PARTY = "country_code and party_id in [[upstream]]"


def upstream(**changes: Any) -> Upstream:  # noqa: ANN401 - Upstream's fields
    """Describe a backend with all that any version needs."""
    fields: dict[str, Any] = {
        "name": "emsp",
        "versions_url": HOME + VERSIONS,
        "token": CredentialsToken(SECRET),
        "station": STATION,
        "their_party": THEIRS,
    }
    return Upstream(**fields | changes)


IMPOSSIBLE = [
    ("versions_url", "emsp.example/versions"),
    ("versions_url", "ftp://emsp.example"),
    ("versions_url", "https://emsp.example:99999/"),
    ("versions_url", ""),
    ("version", "2.1"),
    ("version", "2.2"),
    ("version", "AUTO"),
    ("version", ""),
]


@pytest.mark.parametrize(("key", "value"), IMPOSSIBLE)
def test_impossible_configuration(key: str, value: str) -> None:
    """A URL or a version that cannot work is named, with what was expected."""
    with pytest.raises(ConfigError) as caught:
        upstream(**{key: value})
    assert str(caught.value).startswith(f"emsp: {key}: expected ")
    assert str(caught.value).endswith(f"got {value!r}")


WANTED: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    # what differs, the versions in order, what 2.1.1 lacks
    ({}, ("2.3.0", "2.2.1", "2.1.1"), ""),
    ({"version": "2.2.1"}, ("2.2.1",), ""),
    ({"version": "2.1.1"}, ("2.1.1",), ""),
    ({"station": ID_ONLY}, ("2.3.0", "2.2.1"), PLACE),
    ({"their_party": None}, ("2.3.0", "2.2.1"), PARTY),
    (
        {"station": ID_ONLY, "their_party": None},
        ("2.3.0", "2.2.1"),
        f"{PLACE} and {PARTY}",
    ),
    ({"station": NO_CODE}, ("2.3.0", "2.2.1"), "postal_code in [station]"),
    ({"their_party": None, "handshake": True}, ("2.3.0", "2.2.1", "2.1.1"), ""),
    ({"station": ID_ONLY, "handshake": True}, ("2.3.0", "2.2.1"), PLACE),
]


@pytest.mark.parametrize(("changes", "versions", "lack"), WANTED)
def test_wanted(changes: dict[str, Any], versions: tuple[str, ...], lack: str) -> None:
    """The newest first; 2.1.1 only with a whole Location and a known party."""
    assert upstream(**changes).wanted() == Wanted(
        versions=versions, tokens=True, unusable={"2.1.1": lack} if lack else {}
    )


@pytest.mark.parametrize("version", SUPPORTED)
def test_once_registered_there_is_one_version(version: str) -> None:
    """It was agreed on, and stays until the next exchange of tokens."""
    assert upstream(version="2.2.1").wanted(version).versions == (version,)


def test_without_tokens() -> None:
    """A backend that owns no cards is not asked for a list."""
    assert not upstream(has_tokens=False).wanted().tokens


def test_origin() -> None:
    """The server is what counts of the URL when others name theirs."""
    assert upstream().origin.host == "emsp.example"


def test_nothing_secret_is_printed() -> None:
    """Whoever prints the configuration shows neither token nor password."""
    proxy = Proxy("http://proxy.example", "user", "swordfish")
    whole = upstream(network=Network(proxy=proxy))
    for shown in (repr(whole), str(whole), repr(replace(whole, name="x"))):
        assert SECRET not in shown
        assert "swordfish" not in shown
