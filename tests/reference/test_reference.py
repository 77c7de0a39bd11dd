"""The backend to a CPO that does everything right, and its own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.reference.checking import check
from tests.reference.cpo import UID, Cpo
from tests.reference.reference import Reference
from tests.reference.state import Answer
from tests.reference.tokens import token
from tests.reference.values import read_json

if TYPE_CHECKING:
    from tests.reference.values import JsonObject


def _data(cpo: Cpo, answer: httpx.Response, name: str) -> JsonObject:
    """Check an answer of the backend as strictly as those of a station."""
    envelope = read_json(answer.content)
    assert check(cpo.version, "Envelope", envelope) == []
    assert isinstance(envelope, dict)
    assert envelope["status_code"] == 1000
    assert check(cpo.version, name, envelope["data"]) == []
    data: JsonObject = envelope["data"]
    return data


def test_a_good_life(cpo: Cpo) -> None:
    """From the list to the CDR nothing is objected to, and all of it is kept."""
    assert cpo.authorize().json()["data"]["allowed"] == "ALLOWED"
    assert cpo.put_session("PENDING", kwh=0, charging_periods=[]).status_code == 201
    assert cpo.put_session("ACTIVE").status_code == 200
    assert cpo.put_session("COMPLETED").status_code == 200
    answer = cpo.post_cdr()
    assert answer.status_code == 201
    cpo.backend.assert_clean()
    assert [one.body["status"] for one in cpo.backend.session_history] == [
        *("PENDING", "ACTIVE", "COMPLETED")
    ]
    assert cpo.backend.sessions["S-0001"]["status"] == "COMPLETED"
    assert [one["id"] for one in cpo.backend.cdrs] == ["C-0001"]
    assert all(one.reply is not None for one in cpo.backend.requests)
    stored = cpo.ask("GET", answer.headers["Location"])
    assert _data(cpo, stored, "CDR")["id"] == "C-0001"
    shown = cpo.ask("GET", cpo.session_url())
    assert _data(cpo, shown, "Session")["status"] == "COMPLETED"
    cpo.backend.assert_clean()


def test_answers_are_right(cpo: Cpo) -> None:
    """What the backend says is what the specification foresees."""
    versions = cpo.ask("GET", cpo.backend.versions_url, is_routed=False)
    _data(cpo, versions, "Version[]")
    details = cpo.ask("GET", cpo.url("details"), is_routed=False)
    _data(cpo, details, "VersionDetails")
    own = cpo.ask("GET", cpo.url("credentials"), is_routed=False)
    assert _data(cpo, own, "Credentials")["token"] == cpo.token
    _data(cpo, cpo.list_tokens(), "Token[]")
    _data(cpo, cpo.authorize(), "AuthorizationInfo")
    cpo.backend.assert_clean()


def test_answers_repeat_ids_and_swap_parties(new_cpo: Cpo) -> None:
    """An answer has the ids of its request and the parties the other way round."""
    answer = new_cpo.list_tokens()
    asked = answer.request.headers
    for name in ("X-Request-ID", "X-Correlation-ID"):
        assert answer.headers[name] == asked[name]
    assert answer.headers["OCPI-from-party-id"] == "TNM"
    assert answer.headers["OCPI-to-party-id"] == "EXC"


def test_list_is_paged(backend: Reference, cpo: Cpo) -> None:
    """Pages are capped, counted, filtered and linked."""
    backend.tokens[:] = [
        token(f"04{index:012X}", last_updated=f"2026-01-02T03:04:{index % 60:02d}Z")
        for index in range(55)
    ]
    first = cpo.list_tokens(limit="500", date_from="2026-01-02T03:04:01Z")
    assert first.headers["X-Total-Count"] == "54"
    assert first.headers["X-Limit"] == "50"
    assert len(first.json()["data"]) == 50
    link = first.headers["Link"]
    assert link.endswith('>; rel="next"')
    second = cpo.ask("GET", link[1 : link.index(">")])
    assert [one["uid"] for one in second.json()["data"]] == [
        f"04{index:012X}" for index in range(51, 55)
    ]
    assert "Link" not in second.headers
    before = cpo.list_tokens(date_to="2026-01-02T03:04:01Z")
    assert [one["uid"] for one in before.json()["data"]] == ["04000000000000"]
    backend.assert_clean()


def test_opaque_links(client: httpx.Client) -> None:
    """A hub's links lead elsewhere and are good only as they are."""
    tokens = [token(f"04{index:012X}") for index in range(3)]
    with Reference(*tokens, page_size=2, next_path="/hub/pages") as backend:
        cpo = Cpo(backend, "2.2.1", client)
        link = cpo.list_tokens().headers["Link"]
        url = link[1 : link.index(">")]
        assert "/hub/pages/" in url
        assert "offset" not in url
        page = cpo.ask("GET", url)
        assert [one["uid"] for one in page.json()["data"]] == ["04000000000002"]
        backend.assert_clean()
        assert cpo.ask("GET", url, query={"offset": "1"}).json()["status_code"] == 2001
        assert cpo.ask("GET", f"{url}x").status_code == 404


