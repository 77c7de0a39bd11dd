"""From the configuration of an upstream to its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.connections import connect, describe, read_token, subscriber
from agent.domain.reports import Scope, Subscriber
from agent.errors import ConfigError, CredentialsError
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.memory import Memory, Registration, State
from agent.ocpi.network import Network, Proxy
from agent.ocpi.quirks import Quirk
from agent.ocpi.station import Location, Party
from agent.ocpi.tls import TlsOptions
from agent.store.secret_file import SecretFile
from tests.agent.config.station_file import GOOD, SECRET, extend, load
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config import Config

WHOLE = """\
operator = "Laddbolaget"
website = "https://ladd.example"
address = "Kungsgatan 1"
city = "Göteborg"
country = "SWE"
postal_code = "411 19"
state = "O"
latitude = "57.708870"
longitude = "11.974560"
location_name = "Hamnen"
location_type = "PARKING_LOT"
time_zone = "Europe/Stockholm"
"""
EVERYTHING = """\
version = "2.2.1"
country_code = "NL"
party_id = "TNM"
as_party = "SE*XYZ"
sessions = "all"
page_size = 50
link_origins = ["https://hub.example", "https://other.example"]
quirks = ["explicit-nulls"]
"""


def config_of(folder: Path, **tables: str) -> Config:
    """Load the good file with more lines in its tables."""
    return load(folder, extend(GOOD, **tables))


def test_the_least_there_is(tmp_path: Path) -> None:
    """What is not configured is left to the defaults of the connection."""
    config = config_of(tmp_path)
    upstream = describe(config, config.upstreams[0])
    assert upstream.name == "cpo"
    assert upstream.versions_url == "https://backend.example/ocpi/versions"
    assert upstream.token.value == SECRET
    assert (upstream.handshake, upstream.version) == (False, "auto")
    assert (upstream.their_party, upstream.has_tokens) == (None, True)
    assert (upstream.link_origins, upstream.quirks) == ((), frozenset())
    assert upstream.network == Network()
    assert upstream.station.party == Party("SE", "ABC")
    assert upstream.station.location_id == "LOC-1"
    assert upstream.station.location is None
    assert set(upstream.station.places) == {"SE*ABC*E1", "SE*ABC*E2"}


def test_everything_there_is(tmp_path: Path) -> None:
    """Every key arrives where it is meant."""
    config = config_of(tmp_path, station=WHOLE, upstream=EVERYTHING)
    upstream = describe(config, config.upstreams[0])
    assert upstream.version == "2.2.1"
    assert upstream.their_party == Party("NL", "TNM")
    assert upstream.page_size == 50
    assert upstream.link_origins == ("https://hub.example", "https://other.example")
    assert upstream.quirks == {Quirk.EXPLICIT_NULLS}
    station = upstream.station
    assert station.party == Party("SE", "XYZ")
    assert (station.name, station.website) == ("Laddbolaget", "https://ladd.example")
    assert station.location == Location(
        address="Kungsgatan 1",
        city="Göteborg",
        country="SWE",
        latitude="57.708870",
        longitude="11.974560",
        postal_code="411 19",
        state="O",
        name="Hamnen",
        time_zone="Europe/Stockholm",
        type="PARKING_LOT",
    )
    other = describe(config, config.upstreams[1]).station
    assert other.party == Party("SE", "ABC")


def test_a_backend_that_is_only_told(tmp_path: Path) -> None:
    """One without cards is a subscriber of everything."""
    config = config_of(tmp_path, upstream='tokens = false\nsessions = "all"')
    first, second = config.upstreams
    assert not describe(config, first).has_tokens
    assert subscriber(first) == Subscriber(name="cpo", sessions=Scope.ALL)
    assert subscriber(second) == Subscriber(name="hub", sessions=Scope.OWN)


def test_tls_and_proxy(tmp_path: Path) -> None:
    """Files are told by their places, and a password only to the proxy."""
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).write_text("pem")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "login").write_text("user:sword:fish\n")
    (tmp_path / "login").chmod(0o600)
    lines = (
        'ca_file = "ca.pem"\n'
        'client_certificate = "client.pem"\n'
        'client_key = { file = "client.key" }\n'
        'proxy = "http://proxy.example:3128"\n'
        'proxy_login = { file = "login" }'
    )
    config = config_of(tmp_path, upstream=lines)
    network = describe(config, config.upstreams[0]).network
    assert network.tls == TlsOptions(
        ca_file=tmp_path / "ca.pem",
        certificate=tmp_path / "client.pem",
        key=tmp_path / "client.key",
    )
    assert network.proxy == Proxy("http://proxy.example:3128", "user", "sword:fish")
    assert "fish" not in repr(network)


def test_a_login_without_a_password(tmp_path: Path) -> None:
    """Half a login is a mistake with a name, and is not repeated."""
    (tmp_path / "login").write_text("swordfish\n")
    (tmp_path / "login").chmod(0o600)
    lines = 'proxy = "http://proxy.example"\nproxy_login = { file = "login" }'
    config = config_of(tmp_path, upstream=lines)
    with pytest.raises(ConfigError, match="proxy_login: expected") as caught:
        describe(config, config.upstreams[0])
    assert "swordfish" not in str(caught.value)


def test_the_token_is_read_when_it_is_needed(tmp_path: Path) -> None:
    """A new token for registering needs no restart."""
    config = config_of(tmp_path)
    tables = config.upstreams[0]
    assert read_token(tables).value == SECRET
    (tmp_path / "cpo.token").write_text("another\n")
    assert read_token(tables).value == "another"
    (tmp_path / "cpo.token").unlink()
    with pytest.raises(ConfigError, match=r"cpo\.token"):
        read_token(tables)


def test_each_connection_has_its_own_memory(tmp_path: Path) -> None:
    """What was agreed with one backend is found again, and is not another's."""
    config = config_of(tmp_path)
    state_dir = config.station.state_dir
    state_dir.mkdir(exist_ok=True)
    cpo, hub = config.upstreams
    file = SecretFile(state_dir / "connection-cpo.json")
    memory = Memory(cpo.config.versions_url, file)
    memory.note_encodings({"versions": Encoding.RAW})
    backends = [connect(config, tables).backend for tables in (cpo, hub)]
    assert [dict(one.memory.encodings) for one in backends] == [
        {"versions": Encoding.RAW},
        {},
    ]


