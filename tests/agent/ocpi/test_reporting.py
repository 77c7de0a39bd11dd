"""Sessions and CDRs on their way: where to, for whom, and what an answer means."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from msgspec.structs import replace

from agent.domain.reports import Delivered, Document, Refused, Report, Retry
from agent.ocpi.quirks import Quirk
from agent.ocpi.station import Party
from tests.agent.ocpi.examples import BILLED, ENDED, ID_ONLY, SESSION, UID
from tests.agent.ocpi.peer import HOME, VERSIONS, envelope
from tests.agent.ocpi.spoken import ALL, Spoken, deliver, raising

if TYPE_CHECKING:
    from tests.agent.ocpi.peer import Reply

REPORT = Report(id=1, correlation_id="corr-1", session=SESSION)
CDR = Report(id=2, correlation_id="corr-2", session=BILLED, document=Document.CDR)
CUT = httpx.ReadError("connection reset by peer")
OURS = {"ocpi-from-country-code": "SE", "ocpi-from-party-id": "ABC"}
THEIRS = {"ocpi-to-country-code": "NL", "ocpi-to-party-id": "TNM"}


def routing(request: httpx.Request) -> dict[str, str]:
    """Read whose message it says it is."""
    return {
        name: value
        for name, value in request.headers.items()
        if name.startswith("ocpi-")
    }


# ---- sessions ----------------------------------------------------------------


@pytest.mark.parametrize("version", ALL)
def test_session_is_put(version: str) -> None:
    """The whole object under our own party, from us to the owner of the card."""
    peer = Spoken(version)
    path = peer.path("sessions", "SE", "ABC", SESSION.id)
    peer.routes["PUT", path] = envelope(http=201)
    assert deliver(peer.connect(), REPORT) == [Delivered()]
    (request,) = peer.asked(path)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-correlation-id"] == "corr-1"
    assert routing(request) == ({} if version == "2.1.1" else OURS | THEIRS)
    body = json.loads(request.content)
    assert (body["id"], body["kwh"]) == (SESSION.id, 1.234)
    if version == "2.1.1":
        assert body["auth_id"] == SESSION.token.contract_id
    else:
        assert (body["country_code"], body["party_id"]) == ("SE", "ABC")
        assert body["cdr_token"]["party_id"] == "TNM"


def test_the_path_is_encoded() -> None:
    """An id is one segment, whatever is in it."""
    peer = Spoken()
    strange = replace(SESSION, id="a/b ?#c")
    deliver(peer.connect(), replace(REPORT, session=strange))
    (request,) = [one for one in peer.requests if one.method == "PUT"]
    assert request.url.raw_path.endswith(b"/SE/ABC/a%2Fb%20%3F%23c")


def test_slash_at_the_end() -> None:
    """A collection that is published with a slash gets no second one."""
    peer = Spoken()
    offered = [
        {"identifier": module, "role": role, "url": f"{HOME}/e/{module}/"}
        for module, role in (("tokens", "SENDER"), ("sessions", "RECEIVER"))
    ] + [{"identifier": "cdrs", "role": "RECEIVER", "url": f"{HOME}/e/cdrs/"}]
    peer.routes["GET", "/ocpi/2.2.1"] = envelope({"endpoints": offered})
    deliver(peer.connect(), REPORT, CDR)
    sent = [one.url.path for one in peer.requests if one.method in ("PUT", "POST")]
    assert sent == [f"/e/sessions/SE/ABC/{SESSION.id}", "/e/cdrs/"]


def test_explicit_nulls_for_those_who_want_them() -> None:
    """The quirks of a connection reach what is written to it."""
    peer = Spoken()
    quirks = frozenset({Quirk.EXPLICIT_NULLS})
    deliver(peer.connect(quirks=quirks), REPORT, CDR)
    bodies = [json.loads(one.content) for one in peer.requests if one.content]
    assert [body["total_cost"] for body in bodies[:1]] == [None]
    assert bodies[1]["invoice_reference_id"] is None


@pytest.mark.parametrize("version", ALL)
def test_cards_of_others_are_addressed_to_the_backend(version: str) -> None:
    """Whoever is told of everything is told as himself, not as the card's owner."""
    peer = Spoken(version)
    strange = replace(SESSION, upstream="another")
    deliver(
        peer.connect(their_party=Party("DE", "CPO")), replace(REPORT, session=strange)
    )
    *_, request = peer.requests
    to = {"ocpi-to-country-code": "DE", "ocpi-to-party-id": "CPO"}
    assert routing(request) == ({} if version == "2.1.1" else OURS | to)
    if version != "2.1.1":
        assert json.loads(request.content)["cdr_token"]["party_id"] == "TNM"


