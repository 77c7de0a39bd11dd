"""Sessions, stations and tokens to be written and read, and strategies for more."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from agent.domain.instant import Instant
from agent.domain.outcomes import AuthMethod, DecidedBy, StopReason
from agent.domain.places import Connector, Place
from agent.domain.sessions import CdrToken, Session, SessionStatus
from agent.domain.tariffs import Tariff
from agent.domain.tokens import Token, TokenType, WhitelistType
from agent.domain.uid import Uid
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.credentials import Credentials, PartyRole, Role
from agent.ocpi.station import Location, Party, Source, StationIdentity

if TYPE_CHECKING:
    from agent.ocpi.wire import WireModel

UID = Uid("04A1B2C3D4E5F6")
SOURCE = Source("emsp", Party("NL", "TNM"))
PLACE = Place(location_id="LOC-1", currency="SEK", evse_id="SE*ABC*E1", meter_id="M-77")
STATION = StationIdentity(
    country_code="SE",
    party_id="ABC",
    location_id="LOC-1",
    location=Location(
        address="Kungsgatan 1",
        city="Göteborg",
        country="SWE",
        latitude="57.70887",
        longitude="11.9745600",
        postal_code="411 19",
        name="Hamnen",
        time_zone="Europe/Stockholm",
        type="PARKING_LOT",
    ),
    places={"SE*ABC*E1": PLACE},
    name="Laddbolaget",
)
ID_ONLY = replace(STATION, location=None)
TARIFF = Tariff(
    per_kwh=Decimal(250),
    per_minute=Decimal(10),
    per_session=Decimal(500),
    vat_percent=Decimal(25),
)


def at(seconds: float) -> Instant:
    """Some seconds after the start, half of one past it."""
    wall = datetime(2026, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC)
    passed = timedelta(seconds=seconds)
    return Instant(wall=wall + passed, monotonic=passed, boot_id="b", synchronized=True)


SESSION = Session(
    id="5a1c9a52-3f1f-4f43-9d0b-0c8b8f4d2a11",
    evse_uid="SE*ABC*E1",
    reader="front",
    card=UID.value,
    token=CdrToken(
        country_code="NL",
        party_id="TNM",
        uid="04a1b2c3d4e5f6",
        type=TokenType.RFID,
        contract_id="NL-TNM-C00000001",
    ),
    upstream="emsp",
    auth_method=AuthMethod.AUTH_REQUEST,
    decided_by=DecidedBy.REALTIME,
    started_at=at(0),
    updated_at=at(0),
    authorization_reference="REF-1",
    energy_wh=1234,
)
PENDING = replace(SESSION, status=SessionStatus.PENDING, energy_wh=0)
LAPSED = replace(
    PENDING, status=SessionStatus.INVALID, ended_at=at(60), updated_at=at(60)
)
ENDED = replace(
    SESSION,
    status=SessionStatus.COMPLETED,
    ended_at=at(5430),
    stop_reason=StopReason.LOCAL,
    updated_at=at(5430),
)
BILLED = replace(ENDED, tariff=TARIFF)


def raw(value: object) -> Raw:
    """Write JSON."""
    return Raw(json.dumps(value).encode())


def parse(body: bytes) -> dict[str, Any]:
    """Read JSON, its numbers as they are written."""
    value: dict[str, Any] = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    return value


def write_session(
    wire: WireModel,
    session: Session,
    *quirks: Any,  # noqa: ANN401 - a Quirk each
) -> dict[str, Any]:
    """Write a session and read it as JSON."""
    return parse(wire.encode_session(session, STATION, quirks))


def token_json(**changes: object) -> dict[str, object]:
    """Write a Token as a server would; `changes` replace fields, `...` drops one."""
    fields: dict[str, object] = {
        "country_code": "NL",
        "party_id": "TNM",
        "uid": "04a1b2c3d4e5f6",
        "type": "RFID",
        "contract_id": "NL-TNM-C00000001",
        "visual_number": "NLTNM00000001",
        "issuer": "Example",
        "group_id": "G1",
        "valid": True,
        "whitelist": "ALLOWED",
        "language": "nl",
        "default_profile_type": "GREEN",
        "energy_contract": {"supplier_name": "Example Energy"},
        "last_updated": "2026-01-02T03:04:05Z",
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def old_token_json(**changes: object) -> dict[str, object]:
    """Write a Token as a 2.1.1 server would."""
    fields = token_json(
        country_code=...,
        party_id=...,
        contract_id=...,
        group_id=...,
        default_profile_type=...,
        energy_contract=...,
    )
    fields = fields | {"auth_id": "NL-TNM-C00000001"} | changes
    return {name: value for name, value in fields.items() if value is not ...}


# ---- strategies --------------------------------------------------------------

# Whatever a server may put where something else belongs.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)
ID = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
ID36 = ID.map(lambda value: value[:36])
#: What people write, after one letter that any character set has.
WORDS = st.text(max_size=60).map(lambda value: f"A{value}")
COUNTRY = st.from_regex(r"[A-Z]{2}", fullmatch=True)
PARTY = st.from_regex(r"[A-Z0-9]{3}", fullmatch=True)
PARTIES = st.builds(Party, COUNTRY, PARTY)
EVSE_ID = st.from_regex(r"[A-Z]{2}\*[A-Z0-9]{3}\*E[A-Z0-9]{1,12}", fullmatch=True)
CENTS = st.decimals(0, 10_000, places=3)


def damaged(whole: dict[str, object]) -> st.SearchStrategy[object]:
    """Replace some fields of an object by anything, drop some, or all of it."""
    parts = {name: st.just(value) | JSON for name, value in whole.items()}
    return (
        st.fixed_dictionaries({}, optional=parts)
        | st.fixed_dictionaries({}, optional=parts).map(lambda part: whole | part)
        | JSON
    )


CDR_TOKENS = st.builds(
    CdrToken,
    country_code=COUNTRY,
    party_id=PARTY,
    uid=ID36,
    type=st.sampled_from(TokenType),
    contract_id=ID36,
)
TOKENS = st.builds(
    Token,
    upstream=st.just("emsp"),
    country_code=COUNTRY,
    party_id=PARTY,
    uid=ID36,
    type=st.sampled_from(TokenType),
    contract_id=ID36,
    issuer=st.text(max_size=64),
    valid=st.booleans(),
    whitelist=st.sampled_from(WhitelistType),
    last_updated=st.datetimes(timezones=st.just(UTC)),
    visual_number=st.none() | st.text(max_size=64),
    group_id=st.none() | ID36,
    language=st.none() | st.text(max_size=2),
)
PLACES = st.builds(
    Place,
    location_id=ID36,
    connector=st.builds(
        Connector,
        id=ID36,
        standard=st.sampled_from(["IEC_62196_T2", "CHADEMO", "DOMESTIC_F"]),
        format=st.sampled_from(["SOCKET", "CABLE"]),
        power_type=st.sampled_from(["AC_1_PHASE", "AC_2_PHASE", "AC_3_PHASE", "DC"]),
    ),
    currency=st.sampled_from(["EUR", "SEK", "JPY"]),
    evse_id=EVSE_ID,
    meter_id=st.none() | WORDS,
)
STATIONS = st.builds(
    StationIdentity,
    country_code=COUNTRY,
    party_id=PARTY,
    location_id=ID36,
    location=st.builds(
        Location,
        address=WORDS,
        city=WORDS,
        country=st.just("SWE"),
        latitude=st.decimals(-90, 90, places=7).map(str),
        longitude=st.decimals(-180, 180, places=5).map(str),
        postal_code=WORDS,
        state=st.none() | st.text(max_size=30),
        name=st.none() | st.text(max_size=300),
        time_zone=st.none() | st.just("Europe/Stockholm"),
        type=st.sampled_from(["PARKING_LOT", "DRIVEWAY"]),
    ),
)
TARIFFS = st.builds(
    Tariff,
    per_kwh=CENTS,
    per_minute=st.just(Decimal()) | CENTS,
    per_session=st.just(Decimal()) | CENTS,
    vat_percent=st.just(Decimal()) | st.decimals(0, 30, places=2),
    minor_digits=st.integers(0, 4),
)
CREDENTIALS = st.builds(
    Credentials,
    token=st.from_regex(r"[!-~]{1,64}", fullmatch=True).map(CredentialsToken),
    url=st.just("https://station.example/ocpi/versions"),
    roles=st.lists(
        st.builds(
            PartyRole,
            role=st.sampled_from(Role),
            party=PARTIES,
            name=st.text(max_size=120),
            website=st.none() | st.just("https://laddbolaget.example"),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    hub=st.none() | PARTIES,
)
#: A status, with what comes with it.
STAGES: list[dict[str, Any]] = [
    {"status": SessionStatus.PENDING, "energy_wh": 0, "ended_at": None},
    {"status": SessionStatus.ACTIVE, "ended_at": None},
    {"status": SessionStatus.COMPLETED, "stop_reason": StopReason.LOCAL},
    {"status": SessionStatus.INVALID, "energy_wh": 0},
    {
        "status": SessionStatus.INVALID,
        "energy_wh": 0,
        "stop_reason": StopReason.CHARGER_FAILED,
    },
]


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Draw any session that there can be."""
    last = at(draw(st.floats(0, 10**7)))
    changes: dict[str, Any] = {
        "token": draw(CDR_TOKENS),
        "place": draw(PLACES),
        "tariff": draw(st.none() | TARIFFS),
        "auth_method": draw(st.sampled_from(AuthMethod)),
        "authorization_reference": draw(st.none() | ID36),
        "energy_wh": draw(st.integers(0, 10**9)),
        "updated_at": last,
        "ended_at": last,
    }
    return replace(SESSION, **changes | draw(st.sampled_from(STAGES)))


@st.composite
def billed_sessions(draw: st.DrawFn) -> Session:
    """Draw any session that there can be a CDR of."""
    changes = STAGES[2] | {"tariff": draw(TARIFFS)}
    session = draw(sessions())
    return replace(session, ended_at=session.updated_at, **changes)
