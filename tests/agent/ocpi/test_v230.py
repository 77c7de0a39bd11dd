"""OCPI 2.3.0 on the wire: what differs from 2.2.1."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from agent.domain.tokens import TokenType
from agent.ocpi import v221, v230
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.credentials import Credentials, PartyRole, Role
from agent.ocpi.station import Party
from agent.ocpi.wire import SUPPORTED
from tests.agent.ocpi.examples import (
    BILLED,
    PENDING,
    SESSION,
    SOURCE,
    STATION,
    TARIFF,
    parse,
    raw,
    token_json,
    write_session,
)


def test_version_is_supported() -> None:
    """The table knows this module by its number, and prefers it."""
    assert SUPPORTED["2.3.0"] is v230
    assert next(iter(SUPPORTED)) == "2.3.0"
    assert v230.ENCODING is Encoding.BASE64
    assert v230.NAMES_PARTIES


def test_sessions_are_the_same() -> None:
    """Without a price there is no difference in a Session."""
    for session in (PENDING, SESSION):
        body = v230.encode_session(session, STATION, ())
        assert body == v221.encode_session(session, STATION, ())


def test_price() -> None:
    """A price is told before taxes, with the VAT beside it."""
    assert write_session(v230, BILLED)["total_cost"] == {
        "before_taxes": Decimal("17.14"),
        "taxes": [
            {"name": "VAT", "percentage": Decimal(25), "amount": Decimal("4.28")}
        ],
    }


def test_price_without_taxes() -> None:
    """Where nothing is added nothing is said of it."""
    untaxed = replace(BILLED, tariff=replace(TARIFF, vat_percent=Decimal()))
    assert write_session(v230, untaxed)["total_cost"] == {
        "before_taxes": Decimal("17.14")
    }


def test_cdr() -> None:
    """A CDR differs from an older one in its prices only."""
    new = parse(v230.encode_cdr(BILLED, STATION, ()))
    old = parse(v221.encode_cdr(BILLED, STATION, ()))
    assert list(new) == list(old)
    for name, value in old.items():
        if name.endswith("_cost"):
            (tax,) = new[name]["taxes"]
            assert new[name]["before_taxes"] == value["excl_vat"]
            assert new[name]["before_taxes"] + tax["amount"] == value["incl_vat"]
        else:
            assert new[name] == value


def test_token_types() -> None:
    """2.3.0 has a word for an EMAID, and a card booked on one."""
    token = v230.decode_token(raw(token_json(type="EMAID")), SOURCE)
    assert parse(v230.encode_token(token))["type"] == "EMAID"
    booked = replace(SESSION, token=replace(SESSION.token, type=TokenType.EMAID))
    assert write_session(v230, booked)["cdr_token"]["type"] == "EMAID"
    assert write_session(v221, booked)["cdr_token"]["type"] == "OTHER"


def test_credentials() -> None:
    """A hub is named in a field of its own, as there is no such role any more."""
    ours = Credentials(
        token=CredentialsToken("secret-b"),
        url="https://station.example/ocpi/versions",
        roles=(
            PartyRole(role=Role.CPO, party=Party("SE", "ABC"), name="Laddbolaget"),
            PartyRole(role=Role.HUB, party=Party("SE", "HUB"), name="Nav"),
        ),
        hub=Party("SE", "HUB"),
    )
    written = parse(v230.encode_credentials(ours))
    assert written["hub_party_id"] == "SEHUB"
    assert [role["role"] for role in written["roles"]] == ["CPO", "OTHER"]
    assert "hub_party_id" not in parse(v230.encode_credentials(replace(ours, hub=None)))
    assert v230.decode_credentials(raw(written)).hub == Party("SE", "HUB")