def test_nobody_is_addressed_where_nobody_is_known() -> None:
    """Without a party of its own the backend is not addressed at all."""
    peer = Spoken()
    strange = replace(SESSION, upstream="another")
    deliver(peer.connect(their_party=None), replace(REPORT, session=strange))
    assert routing(peer.requests[-1]) == OURS


def test_a_card_behind_a_hub_is_addressed_to_its_party() -> None:
    """Not to the hub, and not to everybody."""
    peer = Spoken()
    deliver(peer.connect(their_party=Party("DE", "HUB")), REPORT, CDR)
    sent = [one for one in peer.requests if one.method != "GET"]
    assert [routing(one) for one in sent] == [OURS | THEIRS] * 2


def test_what_cannot_be_written_is_refused_with_words() -> None:
    """2.1.1 without an address: a person can change that, time cannot."""
    peer = Spoken("2.1.1")
    connection = peer.connect(version="2.1.1", station=ID_ONLY)
    (delivery,) = deliver(connection, REPORT)
    assert isinstance(delivery, Refused)
    assert delivery.why.startswith("OCPI 2.1.1 cannot tell it: location: expected")
    assert [one.method for one in peer.requests] == ["GET", "GET"]


# ---- CDRs --------------------------------------------------------------------


@pytest.mark.parametrize("version", ALL)
def test_cdr_is_posted(version: str) -> None:
    """To the bare collection, under the session's id, and its place is kept."""
    peer = Spoken(version)
    place = {"location": f"{HOME}/cdrs/17"}
    peer.routes["POST", peer.path("cdrs")] = envelope(http=201, headers=place)
    assert deliver(peer.connect(), CDR) == [Delivered(f"{HOME}/cdrs/17")]
    (request,) = peer.asked(peer.path("cdrs"))
    assert request.url.query == b""
    assert request.headers["x-correlation-id"] == "corr-2"
    assert routing(request) == ({} if version == "2.1.1" else OURS | THEIRS)
    body = json.loads(request.content)
    assert body["id"] == SESSION.id
    assert ("stop_date_time" in body) is (version == "2.1.1")


def test_211_cdr_for_servers_with_another_name_for_the_end() -> None:
    """The quirk of the connection is heeded."""
    peer = Spoken("2.1.1")
    deliver(peer.connect(quirks=frozenset({Quirk.CDR_END_DATE_TIME})), CDR)
    body = json.loads(peer.requests[-1].content)
    assert "end_date_time" in body
    assert "stop_date_time" not in body


LOCATIONS: list[tuple[str | None, str | None]] = [
    # the header, what is kept
    (f"{HOME}/cdrs/17", f"{HOME}/cdrs/17"),
    ("/cdrs/17", f"{HOME}/cdrs/17"),
    ("cdrs/17", f"{HOME}/ocpi/emsp/2.2.1/cdrs/17"),
    ("https://other.example/17", "https://other.example/17"),
    (None, None),
    ("", None),
    ("http://[", None),
    ("mailto:cdr@emsp.example", None),
    ("https://emsp.example:99999/", None),
    (f"{HOME}/{'x' * 255}", None),
    (f"{HOME}/{'x' * (254 - len(HOME))}", f"{HOME}/{'x' * (254 - len(HOME))}"),
]


@pytest.mark.parametrize(("header", "kept"), LOCATIONS)
def test_location(header: str | None, kept: str | None) -> None:
    """Absolute, relative, missing or rubbish: the CDR is delivered in any case."""
    peer = Spoken()
    headers = {} if header is None else {"location": header}
    peer.routes["POST", peer.path("cdrs")] = envelope(headers=headers)
    assert deliver(peer.connect(), CDR) == [Delivered(kept)]


def test_location_in_bytes_that_are_no_text() -> None:
    """Latin-1 in a header is no reason to send a CDR twice."""
    peer = Spoken()
    answer = envelope()
    answer.headers = httpx.Headers([(b"location", b"https://emsp.example/\xe5\xff")])
    peer.routes["POST", peer.path("cdrs")] = answer
    (delivery,) = deliver(peer.connect(), CDR)
    assert isinstance(delivery, Delivered)


ALREADY = [
    httpx.Response(409),
    envelope(None, 2000, http=409),
    envelope(None, 2001, words="CDR already exists"),
    envelope([1], 2000, words="Duplicate CDR id"),
    envelope(None, 2999, words="this CDR was received already"),
    envelope(None, 2001, http=400, words="already stored"),
    httpx.Response(400, json={"detail": "cdr with this id already exists"}),
    httpx.Response(422, json={"detail": [{"msg": "duplicate key"}]}),
]
NOT_ALREADY = [
    envelope([1], 2001, words="id: no such token exists"),
    envelope([1], 2001, words="the tariff is over already"),
    envelope([1], 2001, words="location no longer exists"),
    envelope([1], 2001, words="contract already ended"),
    envelope(None, 2001),
    httpx.Response(404, json={"detail": "cdr already exists"}),
    httpx.Response(422, json={"detail": [{"msg": "field required"}]}),
]


