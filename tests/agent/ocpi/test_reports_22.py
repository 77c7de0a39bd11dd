"""Sessions and CDRs as 2.2.1 has them, against its object tables."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from agent.domain.outcomes import StopReason
from agent.domain.places import Connector, Place
from agent.domain.sessions import Session, SessionStatus
from agent.domain.tariffs import Tariff
from agent.ocpi import v221
from agent.ocpi.quirks import Quirk
from tests.agent.ocpi.examples import (
    BILLED,
    ENDED,
    ID_ONLY,
    LAPSED,
    PENDING,
    PLACE,
    SESSION,
    STATION,
    TARIFF,
    parse,
    sessions,
    write_session,
)

# ---- sessions ----------------------------------------------------------------

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
# Field, whether it must be there, and what its value must match; written from the
# object table, in its order. Numbers are checked apart.
FIELDS = [
    ("country_code", True, r"[ -~]{2}"),
    ("party_id", True, r"[ -~]{3}"),
    ("id", True, r"[ -~]{1,36}"),
    ("start_date_time", True, MOMENT),
    ("end_date_time", False, MOMENT),
    ("kwh", True, None),
    ("cdr_token", True, None),
    ("auth_method", True, "AUTH_REQUEST|COMMAND|WHITELIST"),
    ("authorization_reference", False, r"[ -~]{1,36}"),
    ("location_id", True, r"[ -~]{1,36}"),
    ("evse_uid", True, r"[ -~]{1,36}"),
    ("connector_id", True, r"[ -~]{1,36}"),
    ("meter_id", False, r".{1,255}"),
    ("currency", True, r"[A-Z]{3}"),
    ("charging_periods", False, None),
    ("total_cost", False, None),
    ("status", True, "ACTIVE|COMPLETED|INVALID|PENDING|RESERVATION"),
    ("last_updated", True, MOMENT),
]


def write(session: Session) -> dict[str, Any]:
    """Write a session and check it against the object table."""
    written = write_session(v221, session)
    assert None not in written.values()
    known = [name for name, _, _ in FIELDS]
    assert list(written) == [name for name in known if name in written]
    for name, is_required, pattern in FIELDS:
        assert name in written or not is_required
        if pattern and name in written:
            assert re.fullmatch(pattern, written[name])
    assert list(written["cdr_token"]) == [
        "country_code",
        "party_id",
        "uid",
        "type",
        "contract_id",
    ]
    assert written["kwh"].as_tuple().exponent >= -4
    return written


def test_running_session() -> None:
    """A session that runs says who, where, when and how much so far."""
    running = replace(SESSION, updated_at=replace(ENDED.updated_at))
    assert write(running) == {
        "country_code": "SE",
        "party_id": "ABC",
        "id": SESSION.id,
        "start_date_time": "2026-05-06T07:08:09Z",
        "kwh": Decimal("1.234"),
        "cdr_token": {
            "country_code": "NL",
            "party_id": "TNM",
            "uid": "04a1b2c3d4e5f6",
            "type": "RFID",
            "contract_id": "NL-TNM-C00000001",
        },
        "auth_method": "AUTH_REQUEST",
        "authorization_reference": "REF-1",
        "location_id": "LOC-1",
        "evse_uid": "SE*ABC*E1",
        "connector_id": "1",
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


def test_ended_session() -> None:
    """An ended session sums up in one period: kWh and hours."""
    written = write(ENDED)
    assert written["status"] == "COMPLETED"
    assert written["end_date_time"] == "2026-05-06T08:38:39Z"
    assert written["charging_periods"] == [
        {
            "start_date_time": "2026-05-06T07:08:09Z",
            "dimensions": [
                {"type": "ENERGY", "volume": Decimal("1.234")},
                {"type": "TIME", "volume": Decimal("1.5083")},
            ],
        }
    ]


FAILED = replace(
    ENDED,
    status=SessionStatus.INVALID,
    stop_reason=StopReason.CHARGER_FAILED,
    energy_wh=0,
)
PERIODS = [
    # what there is to tell in periods, and of a price
    (PENDING, False, False),
    (replace(SESSION, energy_wh=0), False, True),
    (SESSION, True, True),
    (replace(ENDED, energy_wh=0), True, True),
    (FAILED, True, False),
    (LAPSED, False, False),
]


@pytest.mark.parametrize(("session", "has_period", "has_price"), PERIODS)
def test_what_there_is_to_tell(
    session: Session, *, has_period: bool, has_price: bool
) -> None:
    """A period once there was something; a price unless nobody will ever pay."""
    written = write(replace(session, tariff=TARIFF))
    assert ("charging_periods" in written) is has_period
    assert ("total_cost" in written) is has_price
    assert "total_cost" not in write(session)


def test_pending_session() -> None:
    """A grant that is told has no end, no energy, and says that it waits."""
    written = write(PENDING)
    assert written["status"] == "PENDING"
    assert written["kwh"] == 0
    assert "end_date_time" not in written


def test_price() -> None:
    """A price is told without and with VAT; every part is rounded by itself."""
    assert write(BILLED)["total_cost"] == {
        # 3.09 for energy, 9.05 for time, 5.00 once; a quarter of each on top.
        "excl_vat": Decimal("17.14"),
        "incl_vat": Decimal("21.42"),
    }


def test_absent_fields_are_left_out() -> None:
    """No reference and no meter: no such fields; an EVSE of old is still a place."""
    bare = replace(SESSION, authorization_reference=None, evse_uid="SE*ABC*E9")
    written = write(bare)
    assert "authorization_reference" not in written
    assert "meter_id" not in written
    assert (written["location_id"], written["connector_id"]) == ("LOC-1", "1")


def test_place_is_the_one_at_the_start() -> None:
    """What was configured when the session began is told, whatever came after."""
    old = Place(location_id="LOC-0", connector=Connector(id="7"), currency="NOK")
    written = write(replace(SESSION, place=old))
    assert written["location_id"] == "LOC-0"
    assert written["connector_id"] == "7"
    assert written["currency"] == "NOK"
    assert "meter_id" not in written


def test_explicit_nulls() -> None:
    """A server that wants to see every optional field sees them all."""
    bare = replace(PENDING, authorization_reference=None)
    written = write_session(v221, bare, Quirk.EXPLICIT_NULLS)
    assert list(written) == [name for name, _, _ in FIELDS]
    absent = {name for name, value in written.items() if value is None}
    assert absent == {"authorization_reference", "end_date_time", "total_cost"}
    assert written["charging_periods"] == []
    running = write_session(v221, SESSION, Quirk.EXPLICIT_NULLS)
    assert running["charging_periods"][0]["tariff_id"] is None


def test_offsets_are_written_as_utc() -> None:
    """Whatever zone a moment was made in, Z is what goes out."""
    zoned = datetime.fromisoformat("2026-05-06T09:08:09+02:00")
    written = write(
        replace(SESSION, updated_at=replace(SESSION.updated_at, wall=zoned))
    )
    assert written["last_updated"] == "2026-05-06T07:08:09Z"


@pytest.mark.parametrize(
    ("energy_wh", "kwh"),
    [
        (0, "0"),
        (1, "0.001"),
        (10, "0.01"),
        (999, "0.999"),
        (1000, "1"),
        (20_000, "20"),
        (10_000_000_000, "10000000"),
    ],
)
def test_energy_is_kwh(energy_wh: int, kwh: str) -> None:
    """Energy is kWh, exactly, as a plain JSON number without an exponent."""
    session = replace(ENDED, energy_wh=energy_wh)
    text = v221.encode_session(session, STATION, ()).decode()
    assert f'"kwh":{kwh},' in text
    assert f'{{"type":"ENERGY","volume":{kwh}}}' in text


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("id", {"id": "x" * 37}),
        ("evse_uid", {"evse_uid": "Ö1"}),
        ("currency", {"place": replace(PLACE, currency="EURO")}),
        ("location_id", {"place": replace(PLACE, location_id="")}),
        ("authorization_reference", {"authorization_reference": "x" * 37}),
        ("contract_id", {"token": replace(SESSION.token, contract_id="")}),
    ],
)
def test_session_that_breaks_a_rule(name: str, change: dict[str, Any]) -> None:
    """What the table has no room for is not sent, and the field is named."""
    with pytest.raises(ValueError, match=name):
        v221.encode_session(replace(SESSION, **change), STATION, ())


@given(sessions())
def test_every_session_fits_the_table(session: Session) -> None:
    """Every session keeps to the object table, and its numbers to their units."""
    written = write(session)
    for period in written.get("charging_periods", []):
        energy, time = (part["volume"] for part in period["dimensions"])
        assert energy == written["kwh"] == Decimal(session.energy_wh) / 1000
        assert time.as_tuple().exponent >= -4
        assert abs(float(time) - session.duration.total_seconds() / 3600) < 0.001


# ---- CDRs --------------------------------------------------------------------


def write_cdr(session: Session) -> dict[str, Any]:
    """Write a CDR and read it as JSON."""
    return parse(v221.encode_cdr(session, STATION, ()))


def test_cdr() -> None:
    """A CDR says all that is to be paid for, and where it was."""
    session = write(BILLED)
    same = (
        *("country_code", "party_id", "id", "start_date_time", "end_date_time"),
        *("cdr_token", "auth_method", "authorization_reference", "meter_id"),
        *("currency", "charging_periods", "total_cost", "last_updated"),
    )
    assert write_cdr(BILLED) == {name: session[name] for name in same} | {
        "session_id": BILLED.id,
        "cdr_location": {
            "id": "LOC-1",
            "name": "Hamnen",
            "address": "Kungsgatan 1",
            "city": "Göteborg",
            "postal_code": "411 19",
            "country": "SWE",
            "coordinates": {"latitude": "57.708870", "longitude": "11.974560"},
            "evse_uid": "SE*ABC*E1",
            "evse_id": "SE*ABC*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "total_fixed_cost": {"excl_vat": Decimal(5), "incl_vat": Decimal("6.25")},
        "total_energy": Decimal("1.234"),
        "total_energy_cost": {
            "excl_vat": Decimal("3.09"),
            "incl_vat": Decimal("3.86"),
        },
        "total_time": Decimal("1.5083"),
        "total_time_cost": {
            "excl_vat": Decimal("9.05"),
            "incl_vat": Decimal("11.31"),
        },
    }


@pytest.mark.parametrize(
    ("price", "name"),
    [
        ("per_kwh", "total_energy_cost"),
        ("per_minute", "total_time_cost"),
        ("per_session", "total_fixed_cost"),
    ],
)
def test_cdr_names_only_what_is_charged(price: str, name: str) -> None:
    """Costs that the tariff does not know are absent."""
    tariff = Tariff(**{price: Decimal(10)})  # type: ignore[arg-type] # a price
    cdr = write_cdr(replace(BILLED, tariff=tariff))
    costs = {name for name in cdr if name.endswith("_cost")}
    assert costs == {"total_cost", name}
    assert cdr[name] == cdr["total_cost"]


def test_free_cdr() -> None:
    """Zero is a price: it means free."""
    free = write_cdr(replace(BILLED, tariff=Tariff()))
    assert free["total_cost"] == {"excl_vat": 0, "incl_vat": 0}


def test_cdr_with_explicit_nulls() -> None:
    """All fields of the table are there, also those that a station never fills."""
    written = parse(v221.encode_cdr(BILLED, STATION, [Quirk.EXPLICIT_NULLS]))
    for name in ("signed_data", "credit", "remark", "total_parking_cost"):
        assert written[name] is None
    assert written["tariffs"] == []
    assert written["cdr_location"]["state"] is None


NO_CDR = [
    ("no tariff", ENDED, STATION),
    ("location", BILLED, ID_ONLY),
    ("evse_id", replace(BILLED, place=replace(PLACE, evse_id=None)), STATION),
    ("status", replace(SESSION, tariff=TARIFF), STATION),
    ("status", replace(LAPSED, tariff=TARIFF), STATION),
]


@pytest.mark.parametrize(("name", "session", "station"), NO_CDR)
def test_no_cdr(name: str, session: Session, station: Any) -> None:  # noqa: ANN401 - pytest hands it in
    """A CDR with something missing is none, and what is missing is named."""
    with pytest.raises(ValueError, match=name):
        v221.encode_cdr(session, station, ())
