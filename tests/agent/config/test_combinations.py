"""What each table allows and the tables together do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.config import load_config
from agent.config.combinations import LOCATION_KEYS
from agent.errors import ConfigError
from tests.agent.config.station_file import GOOD, extend, load, write

if TYPE_CHECKING:
    from pathlib import Path

LOCATION = """\
address = "Storgatan 1"
city = "Stockholm"
country = "SWE"
latitude = "59.329323"
longitude = "18.068581"
"""
PRICE = 'per_kwh = "0"'
PARTY = 'country_code = "NL"\nparty_id = "TNM"'
SERVER = 'public_url = "https://station.example/ocpi"'
TLS = 'certificate = "station.pem"\nkey = "station.key"'


def good(**tables: str) -> str:
    """Write the good file with these lines, each EVSE with its printed name."""
    text = extend(GOOD, **tables)
    for number in (1, 2):
        uid = f'uid = "SE*ABC*E{number}"'
        text = text.replace(uid, f'{uid}\nevse_id = "SE*ABC*E{number}"')
    return text


def without(text: str, part: str) -> str:
    """Take one line out of a file."""
    lines = text.splitlines(keepends=True)
    left = [line for line in lines if not line.startswith(part)]
    assert len(left) < len(lines)
    return "".join(left)


WITH_CDRS = good(station=LOCATION, tariff=PRICE, upstream="cdrs = true")
LOCATION_WITH_CODE = f'{LOCATION}postal_code = "11122"'
WITH_V211 = good(station=LOCATION_WITH_CODE, upstream=f'version = "2.1.1"\n{PARTY}')
ACCEPTED: list[tuple[str, str]] = [
    ("nothing at all", GOOD),
    ("CDRs", WITH_CDRS),
    ("a price for time alone", good(tariff='per_minute = "1"\nvat_percent = "25"')),
    ("OCPI 2.1.1", WITH_V211),
    (
        "OCPI 2.1.1 that registers",
        good(
            station=LOCATION_WITH_CODE,
            server=SERVER,
            upstream='version = "2.1.1"\nhandshake = true',
        ),
    ),
    ("handshake", good(server=SERVER, upstream="handshake = true")),
    ("server behind a proxy", good(server='listen = "127.0.0.9:8090"')),
    ("server by name", good(server='listen = "localhost:8090"')),
    ("server on its own", good(server=f'listen = "0.0.0.0:8090"\n{TLS}')),
    ("told and nothing else", good(upstream='tokens = false\nsessions = "all"')),
    ("not told", good(upstream='sessions = "none"')),
    ("whole location", good(station=LOCATION)),
    ("party", good(upstream=PARTY)),
]
#: A name, a file, the tables and keys that are wrong, what must be said.
REFUSED: list[tuple[str, str, list[str], list[str]]] = [
    (
        "handshake without a server",
        good(upstream="handshake = true"),
        ["[[upstream]] number 1 handshake"],
        ["public_url in [server]"],
    ),
    (
        "CDRs without a price",
        without(WITH_CDRS, "per_kwh"),
        ["[[upstream]] number 1 cdrs"],
        ["a price in [tariff]"],
    ),
    (
        "CDRs without a location",
        good(tariff=PRICE, upstream="cdrs = true"),
        ["[[upstream]] number 1 cdrs"],
        ["address, city, country, latitude, longitude in [station]"],
    ),
    (
        "CDRs without a printed name",
        without(WITH_CDRS, 'evse_id = "SE*ABC*E2"'),
        ["[[upstream]] number 1 cdrs"],
        ["evse_id in every [[evse]]"],
    ),
    (
        "CDRs without sessions",
        WITH_CDRS.replace("cdrs = true", 'cdrs = true\nsessions = "none"'),
        ["[[upstream]] number 1 cdrs"],
        ["sessions to be told"],
    ),
    (
        "CDRs of nothing",
        extend(GOOD, upstream="cdrs = true"),
        ["[[upstream]] number 1 cdrs"] * 3,
        ["[tariff]", "[station]", "evse_id"],
    ),
    (
        "OCPI 2.1.1 without a location",
        without(WITH_V211, "city"),
        ["[station] address", "[[upstream]] number 1 version"],
        ["needs city as well", "city in [station]"],
    ),
    (
        "OCPI 2.1.1 without a postal code",
        without(WITH_V211, "postal_code"),
        ["[[upstream]] number 1 version"],
        ["postal_code in [station]"],
    ),
    (
        "OCPI 2.1.1 of nobody",
        without(without(WITH_V211, 'country_code = "NL"'), 'party_id = "TNM"'),
        ["[[upstream]] number 1 version"],
        ["country_code and party_id"],
    ),
    (
        "unknown cards without tokens",
        good(upstream='tokens = false\nauthorize_unknown = true\nsessions = "all"'),
        ["[[upstream]] number 1 authorize_unknown"],
        ["tokens = true"],
    ),
    (
        "own sessions without cards",
        good(upstream="tokens = false"),
        ["[[upstream]] number 1 tokens"],
        ['sessions = "all"'],
    ),
    (
        "no cards and no sessions",
        good(upstream='tokens = false\nsessions = "none"'),
        ["[[upstream]] number 1 tokens"],
        ['sessions = "all"'],
    ),
    (
        "half a party",
        good(upstream='country_code = "NL"'),
        ["[[upstream]] number 1 country_code"],
        ["needs party_id"],
    ),
    (
        "the other half of a party",
        good(upstream='party_id = "TNM"'),
        ["[[upstream]] number 1 party_id"],
        ["needs country_code"],
    ),
    (
        "key without certificate",
        good(upstream='client_key = { file = "cpo.token" }'),
        ["[[upstream]] number 1 client_key"],
        ["client_certificate"],
    ),
    (
        "login without proxy",
        good(upstream='proxy_login = { file = "cpo.token" }'),
        ["[[upstream]] number 1 proxy_login"],
        ["needs proxy"],
    ),
    (
        "certificate without key",
        good(server='certificate = "station.pem"'),
        ["[server] certificate"],
        ["needs certificate and key"],
    ),
    (
        "server key without certificate",
        good(server='key = "station.key"'),
        ["[server] key"],
        ["needs certificate and key"],
    ),
    (
        "server open to the network without TLS",
        good(server='listen = "0.0.0.0:8090"'),
        ["[server] listen"],
        ["certificate and key"],
    ),
    (
        "server at a name without TLS",
        good(server='listen = "station.example:8090"'),
        ["[server] listen"],
        ["certificate and key"],
    ),
    (
        "VAT on nothing",
        good(tariff='vat_percent = "25"'),
        ["[tariff] vat_percent"],
        ["needs a price"],
    ),
]


@pytest.mark.parametrize(
    "text", [row[1] for row in ACCEPTED], ids=[r[0] for r in ACCEPTED]
)
def test_what_belongs_together_is_taken(tmp_path: Path, text: str) -> None:
    """Nothing is asked for that is not needed."""
    assert load(tmp_path, text).upstreams


@pytest.mark.parametrize(
    ("text", "places", "parts"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_what_is_missing_is_named_where_it_is_needed(
    tmp_path: Path, text: str, places: list[str], parts: list[str]
) -> None:
    """Each message has the line and key that need it, and nothing else is said."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    messages = str(caught.value).splitlines()
    assert len(messages) == len(places)
    for message, place, part in zip(messages, places, parts, strict=True):
        assert place in message
        assert part in message
        assert message.startswith(f"{path}:")


