"""OCPI 2.2.1 on the wire: tolerant in reading, strict in writing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from agent.domain.instant import Instant
from agent.domain.outcomes import AuthMethod, DecidedBy, StopReason
from agent.domain.sessions import CdrToken, Session, SessionStatus
from agent.domain.tokens import Token, TokenType, Verdict, WhitelistType
from agent.domain.uid import Uid
from agent.errors import TransientUpstreamError
from agent.ocpi import v221
from agent.ocpi.wire import SUPPORTED
from tests.agent.ocpi.peer import JSON, STATION, token_json

UID = Uid("04A1B2C3D4E5F6")


def raw(value: object) -> Raw:
    """Write JSON."""
    return Raw(json.dumps(value).encode())


def read(*tokens: object) -> tuple[list[Token], list[str]]:
    """Read a page of tokens."""
    return v221.decode_tokens(raw(tokens), "emsp")


def read_one(**changes: object) -> Token:
    """Read one good token."""
    tokens, problems = read(token_json(**changes))
    assert problems == []
    return tokens[0]


# ---- tokens ------------------------------------------------------------------


def test_version_is_supported() -> None:
    """The table knows this module by its number."""
    assert SUPPORTED["2.2.1"] is v221


def test_token() -> None:
    """Every field arrives, the uid in the eMSP's own spelling."""
    assert read_one() == Token(
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
        group_id="G1",
        language="nl",
    )


def test_optional_fields() -> None:
    """Null and absent are the same."""
    for nothing in (None, ...):
        token = read_one(visual_number=nothing, group_id=nothing, language=nothing)
        assert (token.visual_number, token.group_id, token.language) == (None,) * 3
    assert read_one(group_id="").group_id is None


DATES = [
    # as sent, hour in UTC, microseconds
    ("2026-01-02T03:04:05Z", 3, 0),
    ("2026-01-02T03:04:05", 3, 0),
    ("2026-01-02 03:04:05+00:00", 3, 0),
    ("2026-01-02T05:04:05+02:00", 3, 0),
    ("2026-01-02T03:04:05.25Z", 3, 250_000),
    ("2026-01-02T03:04:05.123456789", 3, 123_457),
    ("2026-01-02t03:04:05z", 3, 0),
]


@pytest.mark.parametrize(("text", "hour", "micros"), DATES)
def test_dates(text: str, hour: int, micros: int) -> None:
    """All the ways servers write a moment give the same one, in UTC."""
    moment = read_one(last_updated=text).last_updated
    assert moment == datetime(2026, 1, 2, hour, 4, 5, micros, tzinfo=UTC)
    assert moment.tzinfo is UTC


@pytest.mark.parametrize("kind", list(WhitelistType))
def test_whitelists(kind: WhitelistType) -> None:
    """Each whitelist type is itself."""
    assert read_one(whitelist=kind.value).whitelist is kind


@pytest.mark.parametrize("kind", ["ALWAYS_AND_FOR_EVER", "always", ""])
def test_unknown_whitelist(kind: str) -> None:
    """A permission we do not know is none."""
    assert read_one(whitelist=kind).whitelist is WhitelistType.NEVER


def test_unknown_type_is_no_card() -> None:
    """Types of the future are skipped without a complaint; the others stay."""
    page = [token_json(type="IMPLANT"), token_json(type="APP_USER")]
    tokens, problems = read(*page)
    assert [token.type for token in tokens] == [TokenType.APP_USER]
    assert problems == []


BAD = [
    # what the problem must name, the change that makes the token bad
    ("uid", {"uid": "0" * 37}),
    ("uid", {"uid": ""}),
    ("uid", {"uid": ...}),
    ("uid", {"uid": 17}),
    ("uid", {"uid": None}),
    ("CiString", {"uid": "04a1b2\n"}),
    ("CiString", {"uid": "ö"}),
    ("CiString", {"group_id": "gruppe-ö"}),
    ("CiString", {"party_id": "T\r\n"}),
    ("country_code", {"country_code": "NLD"}),
    ("party_id", {"party_id": "TNMX"}),
    ("contract_id", {"contract_id": "C" * 37}),
    ("issuer", {"issuer": "I" * 65}),
    ("visual_number", {"visual_number": "V" * 65}),
    ("group_id", {"group_id": "G" * 37}),
    ("language", {"language": "nld"}),
    ("valid", {"valid": "true"}),
    ("whitelist", {"whitelist": None}),
    ("last_updated", {"last_updated": "1970-1-1T00:00:00Z"}),
    ("last_updated", {"last_updated": "0001-01-01T00:00:00+05:00"}),
    ("last_updated", {"last_updated": 1_700_000_000}),
]


