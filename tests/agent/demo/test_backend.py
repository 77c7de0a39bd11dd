"""The sample backend: pages, credentials, answers, and what it does not take."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.demo.backend import PAGE_LIMIT, make_app
from agent.demo.memory import Memory
from agent.demo.objects import Token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.demo.objects import AllowedType

SECRET = "correct-horse"
HOME = "http://emsp.example"
BASE = "/ocpi/emsp/2.2.1"
TOKENS = f"{BASE}/tokens"
SESSION = f"{BASE}/sessions/SE/ABC/S-1"
HEADERS = {
    "Authorization": f"Token {base64.b64encode(SECRET.encode()).decode()}",
    "X-Request-ID": "request-1",
    "X-Correlation-ID": "correlation-1",
}
PLACE = {"location_id": "loc-1"}


def make_token(number: int) -> Token:
    """Make the token that was last updated in minute `number`."""
    return Token(
        country_code="NL",
        party_id="DMO",
        uid=f"04A1B2C3D4E5{number:02X}",
        contract_id=f"NL-DMO-{number}",
        issuer="eMSP",
        valid=True,
        whitelist="ALLOWED",
        last_updated=f"2026-01-01T00:{number:02}:00Z",
    )


@pytest.fixture
def memory() -> Memory:
    """Know eight cards and the word on three of them."""
    tokens = [make_token(number) for number in range(8)]
    answers: dict[str, AllowedType] = {
        tokens[0].uid: "ALLOWED",
        tokens[1].uid: "BLOCKED",
        "04FFFFFFFFFFFF": "ALLOWED",  # Not in the list, so the word does not count.
    }
    return Memory(tokens, answers, ["LOC-1"])


def ask(
    memory: Memory,
    method: str,
    url: str,
    body: object = None,
    *,
    headers: Mapping[str, str] = HEADERS,
    content: bytes | None = None,
) -> httpx.Response:
    """Send one request to a backend with this memory; `body` goes as JSON."""
    if body is not None:
        content = json.dumps(body).encode()
        headers = {**headers, "Content-Type": "application/json"}

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(memory, SECRET))
        async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
            return await client.request(method, url, content=content, headers=headers)

    return asyncio.run(send())


def session(**changes: object) -> dict[str, object]:
    """Make a Session of the first card; a change to None leaves the field out."""
    fields: dict[str, object] = {
        "country_code": "SE",
        "party_id": "ABC",
        "id": "S-1",
        "start_date_time": "2026-01-01T00:00:00Z",
        "kwh": 0,
        "cdr_token": {
            "country_code": "NL",
            "party_id": "DMO",
            "uid": "04a1b2c3d4e500",
            "type": "RFID",
            "contract_id": "NL-DMO-0",
        },
        "auth_method": "WHITELIST",
        "location_id": "LOC-1",
        "evse_uid": "SE*ABC*E1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "ACTIVE",
        "last_updated": "2026-01-01T00:00:00Z",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


ENDED: Mapping[str, object] = {
    "status": "COMPLETED",
    "kwh": 7.4,
    "end_date_time": "2026-01-01T01:00:00Z",
    "last_updated": "2026-01-01T01:00:00Z",
}


# ---- who may ask --------------------------------------------------------------------


def header(secret: str) -> str:
    """Write a credentials token as OCPI 2.2.1 wants it."""
    return f"Token {base64.b64encode(secret.encode()).decode()}"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        f"Token {SECRET}",
        header("another"),
        header(f"{SECRET}\n"),
        header(SECRET).lower(),
        header(SECRET).removeprefix("Token "),
        "Token not Base64!",
    ],
)
@pytest.mark.parametrize("url", ["/ocpi/versions", BASE, TOKENS, SESSION])
def test_every_endpoint_wants_the_token_in_base64(
    memory: Memory, url: str, value: str | None
) -> None:
    """Anything but the exact token is HTTP 401, also where the version is chosen."""
    headers = {**HEADERS}
    del headers["Authorization"]
    if value is not None:
        headers["Authorization"] = value
    assert ask(memory, "GET", url, headers=headers).status_code == 401


@pytest.mark.parametrize("name", ["X-Request-ID", "X-Correlation-ID"])
def test_message_ids_are_required(memory: Memory, name: str) -> None:
    """A request without them is OCPI 2001."""
    headers = {key: value for key, value in HEADERS.items() if key != name}
    assert ask(memory, "GET", TOKENS, headers=headers).json()["status_code"] == 2001


def test_message_ids_come_back(memory: Memory) -> None:
    """An answer, also a refusing one, repeats the ids of its request."""
    for url in (TOKENS, SESSION):
        answer = ask(memory, "GET", url)
        assert answer.headers["X-Request-ID"] == "request-1"
        assert answer.headers["X-Correlation-ID"] == "correlation-1"


def test_the_versions_lead_to_the_endpoints(memory: Memory) -> None:
    """Two GETs find where tokens and sessions are."""
    [version] = ask(memory, "GET", "/ocpi/versions").json()["data"]
    assert version["version"] == "2.2.1"
    details = ask(memory, "GET", version["url"]).json()["data"]
    assert details["endpoints"] == [
        {"identifier": "tokens", "role": "SENDER", "url": f"{HOME}{TOKENS}"},
        {
            "identifier": "sessions",
            "role": "RECEIVER",
            "url": f"{HOME}{BASE}/sessions",
        },
    ]


# ---- tokens -------------------------------------------------------------------------


def crawl(memory: Memory, url: str) -> list[list[str]]:
    """Follow every Link; return each page's contracts."""
    pages = []
    following: str | None = url
    while following:
        answer = ask(memory, "GET", following)
        assert answer.headers["X-Limit"] == str(PAGE_LIMIT)
        pages.append([token["contract_id"] for token in answer.json()["data"]])
        following = answer.links.get("next", {}).get("url")
    return pages


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ("", [3, 3, 2]),
        ("?limit=2", [2, 2, 2, 2]),
        ("?limit=1000", [3, 3, 2]),
        ("?offset=7", [1]),
        ("?offset=8", [0]),
        ("?offset=5&limit=3", [3]),
        ("?date_from=2026-01-01T00:04:00Z", [3, 1]),
        ("?date_to=2026-01-01T00:04:00Z", [3, 1]),
        ("?date_from=2026-01-01T00:02:00Z&date_to=2026-01-01T00:04:00Z", [2]),
        ("?date_from=2027-01-01T00:00:00Z", [0]),
    ],
)
def test_links_lead_through_all_pages(
    memory: Memory, query: str, sizes: list[int]
) -> None:
    """No page is above the limit, filters stay in the links, the last has none."""
    pages = crawl(memory, f"{TOKENS}{query}")
    assert [len(page) for page in pages] == sizes
    everyone = [contract for page in pages for contract in page]
    assert len(set(everyone)) == len(everyone)