@pytest.mark.parametrize("key", LOCATION_KEYS)
def test_half_a_location_is_a_mistake(tmp_path: Path, key: str) -> None:
    """Whichever part is missing, it is named; a backend would find it out otherwise."""
    text = without(good(station=LOCATION), f"{key} =")
    with pytest.raises(ConfigError, match=rf"needs {key} as well"):
        load(tmp_path, text)


def test_every_upstream_is_checked(tmp_path: Path) -> None:
    """Also the last one, by its number."""
    text = GOOD.replace('name = "hub"', 'name = "hub"\nhandshake = true')
    with pytest.raises(ConfigError, match=r"\[\[upstream\]\] number 2 handshake"):
        load(tmp_path, text)


def _two_chargers(first: str, second: str) -> str:
    """Configure two EVSEs, each with this charger."""
    text = GOOD
    for name, charger in (("e1", first), ("e2", second)):
        simulated = (
            f'{{ driver = "simulated", control = "{name}.ctl", log = "{name}.jsonl" }}'
        )
        assert simulated in text
        text = text.replace(simulated, f"{{ {charger} }}")
    return text


@pytest.mark.parametrize(
    ("reader", "indicator", "parts"),
    [
        ('driver = "pipe"\npath = "front.cards"', "", ["indicator.driver", '"serial"']),
        ('driver = "serial"\nport = "/dev/ttyS0"\nformat = "id12"', "", ["only talks"]),
        (
            'driver = "serial"\nport = "/dev/ttyS0"\nformat = "pn532"',
            'red = { line = "P34" }',
            ["indicator.red", "one of P30", "got 'P34'"],
        ),
    ],
)
def test_an_indicator_goes_with_its_reader(
    tmp_path: Path, reader: str, indicator: str, parts: list[str]
) -> None:
    """Lights of a reader that it has not are a mistake at their line."""
    pipe = 'driver = "pipe"\npath = "front.cards"\n'
    file = '{ driver = "file", path = "front.signals" }'
    module = ", ".join(part for part in ('driver = "module"', indicator) if part)
    text = GOOD.replace(pipe, f"{reader}\n").replace(file, f"{{ {module} }}")
    line = text[: text.index("indicator = ")].count("\n") + 1
    with pytest.raises(ConfigError) as err:
        load(tmp_path, text)
    (mistake,) = str(err.value).splitlines()
    assert f"config.toml:{line}: [[reader]] number 1 indicator." in mistake
    assert [part for part in parts if part not in mistake] == []
    load(tmp_path, text.replace(f"{{ {module} }}", file))


