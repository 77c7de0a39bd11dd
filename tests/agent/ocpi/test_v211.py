"""OCPI 2.1.1 on the wire: another data model, and dialects of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from agent.domain.places import Connector
from agent.domain.tokens import Token, TokenType, WhitelistType
from agent.ocpi import v211
from agent.ocpi.authorization import Encoding
from agent.ocpi.quirks import Quirk
from agent.ocpi.station import Location, Source
from agent.ocpi.wire import SUPPORTED
from tests.agent.ocpi.examples import (
    BILLED,
    ENDED,
    ID_ONLY,
    LAPSED,
    PENDING,
    PLACE,
    SESSION,
    SOURCE,
    STATION,
    TARIFF,
    old_token_json,
    parse,
    raw,
    write_session,
)

if TYPE_CHECKING:
    from agent.domain.sessions import Session


def test_version_is_supported() -> None:
    """The table knows this module by its number."""
    assert SUPPORTED["2.1.1"] is v211
    assert v211.ENCODING is Encoding.RAW
    assert not v211.NAMES_PARTIES


# ---- tokens ------------------------------------------------------------------


def test_token() -> None:
    """Every field arrives; whose it is is known from the connection."""
    tokens, problems = v211.decode_tokens(raw([old_token_json()]), SOURCE)
    assert problems == []
    assert tokens == [
        Token(
            upstream="emsp",
            country_code="NL",
            party_id="TNM",
            uid="04a1b2c3d4e5f6",
            type=TokenType.RFID,
            contract_id="NL-TNM-C00000001",
            issuer="Example",
            valid=True,
            whitelist=WhitelistType.ALLOWED,
            last_updated=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            visual_number="NLTNM00000001",
            language="nl",
        )
    ]


def test_token_of_nobody() -> None:
    """Without a party every token is a problem that says why."""
    page = raw([old_token_json(), old_token_json()])
    tokens, problems = v211.decode_tokens(page, Source("emsp"))
    assert tokens == []
    assert len(problems) == 2
    assert "country_code and party_id" in problems[0]
    with pytest.raises(ValueError, match="party_id"):
        v211.decode_token(raw(old_token_json()), Source("emsp"))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("auth_id", {"auth_id": ...}),
        ("auth_id", {"auth_id": "C" * 37}),
        ("auth_id", {"auth_id": "Ö"}),
        ("uid", {"uid": "0" * 37}),
        ("last_updated", {"last_updated": "0001-01-01T00:00:00+05:00"}),
    ],
)
def test_bad_token(name: str, change: dict[str, Any]) -> None:
    """One bad token costs itself only."""
    page = raw([old_token_json(**change), old_token_json(visual_number=5)])
    (token,), (problem,) = v211.decode_tokens(page, SOURCE)
    assert token.visual_number is None
    assert name in problem


def test_stored_token() -> None:
    """What is known of a Token goes out, in ASCII, and comes back the same."""
    token = v211.decode_token(raw(old_token_json()), SOURCE)
    assert parse(v211.encode_token(token)) == old_token_json()
    assert v211.decode_token(raw(old_token_json()), SOURCE) == token
    foreign = replace(token, issuer="Åkeriet", type=TokenType.APP_USER)
    written = parse(v211.encode_token(foreign))
    assert (written["issuer"], written["type"]) == ("Akeriet", "OTHER")


def test_location_references() -> None:
    """EVSEs are named, and connectors never: an EVSE has one."""
    assert json.loads(v211.encode_location("L" * 39, ["E1"])) == {
        "location_id": "L" * 39,
        "evse_uids": ["E1"],
    }


# ---- sessions ----------------------------------------------------------------

LOCATION = {
    "id": "LOC-1",
    "type": "PARKING_LOT",
    "name": "Hamnen",
    "address": "Kungsgatan 1",
    "city": "Goteborg",
    "postal_code": "411 19",
    "country": "SWE",
    "coordinates": {"latitude": "57.708870", "longitude": "11.974560"},
    "evses": [
        {
            "uid": "SE*ABC*E1",
            "evse_id": "SE*ABC*E1",
            "status": "CHARGING",
            "connectors": [
                {
                    "id": "1",
                    "standard": "IEC_62196_T2",
                    "format": "SOCKET",
                    "power_type": "AC_3_PHASE",
                    "voltage": 230,
                    "amperage": 32,
                    "last_updated": "2026-05-06T07:08:09Z",
                }
            ],
            "last_updated": "2026-05-06T07:08:09Z",
        }
    ],
    "time_zone": "Europe/Stockholm",
    "last_updated": "2026-05-06T07:08:09Z",
}


def test_running_session() -> None:
    """A session that runs tells its whole Location, with the EVSE that is used."""
    running = replace(SESSION, updated_at=ENDED.updated_at)
    written = write_session(v211, running)
    assert written == {
        "id": SESSION.id,
        "start_datetime": "2026-05-06T07:08:09Z",
        "kwh": Decimal("1.234"),
        "auth_id": "NL-TNM-C00000001",
        "auth_method": "AUTH_REQUEST",
        "location": LOCATION,
        "meter_id": "M-77",
        "currency": "SEK",
        "charging_periods": [
            {
                "start_date_time": "2026-05-06T07:08:09Z",
                "dimensions": [
                    {"type": "ENERGY", "volume": Decimal("1.234")},
                    {"type": "TIME", "volume": Decimal("1.5083")},
                ],
            }
        ],
        "status": "ACTIVE",
        "last_updated": "2026-05-06T08:38:39Z",
    }
    assert list(written["location"]) == list(LOCATION)


def test_ended_session() -> None:
    """Nobody charges any more, and the price is a number without VAT."""
    written = write_session(v211, BILLED)
    assert written["end_datetime"] == "2026-05-06T08:38:39Z"
    assert written["total_cost"] == Decimal("17.14")
    (evse,) = written["location"]["evses"]
    assert evse["status"] == "AVAILABLE"
    assert evse["connectors"][0]["tariff_id"] == "default"


def test_grants() -> None:
    """A grant waits at a free EVSE, and ends without having cost anything."""
    for session in (PENDING, LAPSED):
        written = write_session(v211, replace(session, tariff=TARIFF))
        assert written["location"]["evses"][0]["status"] == "AVAILABLE"
        assert written["kwh"] == 0
        assert "charging_periods" not in written
        assert "total_cost" not in written


def test_what_this_version_has_no_word_for() -> None:
    """Two phases count as one, an EVSE may have no printed id, a place be OTHER."""
    place = replace(
        PLACE, connector=Connector(power_type="AC_2_PHASE_SPLIT"), evse_id=None
    )
    assert STATION.location is not None
    station = replace(STATION, location=replace(STATION.location, type="DRIVEWAY"))
    session = replace(SESSION, place=place)
    location = parse(v211.encode_session(session, station, ()))["location"]
    (evse,) = location["evses"]
    assert evse["connectors"][0]["power_type"] == "AC_1_PHASE"
    assert "evse_id" not in evse
    assert location["type"] == "OTHER"


def test_session_without_a_location() -> None:
    """With an id alone 2.1.1 cannot be spoken."""
    with pytest.raises(ValueError, match="location: expected address"):
        v211.encode_session(SESSION, ID_ONLY, ())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("postal_code", {"postal_code": None}),
        ("address", {"address": ""}),
        ("country", {"country": "SWED"}),
        ("latitude", {"latitude": "91"}),
    ],
)
def test_incomplete_location(name: str, change: dict[str, Any]) -> None:
    """A Location that breaks the table is not sent, and the field is named."""
    assert isinstance(STATION.location, Location)
    station = replace(STATION, location=replace(STATION.location, **change))
    with pytest.raises(ValueError, match=name):
        v211.encode_session(SESSION, station, ())


def test_reference_of_a_hub() -> None:
    """A reference goes back only where the dialect has a field for it."""
    for write in (v211.encode_session, v211.encode_cdr):
        assert b"authorization" not in write(BILLED, STATION, ())
        nulls = write(BILLED, STATION, [Quirk.EXPLICIT_NULLS])
        assert b"authorization" not in nulls
        echoed = parse(write(BILLED, STATION, [Quirk.AUTHORIZATION_ID]))
        assert echoed["authorization_id"] == "REF-1"


def test_explicit_nulls() -> None:
    """Every optional field is there, down to the connector's."""
    written = write_session(v211, PENDING, Quirk.EXPLICIT_NULLS)
    assert written["end_datetime"] is None
    assert written["total_cost"] is None
    assert written["charging_periods"] == []
    (evse,) = written["location"]["evses"]
    assert evse["floor_level"] is None
    assert evse["connectors"][0]["tariff_id"] is None
    assert written["location"]["operator"] is None