def test_the_total_counts_what_the_filter_lets_through(memory: Memory) -> None:
    """X-Total-Count knows the filter and neither offset nor limit."""
    url = f"{TOKENS}?date_from=2026-01-01T00:02:00Z&offset=2&limit=1"
    assert ask(memory, "GET", url).headers["X-Total-Count"] == "6"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=ten",
        "offset=-1",
        "date_from=None",
        "date_from=2026-01-01",
        "date_from=2026-01-01T00:00:00",
        "date_from=2026-01-01T00:00:00%2B00:00",
        "date_to=2026-02-30T00:00:00Z",
    ],
)
def test_nonsense_in_the_query_is_refused(memory: Memory, query: str) -> None:
    """A parameter that cannot be meant is OCPI 2001, and is remembered."""
    assert ask(memory, "GET", f"{TOKENS}?{query}").json()["status_code"] == 2001
    assert len(memory.objections) == 1


# ---- authorize ----------------------------------------------------------------------


def authorize(
    memory: Memory, uid: str, body: object = PLACE, query: str = ""
) -> httpx.Response:
    """Ask about a card."""
    return ask(memory, "POST", f"{TOKENS}/{uid}/authorize{query}", body)


def test_an_allowed_card_gets_a_reference(memory: Memory) -> None:
    """ALLOWED brings the token, the place and a reference; a uid knows no case."""
    info = authorize(memory, "04a1b2c3d4e500").json()["data"]
    assert info["allowed"] == "ALLOWED"
    assert info["token"]["contract_id"] == "NL-DMO-0"
    assert info["location"] == PLACE
    [question] = memory.questions
    assert info["authorization_reference"] == question.authorization_reference