def test_types_of_tokens(backend: Reference, cpo: Cpo) -> None:
    """A Token is written as its version has it; what a test invents is sent too."""
    backend.tokens[:] = [token("A1", type="NEVER_HEARD", group_id="G", invented=1)]
    (shown,) = cpo.list_tokens().json()["data"]
    assert shown["type"] == "NEVER_HEARD"
    assert shown["invented"] == 1
    is_new = cpo.version != "2.1.1"
    assert ("group_id" in shown, "contract_id" in shown) == (is_new, is_new)
    assert ("auth_id" in shown) != is_new


VERDICTS = [
    (Answer(allowed="NO_CREDIT", info="Pay first"), "NO_CREDIT"),
    (Answer(allowed="NOT_ALLOWED"), "NOT_ALLOWED"),
    (Answer(location={"location_id": "QUAY-7", "evse_uids": ["B"]}), "ALLOWED"),
    (Answer(authorization_reference="R-77"), "ALLOWED"),
]


@pytest.mark.parametrize(("verdict", "allowed"), VERDICTS)
def test_authorize(cpo: Cpo, verdict: Answer, allowed: str) -> None:
    """Authorize says what the test wants it to."""
    cpo.backend.answers[UID] = verdict
    info = _data(cpo, cpo.authorize(), "AuthorizationInfo")
    assert info["allowed"] == allowed
    assert (info.get("info") is None) == (verdict.info is None)
    if verdict.location is not None:
        assert info["location"] == verdict.location
    if cpo.version != "2.1.1" and verdict.authorization_reference:
        assert info["authorization_reference"] == "R-77"
    assert "R-77" not in info or cpo.version != "2.1.1"


def test_case_of_a_uid(cpo: Cpo) -> None:
    """A uid is found in any case, and so is what a test wants said of it."""
    assert cpo.authorize(UID.lower()).json()["data"]["allowed"] == "ALLOWED"
    cpo.backend.answers[UID.lower()] = Answer(allowed="EXPIRED")
    assert cpo.authorize(UID).json()["data"]["allowed"] == "EXPIRED"
    cpo.backend.assert_clean()


def test_authorize_gives_a_reference_each_time(new_cpo: Cpo) -> None:
    """No two answers have the same authorization_reference."""
    given = [
        new_cpo.authorize().json()["data"]["authorization_reference"] for _ in range(2)
    ]
    assert len(set(given)) == 2


@pytest.mark.parametrize(
    ("shape", "status", "has_envelope"),
    [("404+2004", 404, True), ("404", 404, False), ("200+2004", 200, True)],
)
def test_unknown_token(
    client: httpx.Client,
    version: str,
    shape: str,
    status: int,
    has_envelope: bool,  # noqa: FBT001 - a table's column
) -> None:
    """An unknown card is told in the shape that the test chose; 2.1.1 has no 2004."""
    with Reference(unknown_token=shape) as backend:
        answer = Cpo(backend, version, client).authorize("04FFFFFFFFFFFF")
        assert answer.status_code == status
        code = 2000 if version == "2.1.1" else 2004
        assert answer.json().get("status_code") == (code if has_envelope else None)
        backend.assert_clean()