# ---- CDRs --------------------------------------------------------------------


def write_cdr(session: Session, *quirks: Quirk) -> dict[str, Any]:
    """Write a CDR and read it as JSON."""
    return parse(v211.encode_cdr(session, STATION, quirks))


def test_cdr() -> None:
    """A CDR sums up in plain numbers, and ends with its stop_date_time."""
    session, cdr = write_session(v211, BILLED), write_cdr(BILLED)
    same = (
        *("id", "auth_id", "auth_method", "location", "meter_id", "currency"),
        *("charging_periods", "total_cost", "last_updated"),
    )
    assert cdr == {name: session[name] for name in same} | {
        "start_date_time": "2026-05-06T07:08:09Z",
        "stop_date_time": "2026-05-06T08:38:39Z",
        "total_energy": Decimal("1.234"),
        "total_time": Decimal("1.5083"),
    }


def test_cdr_of_another_dialect() -> None:
    """Some servers know the end under its later name only."""
    old, new = write_cdr(BILLED), write_cdr(BILLED, Quirk.CDR_END_DATE_TIME)
    old["end_date_time"] = old.pop("stop_date_time")
    assert new == old


def test_cdr_needs_no_printed_id() -> None:
    """In this version evse_id is optional, also in a CDR."""
    cdr = write_cdr(replace(BILLED, place=replace(PLACE, evse_id=None)))
    assert "evse_id" not in cdr["location"]["evses"][0]


@pytest.mark.parametrize(
    ("name", "session"), [("no tariff", ENDED), ("status", LAPSED)]
)
def test_no_cdr(name: str, session: Session) -> None:
    """A CDR with something missing is none, and what is missing is named."""
    with pytest.raises(ValueError, match=name):
        v211.encode_cdr(session, STATION, ())