@pytest.mark.parametrize(("name", "change"), BAD)
def test_bad_token(name: str, change: dict[str, Any]) -> None:
    """One bad token costs itself only, and its problem names place and field."""
    good, bad = token_json(uid="04AA"), token_json(**change)
    tokens, (problem,) = read(good, bad, good)
    assert [token.uid for token in tokens] == ["04AA", "04AA"]
    assert problem.startswith("token 1: ")
    assert name in problem
    assert "04a1b2" not in problem


@pytest.mark.parametrize("item", [None, [], "token", 17])
def test_item_that_is_no_token(item: object) -> None:
    """Anything may stand in a list."""
    tokens, problems = read(item, token_json())
    assert (len(tokens), len(problems)) == (1, 1)


@pytest.mark.parametrize(
    "data", [b"{}", b"", b"[", b"null", b"[" * 100_000, b'["\xff"', b'["\\ud800"]x']
)
def test_not_a_list(data: bytes) -> None:
    """A page that is no list is no answer."""
    with pytest.raises(TransientUpstreamError):
        v221.decode_tokens(Raw(data), "emsp")


def test_broken_text_costs_one_token() -> None:
    """Bytes that are not UTF-8 do not cost the page."""
    good = json.dumps(token_json()).encode()
    page = b"[" + good.replace(b"Example", b"\xff\xfe") + b"," + good + b"]"
    tokens, problems = v221.decode_tokens(Raw(page), "emsp")
    assert (len(tokens), len(problems)) == (1, 1)


# ---- authorize ---------------------------------------------------------------


def test_location() -> None:
    """The place always goes out; no EVSEs means all of them, and is left out."""
    assert json.loads(v221.encode_location("LOC-1", ["E1", "E2"])) == {
        "location_id": "LOC-1",
        "evse_uids": ["E1", "E2"],
    }
    assert json.loads(v221.encode_location("LOC-1", ())) == {"location_id": "LOC-1"}


@pytest.mark.parametrize(
    "verdict", [verdict for verdict in Verdict if verdict is not Verdict.UNKNOWN]
)
def test_verdicts(verdict: Verdict) -> None:
    """Each AllowedType is itself."""
    answer = v221.decode_authorization(
        raw({"allowed": verdict.value}), "emsp", UID, None
    )
    assert answer.verdict is verdict
    assert answer.upstream == "emsp"


@pytest.mark.parametrize("allowed", ["UNKNOWN", "PERHAPS", "allowed", ""])
def test_unknown_verdict(allowed: str) -> None:
    """What we do not know does not allow."""
    answer = v221.decode_authorization(raw({"allowed": allowed}), "emsp", UID, None)
    assert answer.verdict is Verdict.NOT_ALLOWED


def test_full_answer() -> None:
    """Everything an answer can say arrives; EVSE uids are folded for comparison."""
    info = {
        "allowed": "ALLOWED",
        "token": token_json(),
        "location": {"location_id": "LOC-1", "evse_uids": ["SE*abc*E1", "E2"]},
        "authorization_reference": "REF-1",
        "info": {"language": "en", "text": "Have a nice day"},
    }
    answer = v221.decode_authorization(raw(info), "emsp", UID, None)
    assert answer.token == read_one()
    assert answer.evse_uids == {"se*abc*e1", "e2"}
    assert answer.authorization_reference == "REF-1"
    assert answer.info == "Have a nice day"


@pytest.mark.parametrize("nothing", [None, {}, [], "x", {"text": ""}, {"text": 7}])
def test_garbage_beside_the_verdict(nothing: object) -> None:
    """Only `allowed` and `location` can spoil an answer."""
    info = {"allowed": "ALLOWED", "token": nothing, "info": nothing, "location": None}
    answer = v221.decode_authorization(raw(info), "emsp", UID, None)
    assert answer.verdict is Verdict.ALLOWED
    assert (answer.token, answer.info) == (None, None)


RETURNED = [
    # does it fit, the whitelist row, what differs in the returned token
    (True, None, {}),
    (True, None, {"uid": "04:A1:B2:C3:D4:E5:F6"}),
    (True, None, {"country_code": "DE", "party_id": "XXX"}),
    (False, None, {"uid": "04a1b2c3d4e5f7"}),
    (False, None, {"type": "APP_USER"}),
    (False, None, {"type": "IMPLANT"}),
    (True, {}, {}),
    (True, {}, {"country_code": "nl", "party_id": "tnm", "uid": "04A1B2C3D4E5F6"}),
    (True, {}, {"contract_id": "NL-TNM-C00000002", "valid": False}),
    (False, {}, {"party_id": "XXX"}),
    (False, {}, {"country_code": "DE"}),
    (False, {}, {"type": "OTHER"}),
    (True, {"type": "OTHER"}, {"type": "OTHER"}),
    (False, {"type": "OTHER"}, {}),
    (True, {"uid": "f6e5d4c3b2a104"}, {"uid": "F6E5D4C3B2A104"}),
]


