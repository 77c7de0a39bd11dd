"""Everything that a CPO must not send is refused and recorded."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.cpo import PARTY, UID, Cpo
from tests.reference.errata import NEWLINE_AUTHORIZATION, NEWLINE_TOKEN
from tests.reference.reference import Reference
from tests.reference.refusals import refused, rules
from tests.reference.tokens import token

if TYPE_CHECKING:
    import httpx


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _authorizations(cpo: Cpo) -> list[str | None]:
    """List wrong spellings of the right token, and wrong tokens."""
    token = cpo.token
    raw, encoded = f"Token {token}", f"Token {_encoded(token)}"
    right = raw if cpo.version == "2.1.1" else encoded
    other = encoded if cpo.version == "2.1.1" else raw
    value = right.removeprefix("Token ")
    wrong = [None, other, value, f"Bearer {value}", f"token {value}", f"Token  {value}"]
    return [*wrong, f"Token {value} ", f"Token {value}x", "Token", "Token wrong"]


def test_authorization(cpo: Cpo) -> None:
    """Only `Token`, one space and the token in the version's spelling open."""
    url = cpo.url("tokens")
    for wrong in _authorizations(cpo):
        # Spaces at the end of a header are no part of its value.
        if wrong is not None and wrong.endswith(" "):
            continue
        cpo.backend.problems.clear()
        answer = cpo.ask("GET", url, changes={"Authorization": wrong})
        refused(cpo, answer, "Authorization", 401)


def test_newline_in_the_token(client: httpx.Client) -> None:
    """The Base64 of the token with a line feed is refused by name."""
    with Reference(provisioned_token=NEWLINE_TOKEN) as backend:
        cpo = Cpo(backend, "2.2.1", client)
        url = cpo.url("tokens")
        answer = cpo.ask("GET", url, changes={"Authorization": NEWLINE_AUTHORIZATION})
        refused(cpo, answer, "Authorization", 401)
        assert "newline" in backend.problems[0].message


@pytest.mark.parametrize("encoding", ["raw", "base64"])
def test_encoding_of_the_versions_url(client: httpx.Client, encoding: str) -> None:
    """The versions URL takes either spelling, or the one that a test demands."""
    for demanded in ("either", encoding):
        with Reference(versions_encoding=demanded) as backend:
            cpo = Cpo(backend, "2.2.1" if encoding == "base64" else "2.1.1", client)
            answer = cpo.ask("GET", backend.versions_url, is_routed=False)
            assert answer.status_code == 200
            other = cpo.token if encoding == "base64" else _encoded(cpo.token)
            changes = {"Authorization": f"Token {other}"}
            url = backend.versions_url
            answer = cpo.ask("GET", url, changes=changes, is_routed=False)
            is_good = demanded == "either"
            assert answer.status_code == (200 if is_good else 401)


def test_revoked_token(cpo: Cpo) -> None:
    """A token that was revoked opens nothing."""
    url = cpo.url("tokens")
    cpo.backend.revoke()
    refused(cpo, cpo.ask("GET", url), "Authorization", 401)
    with pytest.raises(LookupError):
        _ = cpo.backend.token


Changes = dict[str, str | None]
ROUTING = (
    *("OCPI-from-country-code", "OCPI-from-party-id"),
    *("OCPI-to-country-code", "OCPI-to-party-id"),
)
HEADERS: list[tuple[Changes, str]] = [
    ({"X-Request-ID": None}, "message ids"),
    ({"X-Correlation-ID": None}, "message ids"),
    ({"X-Request-ID": ""}, "message ids"),
    ({"X-Request-ID": "x" * 37}, "message ids"),
    *((Changes({name: None}), "routing") for name in ROUTING),
    *(
        (Changes({name: "XX" if "code" in name else "XXX"}), "routing")
        for name in ROUTING
    ),
]


@pytest.mark.parametrize(("changes", "rule"), HEADERS)
def test_headers(new_cpo: Cpo, changes: dict[str, str | None], rule: str) -> None:
    """Each header is due from 2.2 on, and has to name the right parties."""
    answer = new_cpo.ask("GET", new_cpo.url("tokens"), changes=changes)
    refused(new_cpo, answer, rule)