@pytest.mark.parametrize("reply", ALREADY, ids=range(len(ALREADY)))
def test_a_cdr_that_is_there_is_delivered(reply: httpx.Response) -> None:
    """An answer was lost, the CDR was not."""
    peer = Spoken()
    peer.routes["POST", peer.path("cdrs")] = reply
    assert deliver(peer.connect(), CDR) == [Delivered()]


@pytest.mark.parametrize("reply", NOT_ALREADY, ids=range(len(NOT_ALREADY)))
def test_other_refusals_cost_no_money(reply: httpx.Response) -> None:
    """Words that only look alike must not make a CDR disappear."""
    peer = Spoken()
    peer.routes["POST", peer.path("cdrs")] = reply
    (delivery,) = deliver(peer.connect(), CDR)
    assert isinstance(delivery, Refused)


@pytest.mark.parametrize("reply", ALREADY, ids=range(len(ALREADY)))
def test_a_session_is_never_there_already(reply: httpx.Response) -> None:
    """A PUT replaces: whoever refuses one has not got the present state."""
    peer = Spoken()
    peer.routes["PUT", peer.path("sessions", "SE", "ABC", SESSION.id)] = reply
    (delivery,) = deliver(peer.connect(), REPORT)
    assert isinstance(delivery, Refused)


def test_a_lost_answer_is_followed_by_the_same_cdr() -> None:
    """Same id, same body, same correlation: the server can tell."""
    peer = Spoken()
    connection = peer.connect()
    peer.routes["POST", peer.path("cdrs")] = raising(CUT)
    (first,) = deliver(connection, CDR)
    assert isinstance(first, Retry)
    peer.routes["POST", peer.path("cdrs")] = httpx.Response(409)
    assert deliver(connection, replace(CDR, attempts=1)) == [Delivered()]
    one, other = peer.asked(peer.path("cdrs"))
    assert one.content == other.content
    assert one.headers["x-correlation-id"] == other.headers["x-correlation-id"]
    assert one.headers["x-request-id"] != other.headers["x-request-id"]


def test_a_session_without_a_price_has_no_cdr() -> None:
    """It is refused with words, before anything is sent."""
    peer = Spoken()
    (delivery,) = deliver(peer.connect(), replace(CDR, session=ENDED))
    assert isinstance(delivery, Refused)
    assert "total_cost: expected a session with a tariff" in delivery.why
    assert peer.asked(peer.path("cdrs")) == []


# ---- who takes nothing -------------------------------------------------------