@pytest.mark.parametrize(("fits", "row", "change"), RETURNED)
def test_returned_token(
    row: dict[str, object] | None, change: dict[str, object], *, fits: bool
) -> None:
    """A returned token counts only if it is the one we asked about."""
    listed = None if row is None else read_one(**row)
    info = {"allowed": "BLOCKED", "token": token_json(**change)}
    answer = v221.decode_authorization(raw(info), "emsp", UID, listed)
    assert (answer.token is not None) is fits
    assert answer.verdict is Verdict.BLOCKED


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b"null",
        b"",
        b'{"allowed": true}',
        b'{"allowed": "ALLOWED", "location": {"evse_uids": 1}}',
        b'{"allowed": "ALLOWED", "location": [',
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_no_answer(data: bytes) -> None:
    """Without a verdict, or with a place nobody can read, there is no answer."""
    with pytest.raises(TransientUpstreamError, match="emsp: expected"):
        v221.decode_authorization(Raw(data), "emsp", UID, None)


TOKENS = st.fixed_dictionaries(
    {},
    optional={name: JSON | st.just(value) for name, value in token_json().items()},
)


@given(
    st.lists(TOKENS.map(lambda part: token_json(**part)) | TOKENS | JSON, max_size=4)
)
def test_any_page(page: list[object]) -> None:
    """Every item becomes a token, a problem, or nothing; never an exception."""
    tokens, problems = read(*page)
    assert len(tokens) + len(problems) <= len(page)
    for token in tokens:
        assert 1 <= len(token.uid) <= 36
        assert token.last_updated.tzinfo is UTC


@given(
    st.fixed_dictionaries(
        {"allowed": st.sampled_from(list(Verdict)) | JSON},
        optional={
            "token": TOKENS | JSON,
            "info": JSON,
            "location": JSON,
            "authorization_reference": JSON,
        },
    )
    | JSON
)
def test_any_authorization(info: object) -> None:
    """Every answer is an Answer or none; never another exception."""
    try:
        answer = v221.decode_authorization(raw(info), "emsp", UID, None)
    except TransientUpstreamError:
        return
    assert answer.verdict is not Verdict.UNKNOWN


# ---- sessions ----------------------------------------------------------------


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
ENDED = replace(
    SESSION,
    status=SessionStatus.COMPLETED,
    ended_at=at(5430),
    stop_reason=StopReason.LOCAL,
    updated_at=at(5430),
)
# Field, whether it must be there, and what its value must match; written from the
# object table, in its order. Numbers are checked apart.
FIELDS = [
    ("country_code", True, r"[ -~]{2}"),
    ("party_id", True, r"[ -~]{3}"),
    ("id", True, r"[ -~]{1,36}"),
    ("start_date_time", True, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    ("end_date_time", False, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
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
    ("last_updated", True, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
]


def write(session: Session) -> dict[str, Any]:
    """Write a session and check it against the object table."""
    text = v221.encode_session(session, STATION).decode()
    written: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert "null" not in text
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
    assert write(SESSION) == {
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
        "status": "ACTIVE",
        "last_updated": "2026-05-06T07:08:09Z",
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


def test_absent_fields_are_left_out() -> None:
    """No reference and no meter: no such fields."""
    bare = replace(SESSION, authorization_reference=None, evse_uid="SE*ABC*E9")
    written = write(bare)
    assert "authorization_reference" not in written
    assert "meter_id" not in written
    # The EVSE is no longer configured, and the field must not be missing.
    assert written["connector_id"] == "#NA"


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
    text = v221.encode_session(replace(SESSION, energy_wh=energy_wh), STATION).decode()
    assert f'"kwh":{kwh},' in text


@given(
    st.integers(0, 10**9),
    st.floats(0, 10**7),
    st.sampled_from(SessionStatus),
    st.sampled_from(AuthMethod),
)
def test_every_session_fits_the_table(
    energy_wh: int, seconds: float, status: SessionStatus, method: AuthMethod
) -> None:
    """Every session keeps to the object table, and its numbers to their units."""
    written = write(
        replace(
            ENDED,
            energy_wh=energy_wh,
            ended_at=at(seconds),
            status=status,
            auth_method=method,
        )
    )
    (period,) = written["charging_periods"]
    energy, time = (part["volume"] for part in period["dimensions"])
    assert energy == written["kwh"] == Decimal(energy_wh) / 1000
    assert time.as_tuple().exponent >= -4
    assert abs(float(time) - seconds / 3600) < 0.001