@pytest.mark.parametrize("is_open", [True, False])
def test_open_routing(client: httpx.Client, is_open: bool) -> None:  # noqa: FBT001 - a table's column
    """Only authorize may leave out whom it is for, and only where that is allowed."""
    with Reference(token(UID), has_open_routing=is_open) as backend:
        cpo = Cpo(backend, "2.2.1", client)
        nobody: Changes = {"OCPI-to-country-code": None, "OCPI-to-party-id": None}
        cpo.authorize(changes=nobody)
        assert rules(backend) == ([] if is_open else ["routing"])
        backend.problems.clear()
        cpo.authorize(changes={"OCPI-to-party-id": None})
        cpo.ask("GET", cpo.url("tokens"), changes=nobody)
        cpo.ask("PUT", cpo.session_url(), body=cpo.session(), changes=nobody)
        assert rules(backend) == ["routing"] * 3


def test_old_version_needs_no_headers(backend: Reference, client: httpx.Client) -> None:
    """2.1.1 knows neither message ids nor routing."""
    cpo = Cpo(backend, "2.1.1", client)
    assert cpo.list_tokens().json()["status_code"] == 1000
    sent = {name for one in backend.requests for name, _ in one.pairs}
    assert not any(name.lower().startswith(("ocpi", "x-")) for name in sent)
    backend.assert_clean()


def test_request_id_twice(new_cpo: Cpo) -> None:
    """A request id is used once; a correlation id may come again."""
    url, known = new_cpo.url("tokens"), {"X-Correlation-ID": "same"}
    for _ in range(2):
        assert new_cpo.ask("GET", url, changes=known).json()["status_code"] == 1000
    new_cpo.backend.assert_clean()
    known = {"X-Request-ID": "same"}
    assert new_cpo.ask("GET", url, changes=known).json()["status_code"] == 1000
    refused(new_cpo, new_cpo.ask("GET", url, changes=known), "message ids")


@pytest.mark.parametrize("module", ["versions", "details", "credentials"])
@pytest.mark.parametrize("name", ROUTING)
def test_no_routing_of_set_up(new_cpo: Cpo, module: str, name: str) -> None:
    """Versions, details and credentials are never routed."""
    urls = {"versions": new_cpo.backend.versions_url}
    url = urls.get(module) or new_cpo.url(module)
    changes = {name: "NL"}
    answer = new_cpo.ask("GET", url, changes=changes, is_routed=False)
    refused(new_cpo, answer, "routing")


def test_message_ids_on_set_up(new_cpo: Cpo, client: httpx.Client) -> None:
    """Ids are due on set-up too, unless a version without them is offered."""
    url, changes = new_cpo.url("details"), {"X-Request-ID": None}
    asked: dict[str, Any] = {"changes": changes, "is_routed": False}
    refused(new_cpo, new_cpo.ask("GET", url, **asked), "message ids")
    with Reference(versions=("2.2.1", "2.3.0")) as backend:
        strict = Cpo(backend, "2.3.0", client)
        refused(strict, strict.ask("GET", backend.versions_url, **asked), "message ids")
    with Reference() as backend:
        mixed = Cpo(backend, "2.3.0", client)
        assert mixed.ask("GET", backend.versions_url, **asked).status_code == 200
        backend.assert_clean()


CONTENTS = ["text/plain", "application/x-www-form-urlencoded", "", None]


@pytest.mark.parametrize("content_type", CONTENTS)
def test_content_type(cpo: Cpo, content_type: str | None) -> None:
    """A body says that it is JSON."""
    body, changes = cpo.session(), {"Content-Type": content_type}
    answer = cpo.ask("PUT", cpo.session_url(), body=body, changes=changes)
    refused(cpo, answer, "content type")


@pytest.mark.parametrize(
    "body", [b"{", b'{"kwh": NaN}', b'{"id": 1, "id": 2}', b'"\xff"', b"nothing"]
)
def test_no_json(cpo: Cpo, body: bytes) -> None:
    """What is not JSON is HTTP 400."""
    refused(cpo, cpo.ask("PUT", cpo.session_url(), body=body), "JSON", 400)


def test_no_object(cpo: Cpo) -> None:
    """JSON that is no object is refused as such."""
    refused(cpo, cpo.ask("PUT", cpo.session_url(), body=[cpo.session()]), "Session")


def test_body_where_none_is_due(cpo: Cpo) -> None:
    """A GET has no body, a PUT has one."""
    refused(cpo, cpo.ask("GET", cpo.url("tokens"), body={}), "content type")
    cpo.backend.problems.clear()
    refused(cpo, cpo.ask("PUT", cpo.session_url()), "content type")
    cpo.backend.problems.clear()
    refused(cpo, cpo.ask("POST", cpo.url("cdrs")), "JSON", 400)


