"""What holds in every version, whatever is written and whatever is sent to us."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from agent.domain.tokens import Token, TokenType
from agent.errors import TransientUpstreamError
from agent.ocpi.credentials import Credentials, Role
from agent.ocpi.quirks import Quirk
from agent.ocpi.station import Source, StationIdentity
from agent.ocpi.wire import SUPPORTED, WireModel
from tests.agent.ocpi.examples import (
    CREDENTIALS,
    ID36,
    SOURCE,
    STATIONS,
    TOKENS,
    UID,
    billed_sessions,
    damaged,
    old_token_json,
    parse,
    raw,
    sessions,
    token_json,
)
from tests.reference.checking import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.domain.sessions import Session

WIRES = st.sampled_from(list(SUPPORTED.values()))
every_version = pytest.mark.parametrize("wire", SUPPORTED.values(), ids=SUPPORTED)

# ---- writing -----------------------------------------------------------------


@every_version
@given(session=sessions(), station=STATIONS)
def test_sessions(wire: WireModel, session: Session, station: StationIdentity) -> None:
    """Every Session is one, and says how much was charged, in kWh."""
    written = parse(wire.encode_session(session, station, ()))
    assert check(wire.VERSION, "Session", written) == []
    assert written["kwh"] == Decimal(session.energy_wh) / 1000
    assert written["status"] == session.status


@every_version
@given(session=billed_sessions(), station=STATIONS)
def test_cdrs(wire: WireModel, session: Session, station: StationIdentity) -> None:
    """Every CDR is one, and says how much is to be paid, without VAT."""
    written = parse(wire.encode_cdr(session, station, ()))
    assert check(wire.VERSION, "CDR", written) == []
    assert session.cost is not None
    price = written["total_cost"]
    if isinstance(price, dict):
        price = price.get("excl_vat", price.get("before_taxes"))
    assert price == session.cost.total.excl_vat
    assert written["total_energy"] == Decimal(session.energy_wh) / 1000
    assert written["id"] == session.id


@every_version
@given(session=billed_sessions(), station=STATIONS)
def test_explicit_nulls(
    wire: WireModel, session: Session, station: StationIdentity
) -> None:
    """With nulls there are more fields, and nothing else is said."""
    for write in (wire.encode_session, wire.encode_cdr):
        full = write(session, station, [Quirk.EXPLICIT_NULLS])
        assert b"null" in full
        assert _without_nulls(parse(full)) == parse(write(session, station, ()))


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        inner = {name: _without_nulls(item) for name, item in value.items()}
        return {name: item for name, item in inner.items() if item not in (None, [])}
    return (
        [_without_nulls(item) for item in value] if isinstance(value, list) else value
    )


@every_version
@given(token=TOKENS)
def test_tokens(wire: WireModel, token: Token) -> None:
    """Every stored Token can be told, and is read back but for words and its group."""
    written = wire.encode_token(token)
    assert check(wire.VERSION, "Token", parse(written)) == []
    back = wire.decode_token(Raw(written), SOURCE)
    for name in ("uid", "contract_id", "valid", "whitelist"):
        assert getattr(back, name) == getattr(token, name)
    assert back.group_id is None
    assert back.last_updated == token.last_updated.replace(microsecond=0)
    assert back.type in (token.type, TokenType.OTHER)


@every_version
@given(credentials=CREDENTIALS)
def test_credentials(wire: WireModel, credentials: Credentials) -> None:
    """Our credentials are some, and can be read by the likes of us."""
    written = wire.encode_credentials(credentials)
    assert check(wire.VERSION, "Credentials", parse(written)) == []
    back = wire.decode_credentials(Raw(written))
    assert back.token.spellings() == credentials.token.spellings()
    assert back.url == credentials.url
    parties = [role.party for role in credentials.roles]
    if wire.NAMES_PARTIES:
        assert [role.party for role in back.roles] == parties
    else:
        assert back.roles[0].party in parties
        assert back.roles[0].role is Role.EMSP


@every_version
@given(location_id=ID36, evse_uids=st.lists(ID36, max_size=3))
def test_questions(wire: WireModel, location_id: str, evse_uids: list[str]) -> None:
    """Where a card was tapped is always told, and told right."""
    written = parse(wire.encode_location(location_id, evse_uids))
    assert check(wire.VERSION, "LocationReferences", written) == []
    assert written.get("evse_uids", []) == evse_uids


# ---- reading -----------------------------------------------------------------

PUSHED = damaged(token_json() | old_token_json())
THEIRS = damaged(
    {
        "token": "secret-c",
        "url": "https://emsp.example/ocpi/versions",
        "roles": [{"role": "EMSP", "party_id": "TNM", "country_code": "NL"}],
        "party_id": "TNM",
        "country_code": "NL",
        "business_details": {"name": "Example"},
        "hub_party_id": "NLHUB",
    }
)
ANSWERS = damaged(
    {
        "allowed": "ALLOWED",
        "token": token_json(),
        "location": {"evse_uids": ["E1"]},
        "authorization_id": "REF-1",
    }
)
SOURCES = st.sampled_from([SOURCE, Source("emsp")])
KNOWN = {
    version: wire.decode_token(raw(token_json() | old_token_json()), SOURCE)
    for version, wire in SUPPORTED.items()
}


def _sent(values: st.SearchStrategy[object]) -> st.SearchStrategy[Raw]:
    """Write what a server sends, and now and then no JSON at all."""
    return values.map(raw) | st.binary(max_size=20).map(Raw)


def _tolerates(error: type[Exception], read: Callable[[], object]) -> None:
    complaint = ""
    try:
        read()
    except error as err:
        complaint = str(err)
    assert "04a1b2" not in complaint


@given(WIRES, _sent(st.lists(PUSHED, max_size=3)), SOURCES)
def test_any_page(wire: WireModel, data: Raw, source: Source) -> None:
    """Every page is read or is none."""
    _tolerates(TransientUpstreamError, lambda: wire.decode_tokens(data, source))


@given(WIRES, _sent(ANSWERS), SOURCES)
def test_any_answer(wire: WireModel, data: Raw, source: Source) -> None:
    """Every answer is read or is none."""
    _tolerates(
        TransientUpstreamError,
        lambda: wire.decode_authorization(data, source, UID, None),
    )


@given(WIRES, _sent(PUSHED), SOURCES)
def test_any_push(wire: WireModel, data: Raw, source: Source) -> None:
    """Every pushed Token is read, or said to be wrong; the same holds for parts."""
    known = KNOWN[wire.VERSION]
    _tolerates(ValueError, lambda: wire.decode_token(data, source))
    _tolerates(ValueError, lambda: wire.merge_token(known, data, source))


@given(WIRES, _sent(THEIRS))
def test_any_credentials(wire: WireModel, data: Raw) -> None:
    """Every credentials object is read, or said to be wrong."""
    _tolerates(ValueError, lambda: wire.decode_credentials(data))