@pytest.mark.parametrize("version", ALL)
def test_modules_that_are_not_there(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing builds up for whoever fetches himself, and it is said once each."""
    peer = Spoken(version, ("tokens",))
    with caplog.at_level(logging.WARNING):
        deliveries = deliver(peer.connect(), REPORT, CDR, REPORT, CDR)
    assert deliveries == [Delivered()] * 4
    assert caplog.messages == [
        "emsp: takes no sessions, so none are sent",
        "emsp: takes no cdrs, so none are sent",
    ]
    assert {one.method for one in peer.requests} == {"GET"}


def test_sessions_without_cdrs() -> None:
    """One module does not stand for the other."""
    peer = Spoken("2.2.1", ("tokens", "cdrs"))
    peer.routes["POST", peer.path("cdrs")] = envelope()
    assert deliver(peer.connect(), REPORT, CDR) == [Delivered(), Delivered()]
    assert [one.method for one in peer.requests] == ["GET", "GET", "POST"]


# ---- what an answer means ----------------------------------------------------

ANSWERS: list[tuple[str, Reply, dict[str, Any] | None]] = [
    # what the server does, its reply, the Retry it gives, None for Refused
    ("cut", raising(CUT), {}),
    ("429", httpx.Response(429, headers={"retry-after": "9"}), {"after": 9}),
    ("429 words", httpx.Response(429, headers={"retry-after": "soon"}), {}),
    (
        "503 long",
        httpx.Response(503, headers={"retry-after": "9" * 30}),
        {"after": 86400},
    ),
    ("408", httpx.Response(408), {}),
    ("500", httpx.Response(500), {}),
    ("3000", envelope(None, 3000), {}),
    ("4000", envelope(None, 4000), {}),
    ("4002", envelope(None, 4002), {}),
    ("4003", envelope(None, 4003), {}),
    ("html", httpx.Response(200, text="<html>"), {}),
    ("truncated", httpx.Response(200, content=b'{"status_code": 10'), {}),
    ("elsewhere", httpx.Response(307, headers={"location": "https://x.example"}), {}),
    ("login", httpx.Response(302, headers={"location": "/login"}), {}),
    ("401", httpx.Response(401), {"pause": True}),
    ("403", httpx.Response(403), {"pause": True}),
    ("400", httpx.Response(400), None),
    ("404", httpx.Response(404), None),
    ("405", httpx.Response(405), None),
    ("422", httpx.Response(422), None),
    ("2000", envelope([1], 2000), None),
    ("2003", envelope([1], 2003), None),
    ("3002", envelope(None, 3002), None),
    ("4001", envelope(None, 4001), None),
]


@pytest.mark.parametrize("document", list(Document))
@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize(
    ("reply", "retry"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_answers(
    version: str, document: Document, reply: Reply, retry: dict[str, Any] | None
) -> None:
    """Trouble is retried, a bad token pauses, and a refusal is final."""
    peer = Spoken(version)
    session_path = peer.path("sessions", "SE", "ABC", SESSION.id)
    peer.routes["PUT", session_path] = peer.routes["POST", peer.path("cdrs")] = reply
    report = CDR if document is Document.CDR else REPORT
    (delivery,) = deliver(peer.connect(), report)
    if retry is None:
        assert isinstance(delivery, Refused)
    else:
        assert isinstance(delivery, Retry)
        after = timedelta(seconds=retry["after"]) if "after" in retry else None
        assert (delivery.after, delivery.pause) == (after, retry.get("pause", False))


def test_a_redirect_keeps_method_and_body() -> None:
    """A missing slash costs one more request, and nothing else."""
    peer = Spoken()
    path = peer.path("cdrs")
    peer.routes["POST", path] = httpx.Response(307, headers={"location": f"{path}/"})
    peer.routes["POST", f"{path}/"] = envelope(headers={"location": "17"})
    assert deliver(peer.connect(), CDR) == [Delivered(f"{HOME}{path}/17")]
    assert peer.asked(path)[0].content == peer.asked(f"{path}/")[0].content


@pytest.mark.parametrize(
    ("reply", "pause"),
    [
        (httpx.Response(404), True),
        (envelope([]), True),
        (httpx.Response(401), True),
        (httpx.Response(503, headers={"retry-after": "7"}), False),
    ],
)
def test_no_report_is_lost_to_a_broken_discovery(
    reply: httpx.Response, *, pause: bool
) -> None:
    """A backend that cannot be found has refused neither session nor CDR."""
    peer = Spoken()
    peer.routes["GET", VERSIONS] = reply
    for delivery in deliver(peer.connect(), REPORT, CDR):
        assert isinstance(delivery, Retry)
        assert delivery.pause is pause
        assert delivery.after == (None if pause else timedelta(seconds=7))


def test_nobody_registered_yet() -> None:
    """Reports wait for the registration, and say which command they wait for."""
    peer = Spoken()
    (delivery,) = deliver(peer.connect(handshake=True), REPORT)
    assert delivery == Retry(
        "not registered; run: rfid-agent register emsp", pause=True
    )


@pytest.mark.parametrize(
    "gone", [raising(httpx.ConnectError("no")), httpx.Response(404)]
)
def test_a_backend_that_moved_is_found_again(gone: Reply) -> None:
    """The versions URL knows the new place, also of one that owns no cards."""
    peer = Spoken("2.2.1", ("sessions",))
    path = peer.path("sessions", "SE", "ABC", SESSION.id)
    peer.routes["PUT", path] = gone
    connection = peer.connect(has_tokens=False)
    deliver(connection, REPORT)
    offer = {"identifier": "sessions", "role": "RECEIVER", "url": f"{HOME}/new"}
    peer.routes["GET", "/ocpi/2.2.1"] = envelope({"endpoints": [offer]})
    peer.routes["PUT", f"/new/SE/ABC/{SESSION.id}"] = envelope()
    assert deliver(connection, REPORT) == [Delivered()]


def test_no_card_in_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The server's words are repeated without card and contract."""
    caplog.set_level(logging.DEBUG)
    peer = Spoken()
    token = replace(SESSION.token, contract_id="NL-TNM-CXYZZY", uid="KEYFOB-7")
    words = f"no {token.uid} of {token.contract_id}, {UID.value}"
    peer.routes["POST", peer.path("cdrs")] = envelope([1], 2001, words=words)
    report = replace(CDR, session=replace(BILLED, token=token))
    (delivery,) = deliver(peer.connect(), report)
    assert isinstance(delivery, Refused)
    assert "POST cdrs: answered HTTP 200 and OCPI 2001" in delivery.why
    told = f"{delivery!r} {caplog.text}".casefold()
    for secret in (UID.value, token.uid, token.contract_id):
        assert secret.casefold() not in told