def test_answer_for_an_unlisted_card(cpo: Cpo) -> None:
    """A card that is not listed can be known to authorize."""
    uid = "04DEADBEEF0001"
    cpo.backend.answers[uid] = Answer(token=token(uid))
    _data(cpo, cpo.authorize(uid), "AuthorizationInfo")
    cpo.backend.answers[UID] = "unknown"
    assert cpo.authorize().status_code == 404
    cpo.backend.assert_clean()


def test_authorize_without_location(cpo: Cpo) -> None:
    """Without LocationReferences the answer is 2002, which is no objection."""
    answer = cpo.authorize(body=None)
    assert answer.json()["status_code"] == 2002
    cpo.backend.assert_clean()


def test_invalid_token_is_blocked(backend: Reference, new_cpo: Cpo) -> None:
    """A card that is no longer valid is BLOCKED unless the test says otherwise."""
    backend.tokens[0]["valid"] = False
    assert new_cpo.authorize().json()["data"]["allowed"] == "BLOCKED"


def test_patch_appends_periods(cpo: Cpo) -> None:
    """Periods of a PATCH are appended from 2.2 on; before they replace."""
    whole = cpo.session("COMPLETED")["charging_periods"]
    assert cpo.put_session(kwh=8.25, charging_periods=whole[:1]).status_code == 201
    changes = {"kwh": 10.2505, "last_updated": "2026-03-04T18:40:00Z"}
    sent = whole if cpo.version == "2.1.1" else whole[1:]
    answer = cpo.patch_session("S-0001", charging_periods=sent, **changes)
    assert answer.json()["status_code"] == 1000
    assert len(cpo.backend.sessions["S-0001"]["charging_periods"]) == 2
    assert cpo.backend.session_history[-1].method == "PATCH"
    cpo.backend.assert_clean()


def test_forgotten_session(cpo: Cpo) -> None:
    """A backend that lost a Session says so, and takes it anew."""
    cpo.put_session()
    cpo.backend.forget_sessions()
    assert cpo.ask("GET", cpo.session_url()).status_code == 404
    answer = cpo.patch_session("S-0001", kwh=11, last_updated="2026-03-04T18:40:00Z")
    assert answer.status_code == 404
    assert cpo.put_session().status_code == 201
    cpo.backend.assert_clean()


def test_slash_of_collections(client: httpx.Client) -> None:
    """Published slashes are demanded, and only where they were published."""
    with Reference(token(UID), has_slash=True, base="/deep/ocpi") as backend:
        cpo = Cpo(backend, "2.2.1", client)
        url = cpo.url("tokens")
        assert url.endswith("/deep/ocpi/2.2.1/emsp/tokens/")
        assert cpo.ask("GET", url).json()["status_code"] == 1000
        backend.assert_clean()
        assert cpo.ask("GET", url.rstrip("/")).status_code == 404
        assert cpo.ask("GET", f"{url}/").status_code == 404
        assert [one.rule for one in backend.problems] == ["url", "url"]


def test_chosen_modules(client: httpx.Client) -> None:
    """A backend may offer less, and then serves less."""
    with Reference(token(UID), modules=("tokens",)) as backend:
        cpo = Cpo(backend, "2.2.1", client)
        cpo.list_tokens()
        with pytest.raises(KeyError):
            cpo.url("sessions")
        guessed = cpo.url("tokens").replace("tokens", "sessions")
        assert cpo.ask("PUT", guessed, body={}).status_code == 404


def test_away(cpo: Cpo) -> None:
    """Connections are refused while the backend is away, and the port stays."""
    with cpo.backend.away(), pytest.raises(httpx.TransportError):
        cpo.list_tokens()
    assert cpo.list_tokens().status_code == 200