def test_a_refusal_is_a_success_with_a_text(memory: Memory) -> None:
    """BLOCKED comes with HTTP 200 and OCPI 1000, and without a reference."""
    answer = authorize(memory, "04A1B2C3D4E501")
    assert answer.status_code == 200
    assert answer.json()["status_code"] == 1000
    info = answer.json()["data"]
    assert info["allowed"] == "BLOCKED"
    assert info["info"]["language"] == "en"
    assert "authorization_reference" not in info


@pytest.mark.parametrize(
    ("uid", "query"),
    [
        ("04FFFFFFFFFFFF", ""),
        ("04A1B2C3D4E502", ""),
        ("04A1B2C3D4E500", "?type=APP_USER"),
    ],
)
def test_an_unknown_card_is_404_and_2004(memory: Memory, uid: str, query: str) -> None:
    """Not listed, of another type, or nothing known about: both official answers."""
    answer = authorize(memory, uid, query=query)
    assert (answer.status_code, answer.json()["status_code"]) == (404, 2004)
    assert [question.answer for question in memory.questions] == ["UNKNOWN"]


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [
        (None, "", 2002),
        ({}, "", 2001),
        ({"location_id": ""}, "", 2001),
        ({"location_id": "x" * 37}, "", 2001),
        ({"location_id": "LOC-1", "evse_uids": None}, "", 2001),
        ({"location_id": "LOC-1", "connector_ids": ["1"]}, "", 2001),
        ({"location_id": "LOC-2"}, "", 2003),
        (PLACE, "?type=CARD", 2001),
    ],
)
def test_a_question_must_say_where(
    memory: Memory, body: object, query: str, status: int
) -> None:
    """LocationReferences are complete and ours, or nobody is judged."""
    answer = authorize(memory, "04A1B2C3D4E500", body, query)
    assert answer.json()["status_code"] == status
    assert memory.questions == []


# ---- sessions -----------------------------------------------------------------------


def test_a_session_is_created_replaced_and_shown(memory: Memory) -> None:
    """PUT is 201 and then 200; the history keeps both states."""
    assert ask(memory, "PUT", SESSION, session()).status_code == 201
    assert ask(memory, "PUT", SESSION, session(**ENDED)).status_code == 200
    assert [item.status for item in memory.sessions["S-1"]] == ["ACTIVE", "COMPLETED"]
    assert ask(memory, "GET", SESSION).json()["data"] == session(**ENDED)
    assert memory.objections == []


def test_a_patch_changes_what_it_names(memory: Memory) -> None:
    """Other fields stay, and charging periods are appended."""

    def period(minute: int) -> dict[str, object]:
        return {
            "start_date_time": f"2026-01-01T00:{minute:02}:00Z",
            "dimensions": [{"type": "ENERGY", "volume": 1.5}],
        }

    ask(memory, "PUT", SESSION, session(charging_periods=[period(0)]))
    changes = {
        "kwh": 1.5,
        "charging_periods": [period(30)],
        "last_updated": "2026-01-01T00:30:00Z",
    }
    assert ask(memory, "PATCH", SESSION, changes).json()["status_code"] == 1000
    shown = ask(memory, "GET", SESSION).json()["data"]
    periods = [period(0), period(30)]
    assert shown == session(**{**changes, "charging_periods": periods})


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_session_nobody_put_is_404(memory: Memory, method: str) -> None:
    """So the sender learns that a PUT is due."""
    body = {"last_updated": "2026-01-01T00:00:00Z"} if method == "PATCH" else None
    assert ask(memory, method, SESSION, body).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"last_updated": "2026-01-01T00:30:00Z", "id": "S-2"},
        {"last_updated": "2026-01-01T00:30:00Z", "status": "DONE"},
        {"last_updated": "2026-01-01T00:30:00Z", "kwh": None},
    ],
)
def test_a_bad_patch_changes_nothing(
    memory: Memory, changes: dict[str, object]
) -> None:
    """last_updated is required, and the result must be a good session."""
    ask(memory, "PUT", SESSION, session())
    assert ask(memory, "PATCH", SESSION, changes).json()["status_code"] == 2001
    assert len(memory.sessions["S-1"]) == 1


