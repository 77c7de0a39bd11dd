"""A hub: open routing, parties behind it, and those it cannot reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.reference.checking import check
from tests.reference.cpo import Cpo
from tests.reference.headers import TO
from tests.reference.reference import Reference
from tests.reference.tokens import token

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

HUB, NEAR, FAR = ("DE", "HUB"), ("NL", "TNM"), ("SE", "FAR")
FAR_UID = "04FA00000001"
OPEN: dict[str, str | None] = dict.fromkeys(TO)


def _to(party: tuple[str, str]) -> dict[str, str | None]:
    return dict(zip(TO, party, strict=True))


@pytest.fixture
def hub() -> Iterator[Reference]:
    """Run a hub with two eMSPs behind it."""
    far = token(FAR_UID, country_code="SE", party_id="FAR", contract_id="SE-FAR-C1")
    with Reference(token("04A0"), far, hub=HUB, party=NEAR) as running:
        yield running


@pytest.fixture
def spoke(hub: Reference, client: httpx.Client) -> Cpo:
    """Speak 2.2.1 to the hub, after the list was read."""
    cpo = Cpo(hub, "2.2.1", client)
    answer = cpo.ask("GET", cpo.url("tokens"), changes=_to(HUB))
    owners = [one["party_id"] for one in answer.json()["data"]]
    assert owners == ["TNM", "FAR"]
    return cpo


def test_list_is_the_hubs(hub: Reference, spoke: Cpo) -> None:
    """A list of all tokens is asked of the hub itself."""
    hub.assert_clean()
    for changes in (OPEN, _to(NEAR)):
        spoke.ask("GET", spoke.url("tokens"), changes=changes)
    assert [one.rule for one in hub.problems] == ["routing", "routing"]


def test_open_routing(hub: Reference, spoke: Cpo) -> None:
    """Without a receiver the hub finds the eMSP by the uid."""
    info = spoke.authorize(FAR_UID, changes=OPEN).json()["data"]
    assert info["token"]["party_id"] == "FAR"
    assert spoke.authorize(FAR_UID, changes=_to(FAR)).json()["status_code"] == 1000
    assert spoke.authorize("04FFFF", changes=OPEN).json()["status_code"] == 2004
    hub.assert_clean()
    half = {**OPEN, TO[0]: "SE"}
    assert spoke.authorize(FAR_UID, changes=half).json()["status_code"] == 2001


def test_wrong_receiver(hub: Reference, spoke: Cpo) -> None:
    """A question goes to the owner of the card, not to the hub or another party."""
    assert spoke.authorize(FAR_UID, changes=_to(HUB)).json()["status_code"] == 2001
    assert spoke.authorize(FAR_UID, changes=_to(NEAR)).json()["status_code"] == 2001
    assert [one.rule for one in hub.problems] == ["routing", "routing"]
    nobody = _to(("XX", "XXX"))
    assert spoke.authorize(FAR_UID, changes=nobody).json()["status_code"] == 4001


@pytest.mark.parametrize("code", [4001, 4002, 4003])
def test_trouble_behind_the_hub(hub: Reference, spoke: Cpo, code: int) -> None:
    """Who cannot be reached is told by code; others are not touched by that."""
    hub.hub_trouble["se", "far"] = code
    for changes in (OPEN, _to(FAR)):
        assert spoke.authorize(FAR_UID, changes=changes).json()["status_code"] == code
    assert spoke.authorize("04A0", changes=OPEN).json()["status_code"] == 1000
    session = _session(spoke)
    url = spoke.session_url()
    answer = spoke.ask("PUT", url, body=session, changes=_to(FAR))
    assert answer.json()["status_code"] == code
    hub.hub_trouble.clear()
    answer = spoke.ask("PUT", url, body=session, changes=_to(FAR))
    assert answer.status_code == 201
    hub.assert_clean()


def _session(spoke: Cpo) -> dict[str, object]:
    session = spoke.session()
    session["cdr_token"] = {
        "country_code": "SE",
        "party_id": "FAR",
        "uid": FAR_UID,
        "type": "RFID",
        "contract_id": "SE-FAR-C1",
    }
    return session


def test_sessions_concern_one_party(hub: Reference, spoke: Cpo) -> None:
    """A Session goes to the owner of its token and is never broadcast."""
    url, session = spoke.session_url(), _session(spoke)
    for changes in (_to(HUB), OPEN, _to(NEAR)):
        answer = spoke.ask("PUT", url, body=session, changes=changes)
        assert answer.json()["status_code"] == 2001
    assert [one.rule for one in hub.problems] == ["routing"] * 3
    assert hub.sessions == {}


@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
def test_credentials_of_a_hub(
    hub: Reference, client: httpx.Client, version: str
) -> None:
    """A hub of 2.2.1 names itself by role, one of 2.3.0 by its id."""
    cpo = Cpo(hub, version, client)
    answer = cpo.ask("GET", cpo.url("credentials"), is_routed=False)
    data = answer.json()["data"]
    assert check(version, "Credentials", data) == []
    roles = [(one["role"], one["party_id"]) for one in data["roles"]]
    if version == "2.2.1":
        assert roles == [("HUB", "HUB")]
    else:
        assert (roles, data["hub_party_id"]) == ([("EMSP", "TNM")], "DEHUB")
