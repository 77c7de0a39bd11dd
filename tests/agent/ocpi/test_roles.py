"""Credentials of every version: the token and the URL must not be lost."""

from __future__ import annotations

import pytest
from msgspec import Raw
from msgspec.structs import replace

from agent.ocpi import v211, v221, v230
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.credentials import Credentials, PartyRole, Role
from agent.ocpi.station import Party
from agent.ocpi.wire import SUPPORTED, WireModel
from tests.agent.ocpi.examples import parse, raw

URL = "https://emsp.example/ocpi/versions"
WIRES = list(SUPPORTED.values())
OURS = Credentials(
    token=CredentialsToken("secret-b"),
    url="https://station.example/ocpi/versions",
    roles=(
        PartyRole(role=Role.EMSP, party=Party("SE", "XYZ"), name="Kort"),
        PartyRole(
            role=Role.CPO,
            party=Party("SE", "ABC"),
            name="Laddbolaget Åre",
            website="https://laddbolaget.example",
        ),
    ),
)


def secret(credentials: Credentials) -> str:
    """Tell the token."""
    return credentials.token.header(Encoding.RAW)


def role_json(**changes: object) -> dict[str, object]:
    """Write a role as a server would."""
    role: dict[str, object] = {
        "role": "EMSP",
        "business_details": {"name": "Example"},
        "party_id": "TNM",
        "country_code": "NL",
    }
    return {name: value for name, value in (role | changes).items() if value is not ...}


def read(*roles: object, **changes: object) -> Credentials:
    """Read credentials of 2.2.1."""
    fields = {"token": "secret-c", "url": URL, "roles": roles} | changes
    return v221.decode_credentials(raw(fields))


def test_writing() -> None:
    """All our roles are told, the token as it is and not encoded."""
    assert parse(v221.encode_credentials(OURS)) == {
        "token": "secret-b",
        "url": "https://station.example/ocpi/versions",
        "roles": [
            {
                "role": "EMSP",
                "business_details": {"name": "Kort"},
                "party_id": "XYZ",
                "country_code": "SE",
            },
            {
                "role": "CPO",
                "business_details": {
                    "name": "Laddbolaget Åre",
                    "website": "https://laddbolaget.example",
                },
                "party_id": "ABC",
                "country_code": "SE",
            },
        ],
    }


def test_writing_the_old_way() -> None:
    """2.1.1 has one party, the CPO, and ASCII only."""
    assert parse(v211.encode_credentials(OURS)) == {
        "token": "secret-b",
        "url": "https://station.example/ocpi/versions",
        "business_details": {
            "name": "Laddbolaget Are",
            "website": "https://laddbolaget.example",
        },
        "party_id": "ABC",
        "country_code": "SE",
    }
    only = replace(OURS, roles=OURS.roles[:1])
    assert parse(v211.encode_credentials(only))["party_id"] == "XYZ"


def test_company_without_a_name() -> None:
    """A name is required, and a party always has one of its own."""
    nameless = replace(OURS, roles=(replace(OURS.roles[1], name=" "),))
    (role,) = parse(v221.encode_credentials(nameless))["roles"]
    assert role["business_details"]["name"] == "SE*ABC"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("token", {"token": CredentialsToken("x" * 65)}),
        ("roles", {"roles": ()}),
        ("url", {"url": "station.example"}),
        ("party_id", {"roles": (replace(OURS.roles[1], party=Party("SE", "ABCD")),)}),
    ],
)
def test_wrong_credentials_of_ours(
    wire: WireModel, name: str, change: dict[str, object]
) -> None:
    """What breaks a rule is not sent, and the field is named."""
    with pytest.raises(ValueError, match=name):
        wire.encode_credentials(replace(OURS, **change))