def test_registered_connections_show_the_agreed_token(tmp_path: Path) -> None:
    """With a handshake the configured token is for nothing but registering."""
    config = config_of(
        tmp_path,
        server='public_url = "https://station.example/ocpi"',
        upstream="handshake = true",
    )
    state_dir = config.station.state_dir
    state_dir.mkdir(exist_ok=True)
    tables = config.upstreams[0]
    backend = connect(config, tables).backend
    with pytest.raises(CredentialsError, match="run: rfid-agent register cpo"):
        run_virtual(backend.endpoints())
    backend.memory.keep(
        Registration(
            state=State.REGISTERED,
            version="2.2.1",
            our_token_for_them=CredentialsToken("ours"),
            their_token_for_us=CredentialsToken("theirs"),
        )
    )
    again = connect(config, tables).backend
    token = again._token()
    assert token is not None
    assert token.value == "theirs"
    mode = (state_dir / "connection-cpo.json").stat().st_mode
    assert mode & 0o777 == 0o600


def test_a_damaged_file_keeps_no_station_from_starting(tmp_path: Path) -> None:
    """Cards are decided without it, and the trouble has a name."""
    config = config_of(tmp_path)
    config.station.state_dir.mkdir(exist_ok=True)
    (config.station.state_dir / "connection-cpo.json").write_bytes(b"\0" * 100)
    backend = connect(config, config.upstreams[0]).backend
    assert "damaged" in backend.memory.problem


def test_nothing_is_opened(tmp_path: Path) -> None:
    """Making connections writes nothing, and works without a state directory."""
    config = config_of(tmp_path)
    connect(config, config.upstreams[0])
    assert not config.station.state_dir.exists()