QUERIES: list[dict[str, str]] = [
    {"page": "2"},
    {"limit": "0"},
    {"limit": "-1"},
    {"offset": "-1"},
    {"offset": "none"},
    {"date_from": "2026-01-01T00:00:00+00:00"},
    {"date_from": "2026-01-01T00:00:00"},
    {"date_from": "None"},
    {"date_to": "2026-01-01"},
]


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_a_list(cpo: Cpo, query: dict[str, str]) -> None:
    """A list takes the four foreseen parameters in their form."""
    refused(cpo, cpo.list_tokens(**query), "query")


def test_authorize_query(cpo: Cpo) -> None:
    """Authorize takes a TokenType; only 2.1.1 has a second name for it."""
    answer = cpo.authorize(query={"type": "RFID"})
    assert answer.json()["data"]["allowed"] == "ALLOWED"
    cpo.backend.assert_clean()
    refused(cpo, cpo.authorize(query={"type": "CARD"}), "query")
    cpo.backend.problems.clear()
    answer = cpo.authorize(query={"token_type": "RFID"})
    is_old = cpo.version == "2.1.1"
    assert rules(cpo.backend) == ([] if is_old else ["query"])


@pytest.mark.parametrize(
    "body", [{}, {"location_id": None}, {"location_id": "A", "evse": "B"}]
)
def test_location_references(cpo: Cpo, body: dict[str, Any]) -> None:
    """LocationReferences are checked like everything else."""
    refused(cpo, cpo.authorize(body=body), "LocationReferences")


def test_uid_too_long(cpo: Cpo) -> None:
    """A uid has at most 36 characters."""
    refused(cpo, cpo.authorize("0" * 37), "url")


def test_asking_about_always(cpo: Cpo) -> None:
    """A card that the station knows as ALWAYS must not be asked about."""
    card = token("04A0", whitelist="ALWAYS")
    cpo.backend.tokens.append(card)
    assert cpo.authorize("04A0").json()["data"]["allowed"] == "ALLOWED"
    cpo.backend.assert_clean()
    cpo.list_tokens()
    cpo.authorize("04A0")
    assert rules(cpo.backend) == ["authorize"]


URLS = [
    ("GET", "{tokens}/04A0", 404),
    ("GET", "{tokens}//", 404),
    ("POST", "{tokens}", 405),
    ("GET", "{tokens}/04A0/authorize", 405),
    ("GET", "{sessions}", 404),
    ("DELETE", "{sessions}/NL/EXC/S-0001", 405),
    ("GET", "{sessions}/NL/EXC", 404),
    ("GET", "{sessions}/NL//S-0001", 404),
    ("GET", "{sessions}/NL/XXX/S-0001", 404),
    ("GET", "{cdrs}", 405),
    ("DELETE", "{cdrs}/1", 405),
    ("GET", "{details}/tokens", 404),
    ("POST", "{details}", 405),
]


@pytest.mark.parametrize(("method", "url", "status"), URLS)
def test_url(cpo: Cpo, method: str, url: str, status: int) -> None:
    """What is not foreseen is HTTP 404 or 405."""
    cpo.put_session()
    names = ("tokens", "sessions", "cdrs", "details")
    written = url.format(**{name: cpo.url(name) for name in names})
    is_routed = not url.startswith("{details}")
    answer = cpo.ask(method, written, is_routed=is_routed)
    assert answer.status_code == status
    assert len(cpo.backend.problems) == 1


def test_ids_of_url_and_body(cpo: Cpo) -> None:
    """A Session stands at the URL of its own ids."""
    answer = cpo.put_session(url=cpo.session_url("S-0002"))
    refused(cpo, answer, "ids")
    if cpo.version == "2.1.1":
        return
    cpo.backend.problems.clear()
    refused(cpo, cpo.put_session(party_id="XXX"), "ids")


def test_other_cpo(cpo: Cpo, client: httpx.Client) -> None:
    """A backend that expects one CPO takes nothing of another."""
    with Reference(token(UID), cpo=("DE", "XYZ")) as backend:
        other = Cpo(backend, cpo.version, client)
        answer = other.put_session()
        is_old = cpo.version == "2.1.1"
        refused(other, answer, "url" if is_old else "routing", 404 if is_old else 200)
    assert cpo.put_session().status_code == 201
    assert cpo.url("sessions") in cpo.session_url()
    assert "/".join(PARTY) in cpo.session_url()