MODBUS = 'driver = "modbus", limit_amps = 16, port = "/dev/ttyUSB0", device_id = '
OPENEVSE = 'driver = "openevse", port = "/dev/ttyUSB0"'


def test_two_drivers_do_not_fight_over_a_port(tmp_path: Path) -> None:
    """One serial port each; on a line of several devices, one number each."""
    with pytest.raises(ConfigError, match="ttyUSB0 is used by the charger of"):
        load_config(write(tmp_path, _two_chargers(OPENEVSE, OPENEVSE)))
    with pytest.raises(ConfigError, match="device 1 on /dev/ttyUSB0 is used by"):
        load_config(write(tmp_path, _two_chargers(f"{MODBUS}1", f"{MODBUS}1")))
    load_config(write(tmp_path, _two_chargers(f"{MODBUS}1", f"{MODBUS}2")))


RELAY = 'driver = "gpio", chip = "soc", always_connected = true, relay = { line = %s }'
METER = (
    'meter = { line = %s, pulses_per_kwh = 1000, register = "e.meter", '
    'pull = "up", active_low = true }'
)


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (RELAY % 5, RELAY % 5, "GPIO line 5 of soc"),
        (f"{RELAY % 5}, {METER % 6}", f"{RELAY % 7}, {METER % 8}", "/e.meter"),
    ],
)
def test_two_chargers_do_not_fight_over_lines(
    tmp_path: Path, first: str, second: str, taken: str
) -> None:
    """One line has one task, and one file the count of one meter."""
    used = f"{taken} is used by the charger of SE.ABC.E1 and the charger of SE.ABC.E2"
    with pytest.raises(ConfigError, match=used):
        load(tmp_path, _two_chargers(first, second))


LIGHTS = '{ driver = "acs", model = "acr122u" }'
LAMP = '{ driver = "gpio", chip = "soc", red = { line = "GPIO5" } }'


@pytest.mark.parametrize(
    ("front", "side", "taken"),
    [
        (
            'driver = "serial"\nport = "/dev/ttyUSB0"\nformat = "id12"',
            'driver = "nfc"\ndevice = "/dev/ttyUSB0"',
            "/dev/ttyUSB0 is used by the reader front and the reader side",
        ),
        ('driver = "pcsc"', 'driver = "pcsc"', "PC/SC reader '[*]' is used by"),
        (
            f'driver = "pcsc"\nmatch = "A*"\nindicator = {LIGHTS}',
            f'driver = "pcsc"\nmatch = "B*"\nindicator = {LIGHTS}',
            "LEDs of 'ACS [*]' is used by the indicator of front and the indicator of",
        ),
        (
            f'driver = "pcsc"\nmatch = "A*"\nindicator = {LAMP}',
            f'driver = "pcsc"\nmatch = "B*"\nindicator = {LAMP}',
            "GPIO line GPIO5 of soc is used by the indicator of front",
        ),
        (
            'driver = "wedge"\ndevice = "08ff:0009"',
            'driver = "wedge"\ndevice = "08ff:0009"',
            "08ff:0009 is used by",
        ),
    ],
)
def test_two_readers_do_not_fight_over_a_device(
    tmp_path: Path, front: str, side: str, taken: str
) -> None:
    """Each tap would be two, or each lamp have two masters."""
    pipe = 'driver = "pipe"\npath = "%s.cards"'
    file = '\nindicator = { driver = "file", path = "front.signals" }'
    text = GOOD.replace(pipe % "front" + file, front).replace(pipe % "side", side)
    assert "pipe" not in text
    with pytest.raises(ConfigError, match=taken):
        load(tmp_path, text)