def test_reading() -> None:
    """Token, URL and every role arrive; roles we do not know are OTHER."""
    website = {"name": "Nätbolaget", "website": "https://emsp.example", "logo": {}}
    found = read(
        role_json(business_details=website),
        role_json(role="NSP", party_id="NSP"),
        role_json(role="cpo", country_code="de"),
    )
    assert secret(found) == "Token secret-c"
    assert found.url == URL
    assert found.hub is None
    assert found.roles == (
        PartyRole(
            role=Role.EMSP,
            party=Party("NL", "TNM"),
            name="Nätbolaget",
            website="https://emsp.example",
        ),
        PartyRole(role=Role.OTHER, party=Party("NL", "NSP"), name="Example"),
        PartyRole(role=Role.CPO, party=Party("de", "TNM"), name="Example"),
    )


def test_reading_the_old_way() -> None:
    """Whoever talks 2.1.1 to a CPO is an eMSP."""
    flat = role_json(role=...) | {"token": "secret-c", "url": URL}
    found = v211.decode_credentials(raw(flat))
    assert secret(found) == "Token secret-c"
    assert found.roles == (
        PartyRole(role=Role.EMSP, party=Party("NL", "TNM"), name="Example"),
    )


BROKEN_ROLES = [
    None,
    17,
    {},
    role_json(party_id=...),
    role_json(party_id="TNMX"),
    role_json(party_id="T\r\n"),
    role_json(country_code="Ö"),
]


@pytest.mark.parametrize("broken", BROKEN_ROLES)
def test_broken_role_costs_itself_only(broken: object) -> None:
    """A token that is ours from now on is not lost for a mistake beside it."""
    assert read(broken, role_json()).roles == read(role_json()).roles
    assert read(roles=broken).roles == ()


@pytest.mark.parametrize(
    "change",
    [
        {"role": ..., "business_details": ...},
        {"role": 7, "business_details": {"name": 7, "website": 7}},
        {"role": "", "business_details": "Example"},
    ],
)
def test_nameless_role(change: dict[str, object]) -> None:
    """A party is a party even if nothing else is known of it."""
    (role,) = read(role_json(**change)).roles
    assert role == PartyRole(role=Role.OTHER, party=Party("NL", "TNM"), name="")


HUBS = [
    # the hub, what the credentials say
    (Party("NL", "HUB"), {"hub_party_id": "NLHUB"}),
    (Party("nl", "hub"), {"hub_party_id": "nlhub"}),
    (None, {"hub_party_id": "NL"}),
    (None, {"hub_party_id": "NLHUBS"}),
    (None, {"hub_party_id": 7}),
    (None, {"hub_party_id": None}),
    (Party("NL", "TNM"), {"roles": [role_json(role="HUB")]}),
]


@pytest.mark.parametrize(("hub", "change"), HUBS)
def test_hub(hub: Party | None, change: dict[str, object]) -> None:
    """A hub is one by its role in 2.2, and by its own field in 2.3."""
    fields = {"token": "secret-c", "url": URL, "roles": []} | change
    assert v230.decode_credentials(raw(fields)).hub == hub
    assert v221.decode_credentials(raw(fields)).hub == hub


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("token", ["", "   ", "x" * 65, "a b", "é", 17, None, ...])
def test_wrong_token(wire: WireModel, token: object) -> None:
    """A token that no header can hold is none; it is never quoted."""
    fields = role_json(token=token, url=URL, roles=[role_json()])
    with pytest.raises(ValueError, match="token") as caught:
        wire.decode_credentials(raw(fields))
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b'{"token": "a"}', b'{"x": ' + b"[" * 100_000]
)
def test_no_credentials(wire: WireModel, data: bytes) -> None:
    """What is no credentials object is told apart from one."""
    with pytest.raises(ValueError, match=r"."):
        wire.decode_credentials(Raw(data))


@pytest.mark.parametrize("wire", WIRES)
def test_newline_of_a_shell(wire: WireModel) -> None:
    """OCPI's own examples have a newline in the token: it is no part of it."""
    fields = role_json(token="secret-c\n", url=URL, roles=[role_json()])
    assert secret(wire.decode_credentials(raw(fields))) == "Token secret-c"