def booked(**changes: object) -> dict[str, object]:
    """Make a cdr_token."""
    token = session()["cdr_token"]
    assert isinstance(token, dict)
    return {**token, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"kwh": None},
        {"kwh": "7.4"},
        {"kwh": -0.1},
        {"kwh": 0.00001},
        {"currency": "euro"},
        {"status": "CHARGING"},
        {"auth_method": "CARD"},
        {"id": "x" * 37},
        {"id": "S-2"},
        {"country_code": "NL"},
        {"party_id": "ABCD"},
        {"connector_id": None},
        {"connector_id": ""},
        {"evse_uid": "SE*ÄBC*E1"},
        {"location_id": "LOC-2"},
        {"meter_id": ""},
        {"start_date_time": "2026-01-01T00:00:00"},
        {"start_date_time": "2026-01-01T00:00:00+00:00"},
        {"start_date_time": "2026-01-01 00:00:00Z"},
        {"start_date_time": "2026-02-30T00:00:00Z"},
        {"last_updated": "2026-01-01T00:00:00.12345Z"},
        {"last_updated": "2026-01-01T00:00:00Z\n"},
        {"end_date_time": "2025-12-31T23:59:59Z"},
        {**ENDED, "end_date_time": None},
        {"charging_periods": [{"start_date_time": "2026-01-01T00:00:00Z"}]},
        {"total_cost": 0},
        {"meter": "M-1"},
        {"auth_method": "AUTH_REQUEST"},
        {"authorization_reference": "made-up"},
        {"cdr_token": booked(uid="04FFFFFFFFFFFF")},
        {"cdr_token": booked(contract_id="NL-DMO-1")},
        {"cdr_token": booked(type="APP_USER")},
    ],
)
def test_a_session_that_breaks_a_rule_is_not_taken(
    memory: Memory, changes: dict[str, object]
) -> None:
    """OCPI 2001 with HTTP 200; nothing is kept but the objection."""
    answer = ask(memory, "PUT", SESSION, session(**changes))
    assert (answer.status_code, answer.json()["status_code"]) == (200, 2001)
    assert memory.sessions == {}
    assert len(memory.objections) == 1


def test_null_is_not_absent(memory: Memory) -> None:
    """An optional field is left out or filled."""
    body = {**session(), "meter_id": None}
    assert ask(memory, "PUT", SESSION, body).json()["status_code"] == 2001


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "ACTIVE", "end_date_time": None},
        {"status": "INVALID"},
        {"kwh": 7.3},
        {"last_updated": "2026-01-01T00:59:59Z"},
        {"start_date_time": "2026-01-01T00:00:01Z"},
        {"evse_uid": "SE*ABC*E2"},
        {"cdr_token": booked(uid="04A1B2C3D4E501", contract_id="NL-DMO-1")},
    ],
)
def test_history_cannot_be_rewritten(
    memory: Memory, changes: dict[str, object]
) -> None:
    """An end is final, and nothing that was said is taken back."""
    ask(memory, "PUT", SESSION, session(**ENDED))
    answer = ask(memory, "PUT", SESSION, session(**{**ENDED, **changes}))
    assert answer.json()["status_code"] == 2001
    assert len(memory.sessions["S-1"]) == 1


def test_a_session_may_carry_the_reference_it_was_given(memory: Memory) -> None:
    """What authorize gave for this card is accepted, and for another it is not."""
    info = authorize(memory, "04A1B2C3D4E500").json()["data"]
    proof = {
        "auth_method": "AUTH_REQUEST",
        "authorization_reference": info["authorization_reference"],
    }
    other = booked(uid="04A1B2C3D4E501", contract_id="NL-DMO-1")
    stolen = ask(memory, "PUT", SESSION, session(**proof, cdr_token=other))
    assert stolen.json()["status_code"] == 2001
    assert ask(memory, "PUT", SESSION, session(**proof)).status_code == 201


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", (400, 2000)),
        (b"", "application/json", (400, 2000)),
        (b"[]", "application/json", (200, 2001)),
        (b"{}", "text/plain", (200, 2001)),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_body_is_a_json_object(
    memory: Memory, method: str, content: bytes, kind: str, status: tuple[int, int]
) -> None:
    """What is not JSON is HTTP 400; what is no object is OCPI 2001."""
    ask(memory, "PUT", SESSION, session())
    headers = {**HEADERS, "Content-Type": kind}
    answer = ask(memory, method, SESSION, headers=headers, content=content)
    assert (answer.status_code, answer.json()["status_code"]) == status
    assert len(memory.sessions["S-1"]) == 1
