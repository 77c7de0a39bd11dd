"""A backend as the domain sees it: replies, pages and deliveries, whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from msgspec.structs import replace

from agent.domain.reports import Delivered, Delivery, Refused, Report, Retry
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    TokenType,
    Verdict,
    WhitelistType,
)
from agent.domain.uid import Uid
from agent.errors import (
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.pages import Position
from agent.ocpi.station import Party
from tests.agent.ocpi.examples import ENDED, SESSION, token_json
from tests.agent.ocpi.peer import (
    BASE64_HEADER,
    DETAILS,
    HOME,
    RAW_HEADER,
    SECRET,
    SESSIONS,
    TOKENS,
    VERSIONS,
    Peer,
    Silence,
    connect,
    endpoint,
    envelope,
    refuse_unless,
)
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from agent.ocpi.connection import OcpiConnection
    from agent.ocpi.token_list import TokenPage
    from tests.agent.ocpi.peer import Reply as PeerReply

UID = Uid("04A1B2C3D4E5F6")
LISTED = Token(
    upstream="emsp",
    country_code="NL",
    party_id="TNM",
    uid="04:a1:b2:c3:d4:e5:f6",
    type=TokenType.RFID,
    contract_id="NL-TNM-CXYZZY",
    issuer="Example",
    valid=True,
    whitelist=WhitelistType.ALLOWED_OFFLINE,
    last_updated=datetime(2026, 1, 1, tzinfo=UTC),
)
AUTHORIZE = f"{TOKENS}/{UID.value}/authorize"
AUTHORIZE_LISTED = f"{TOKENS}/{LISTED.uid}/authorize"
SESSION_PATH = f"{SESSIONS}/SE/ABC/{SESSION.id}"
REPORT = Report(id=1, correlation_id="corr-1", session=SESSION)
ENOUGH = timedelta(seconds=5)
CUT = httpx.ReadError("connection reset by peer")


def raising(err: Exception) -> PeerReply:
    """Fail below HTTP."""

    def reply(request: httpx.Request) -> httpx.Response:
        del request
        raise err

    return reply


def ask(
    peer: httpx.AsyncBaseTransport,
    token: Token | None = None,
    *,
    timeout: timedelta = ENOUGH,
    evse_uids: tuple[str, ...] = ("SE*ABC*E1",),
    connection: OcpiConnection | None = None,
) -> Reply:
    """Ask about the card."""
    connection = connection or connect(peer)

    async def run() -> Reply:
        try:
            return await connection.authorize(UID, token, evse_uids, timeout)
        finally:
            await connection.close()

    return asyncio.run(run())


def probe(
    peer: httpx.AsyncBaseTransport,
    *,
    timeout: timedelta = ENOUGH,
    connection: OcpiConnection | None = None,
) -> bool:
    """Find out whether the backend is there."""
    connection = connection or connect(peer)

    async def run() -> bool:
        try:
            return await connection.probe(timeout)
        finally:
            await connection.close()

    return asyncio.run(run())


def put(
    peer: Peer, report: Report = REPORT, connection: OcpiConnection | None = None
) -> Delivery:
    """Deliver a report."""
    connection = connection or connect(peer)

    async def run() -> Delivery:
        try:
            return await connection.deliver(report)
        finally:
            await connection.close()

    return asyncio.run(run())


def crawl(
    connection: OcpiConnection,
    date_from: datetime | None = None,
    start: Position | None = None,
) -> list[TokenPage]:
    """Read the whitelist."""

    async def run() -> list[TokenPage]:
        try:
            return [page async for page in connection.token_pages(date_from, start)]
        finally:
            await connection.close()

    return run_virtual(run())


# ---- authorize ---------------------------------------------------------------


def test_question_about_an_unknown_card() -> None:
    """Canonical uid, our place, no type, and nobody named as the receiver."""
    peer = Peer()
    peer.routes["POST", AUTHORIZE] = envelope(
        {"allowed": "ALLOWED", "token": token_json()}
    )
    answer = ask(peer)
    assert isinstance(answer, Answer)
    assert answer.verdict is Verdict.ALLOWED
    assert answer.token is not None
    (request,) = peer.asked(AUTHORIZE)
    assert request.url.query == b""
    assert json.loads(request.content) == {
        "location_id": "LOC-1",
        "evse_uids": ["SE*ABC*E1"],
    }
    assert request.headers["ocpi-from-country-code"] == "SE"
    assert request.headers["ocpi-from-party-id"] == "ABC"
    assert "ocpi-to-party-id" not in request.headers


def test_question_about_a_listed_card() -> None:
    """The eMSP's own spelling, and the eMSP as the receiver."""
    peer = Peer()
    peer.routes["POST", AUTHORIZE_LISTED] = envelope({"allowed": "BLOCKED"})
    answer = ask(peer, LISTED)
    assert answer == Answer(upstream="emsp", verdict=Verdict.BLOCKED)
    (request,) = peer.asked(AUTHORIZE_LISTED)
    assert request.url.raw_path.decode().endswith(
        "/tokens/04%3Aa1%3Ab2%3Ac3%3Ad4%3Ae5%3Af6/authorize"
    )
    assert request.headers["ocpi-to-country-code"] == "NL"
    assert request.headers["ocpi-to-party-id"] == "TNM"


def test_other_types_are_named() -> None:
    """RFID is what every server assumes; another type is said."""
    peer = Peer()
    ask(peer, replace(LISTED, type=TokenType.OTHER))
    assert peer.requests[-1].url.query == b"type=OTHER"


def test_answer_in_a_list() -> None:
    """A list of one stands for the answer."""
    peer = Peer()
    peer.routes["POST", AUTHORIZE] = envelope([{"allowed": "EXPIRED"}])
    assert ask(peer) == Answer(upstream="emsp", verdict=Verdict.EXPIRED)


def test_missing_location_is_asked_again() -> None:
    """2002 gets the same question once more, and no third one."""
    peer = Peer()
    replies = iter(
        [envelope([], 2002), envelope({"allowed": "ALLOWED"}), envelope([], 2002)]
    )
    peer.routes["POST", AUTHORIZE] = lambda _: next(replies)
    assert ask(peer) == Answer(upstream="emsp", verdict=Verdict.ALLOWED)
    peer.routes["POST", AUTHORIZE] = envelope([], 2002)
    peer.requests.clear()
    assert isinstance(ask(peer), Misconfigured)
    assert len(peer.asked(AUTHORIZE)) == 2


REPLIES: list[tuple[str, PeerReply, object]] = [
    # what the server does, its reply, what that is to us
    ("404 bare", httpx.Response(404), Verdict.UNKNOWN),
    ("404 framework", httpx.Response(404, json={"detail": "no"}), Verdict.UNKNOWN),
    ("404 html", httpx.Response(404, text="<html>"), Verdict.UNKNOWN),
    ("404 and 2004", envelope([], 2004, http=404), Verdict.UNKNOWN),
    ("404 and 2000", envelope([], 2000, http=404), Verdict.UNKNOWN),
    ("2004", envelope(None, 2004), Verdict.UNKNOWN),
    ("2004 and list", envelope([], 2004), Verdict.UNKNOWN),
    ("allowed unknown", envelope({"allowed": "MAYBE"}), Verdict.NOT_ALLOWED),
    ("401", httpx.Response(401), Misconfigured),
    ("403", httpx.Response(403, json={"detail": "no"}), Misconfigured),
    ("400", httpx.Response(400), Misconfigured),
    ("405", httpx.Response(405), Misconfigured),
    ("422", httpx.Response(422, json={"detail": []}), Misconfigured),
    ("2000", envelope({"x": 1}, 2000), Misconfigured),
    ("2001", envelope([], 2001), Misconfigured),
    ("2003", envelope(None, 2003), Misconfigured),
    ("4001", envelope(None, 4001), Misconfigured),
    ("cut", raising(CUT), NoAnswer),
    ("refused", raising(httpx.ConnectError("refused")), NoAnswer),
    ("408", httpx.Response(408), NoAnswer),
    ("429", httpx.Response(429), NoAnswer),
    ("500", httpx.Response(500), NoAnswer),
    ("501", httpx.Response(501), NoAnswer),
    ("503", httpx.Response(503, text="busy"), NoAnswer),
    ("3000", envelope([], 3000), NoAnswer),
    ("3001", envelope(None, 3001), NoAnswer),
    ("3002", envelope(None, 3002), NoAnswer),
    ("4002", envelope(None, 4002), NoAnswer),
    ("4003 and 404", envelope(None, 4003, http=404), NoAnswer),
    ("html", httpx.Response(200, text="<html>Log in</html>"), NoAnswer),
    ("empty", httpx.Response(200), NoAnswer),
    ("truncated", httpx.Response(200, content=b'{"status_code": 10'), NoAnswer),
    ("no envelope", httpx.Response(200, json={"allowed": "ALLOWED"}), NoAnswer),
    ("deep", httpx.Response(200, content=b"[" * 100_000), NoAnswer),
    ("no data", envelope(), NoAnswer),
    ("empty list", envelope([]), NoAnswer),
    ("two answers", envelope([{"allowed": "ALLOWED"}] * 2), NoAnswer),
    ("no verdict", envelope({"info": None}), NoAnswer),
    ("proxy", httpx.Response(302, headers={"location": "/login"}), NoAnswer),
]


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [row[1:] for row in REPLIES],
    ids=[name for name, _, _ in REPLIES],
)
def test_replies(reply: PeerReply, meaning: object) -> None:
    """An answer, no answer and a misconfiguration are never confused."""
    peer = Peer()
    peer.routes["POST", AUTHORIZE] = reply
    result = ask(peer)
    if isinstance(meaning, Verdict):
        assert result == Answer(upstream="emsp", verdict=meaning)
    else:
        assert type(result) is meaning


NOBODY_HEARD: list[tuple[PeerReply, bool]] = [
    # what the server does, and whether that is silence
    (raising(CUT), True),
    (raising(httpx.ConnectError("refused")), True),
    (raising(httpx.ConnectTimeout("")), True),
    (raising(httpx.RemoteProtocolError("Server disconnected")), True),
    (raising(OSError("Network is unreachable")), True),
    (raising(UnicodeError("label too long")), False),
    (raising(httpx.DecodingError("not gzip")), False),
    (httpx.Response(408), False),
    (httpx.Response(429), False),
    (httpx.Response(500), False),
    (httpx.Response(503, text="busy"), False),
    (envelope([], 3000), False),
    (envelope(None, 3002), False),
    (envelope(None, 4002), False),
    (httpx.Response(200, text="<html>Log in</html>"), False),
    (envelope(), False),
    (envelope({"info": None}), False),
    (httpx.Response(307, headers={"location": "https://other.example"}), False),
]


@pytest.mark.parametrize("path", [VERSIONS, DETAILS, AUTHORIZE])
@pytest.mark.parametrize(("reply", "silent"), NOBODY_HEARD)
def test_a_server_that_fails_is_not_silent(
    path: str, reply: PeerReply, *, silent: bool
) -> None:
    """Silence is when nothing was heard over HTTP; a useless answer is none of it."""
    peer = Peer()
    peer.routes["GET" if path != AUTHORIZE else "POST", path] = reply
    result = ask(peer)
    if isinstance(result, NoAnswer):
        assert result.silent is silent
    else:
        assert isinstance(result, Misconfigured)
        assert not silent


@pytest.mark.parametrize("path", [VERSIONS, DETAILS, TOKENS])
@pytest.mark.parametrize(("reply", "silent"), NOBODY_HEARD)
def test_probe_hears_whatever_http_brings(
    path: str, reply: PeerReply, *, silent: bool
) -> None:
    """A backend that answers rubbish, or no, is there."""
    peer = Peer()
    peer.routes["GET", path] = reply
    assert probe(peer) is not silent


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 405, 422, 501])
def test_probe_hears_every_status(status: int) -> None:
    """It does not matter what the backend thinks of the question."""
    peer = Peer()
    peer.routes["GET", TOKENS] = envelope([], 2001, http=status)
    assert probe(peer) is True


def test_probe_goes_where_cards_are_asked_about() -> None:
    """It costs both sides next to nothing and asks about nobody."""
    peer = Peer()
    peer.routes["GET", TOKENS] = envelope([])
    connection = connect(peer, their_party=Party("NL", "TNM"))
    assert probe(peer, connection=connection) is True
    assert probe(peer, connection=connection) is True
    *_, request = peer.asked(TOKENS)
    assert dict(request.url.params) == {
        "date_from": "2037-12-31T00:00:00Z",
        "offset": "0",
        "limit": "1",
    }
    assert request.headers["ocpi-to-party-id"] == "TNM"
    assert [one.url.path for one in peer.requests] == [
        VERSIONS,
        DETAILS,
        TOKENS,
        TOKENS,
    ]


def test_probe_has_a_budget() -> None:
    """A backend that stays silent is not heard, in the time given."""
    assert probe(Silence(), timeout=timedelta(milliseconds=30)) is False


def test_probe_tells_that_the_backend_works_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever watches the connection hears of it without waiting for a card."""
    peer = Peer()
    peer.routes["GET", TOKENS] = envelope([])
    peer.routes["POST", AUTHORIZE] = raising(CUT)
    connection = connect(peer)
    ask(peer, connection=connection)
    assert "emsp: answers again" not in caplog.messages
    probe(peer, connection=connection)
    assert caplog.messages[-1] == "emsp: answers again"


@pytest.mark.parametrize("path", [VERSIONS, DETAILS])
@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (httpx.Response(404), Misconfigured),
        (httpx.Response(401), Misconfigured),
        (envelope([]), None),
        (httpx.Response(503), NoAnswer),
        (httpx.Response(200, text="<html>"), NoAnswer),
        (raising(CUT), NoAnswer),
    ],
)
def test_discovery_failures_say_nothing_about_the_card(
    path: str, reply: PeerReply, meaning: type[object] | None
) -> None:
    """A backend that cannot be found knows no card, and never "unknown"."""
    peer = Peer()
    peer.routes["GET", path] = reply
    expected = meaning or (Misconfigured if path == VERSIONS else NoAnswer)
    assert type(ask(peer)) is expected


@pytest.mark.parametrize("known", [True, False])
def test_one_budget_for_everything(
    caplog: pytest.LogCaptureFixture, *, known: bool
) -> None:
    """A backend that is silent from the start or later costs the time given."""

    class Half(Peer):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" or not known:
                return await Silence().handle_async_request(request)
            return await super().handle_async_request(request)

    with caplog.at_level(logging.WARNING):
        reply = ask(Half(), timeout=timedelta(milliseconds=30))
    assert reply == NoAnswer("no answer about a card within 0.03 s", silent=True)
    assert len(caplog.records) == 1


def test_module_may_want_another_encoding() -> None:
    """A server that does not check its details shows its taste at the first module."""
    peer = Peer()
    peer.routes["POST", AUTHORIZE] = refuse_unless(
        RAW_HEADER, envelope({"allowed": "ALLOWED"})
    )
    assert isinstance(ask(peer), Answer)
    sent = [request.headers["authorization"] for request in peer.asked(AUTHORIZE)]
    assert sent == [BASE64_HEADER, RAW_HEADER]


@pytest.mark.parametrize("status", [200, 400, 401, 404, 422, 500])
def test_no_card_number_anywhere(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """Reasons, reprs and the log hold neither card nor contract nor token."""
    words = f"{UID.value} {LISTED.uid} {LISTED.contract_id} {SECRET} {BASE64_HEADER}"
    peer = Peer()
    peer.routes["POST", AUTHORIZE_LISTED] = envelope([], 2001, http=status, words=words)
    with caplog.at_level(logging.DEBUG):
        reply = ask(peer, LISTED)
    told = f"{reply!r} {caplog.text}".casefold()
    for secret in (UID.value, LISTED.uid, "xyzzy", SECRET, BASE64_HEADER[6:]):
        assert secret.casefold() not in told


# ---- whitelist ---------------------------------------------------------------


def test_whitelist() -> None:
    """Pages hold tokens, problems and the place to go on from."""
    peer = Peer()
    pages = {
        "0": [token_json(uid="04AA"), token_json(uid="")],
        "2": [token_json(uid="04BB"), token_json(type="IMPLANT")],
    }

    def reply(request: httpx.Request) -> httpx.Response:
        offset = request.url.params["offset"]
        headers = {"x-total-count": "4"}
        if offset == "0":
            headers["link"] = f'<{HOME}{TOKENS}?offset=2>; rel="next"'
        return envelope(pages[offset], headers=headers)

    peer.routes["GET", TOKENS] = reply
    since = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    connection = connect(peer, their_party=Party("NL", "TNM"), page_size=50)
    first, second = crawl(connection, since)
    assert [token.uid for token in first.tokens] == ["04AA"]
    assert len(first.problems) == 1
    assert (first.listed, first.total) == (2, 4)
    assert first.resume == Position(2, f"{HOME}{TOKENS}?offset=2")
    assert [token.uid for token in second.tokens] == ["04BB"]
    assert (second.problems, second.listed, second.resume) == ([], 2, None)
    request = peer.asked(TOKENS)[0]
    assert dict(request.url.params) == {
        "date_from": "2026-01-02T03:04:05Z",
        "offset": "0",
        "limit": "50",
    }
    assert request.headers["ocpi-to-party-id"] == "TNM"
    (resumed,) = crawl(connect(peer), start=first.resume)
    assert resumed.tokens == second.tokens


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (envelope([], 3000), TransientUpstreamError),
        (httpx.Response(401), CredentialsError),
        (envelope([], 2001), RefusedUpstreamError),
    ],
)
def test_whitelist_failures(
    reply: httpx.Response,
    error: type[Exception],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A crawl that fails raises; a refusal that looks like an empty list is one."""
    peer = Peer()
    peer.routes["GET", TOKENS] = reply
    with caplog.at_level(logging.WARNING), pytest.raises(error):
        crawl(connect(peer))
    assert len(caplog.records) == (0 if error is RefusedUpstreamError else 1)


@pytest.mark.parametrize("status", [404, 405, 410])
def test_moved_endpoints_are_found_again(status: int) -> None:
    """A list that is gone makes us ask where it went."""
    peer = Peer()
    peer.routes["GET", TOKENS] = httpx.Response(status)
    connection = connect(peer)
    with pytest.raises(RefusedUpstreamError):
        crawl(connection)
    peer.publish([endpoint("tokens", "SENDER", "/new/tokens")])
    peer.routes["GET", "/new/tokens"] = envelope([])
    (page,) = crawl(connection)
    assert page.tokens == []


# ---- sessions ----------------------------------------------------------------


def test_session_is_put() -> None:
    """The whole object under our own party, for the party that owns the token."""
    peer = Peer()
    peer.routes["PUT", SESSION_PATH] = envelope(http=201)
    assert put(peer) == Delivered()
    (request,) = peer.asked(SESSION_PATH)
    assert json.loads(request.content)["id"] == SESSION.id
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-correlation-id"] == "corr-1"
    assert request.headers["ocpi-to-country-code"] == "NL"
    assert request.headers["ocpi-to-party-id"] == "TNM"


def test_every_attempt_is_the_same_message() -> None:
    """Same correlation, new request id: the receiver can tell a repetition."""
    peer = Peer()
    peer.routes["PUT", SESSION_PATH] = httpx.Response(503)
    connection = connect(peer)
    put(peer, connection=connection)
    put(peer, replace(REPORT, session=ENDED), connection)
    sent = [request.headers for request in peer.asked(SESSION_PATH)]
    assert [headers["x-correlation-id"] for headers in sent] == ["corr-1", "corr-1"]
    assert len({headers["x-request-id"] for headers in sent}) == 2


DELIVERIES: list[tuple[str, PeerReply, dict[str, Any] | None]] = [
    # what the server does, its reply, the Retry it gives, None for Refused
    ("cut", raising(CUT), {}),
    ("429", httpx.Response(429, headers={"retry-after": "9"}), {"after": 9}),
    (
        "503 until a date",
        httpx.Response(
            503,
            headers={
                "retry-after": "Fri, 02 Jan 2026 00:01:00 GMT",
                "date": "Fri, 02 Jan 2026 00:00:00 GMT",
            },
        ),
        {"after": 60},
    ),
    ("500", httpx.Response(500), {}),
    ("3000", envelope(None, 3000), {}),
    ("4002", envelope(None, 4002), {}),
    ("html", httpx.Response(200, text="<html>"), {}),
    ("empty", httpx.Response(200), {}),
    ("401", httpx.Response(401), {"pause": True}),
    ("403", httpx.Response(403), {"pause": True}),
    ("400", httpx.Response(400), None),
    ("404", httpx.Response(404), None),
    ("422", httpx.Response(422), None),
    ("2001", envelope([1], 2001), None),
    ("3002", envelope(None, 3002), None),
    ("4001", envelope(None, 4001), None),
]


@pytest.mark.parametrize(
    ("reply", "retry"),
    [row[1:] for row in DELIVERIES],
    ids=[name for name, _, _ in DELIVERIES],
)
def test_deliveries(reply: PeerReply, retry: dict[str, Any] | None) -> None:
    """Trouble is retried, a bad token pauses, and a refusal is final."""
    peer = Peer()
    peer.routes["PUT", SESSION_PATH] = reply
    delivery = put(peer)
    if retry is None:
        assert isinstance(delivery, Refused)
    else:
        assert isinstance(delivery, Retry)
        after = timedelta(seconds=retry["after"]) if "after" in retry else None
        assert (delivery.after, delivery.pause) == (after, retry.get("pause", False))


def test_refusal_tells_why() -> None:
    """Both codes and the server's words, without the card they may repeat."""
    peer = Peer()
    words = f"bad currency in session of {SESSION.token.uid}"
    peer.routes["PUT", SESSION_PATH] = envelope([1], 2001, http=400, words=words)
    delivery = put(peer)
    assert isinstance(delivery, Refused)
    assert "HTTP 400 and OCPI 2001" in delivery.why
    assert "bad currency in session of …" in delivery.why


@pytest.mark.parametrize(
    ("reply", "pause"),
    [
        (httpx.Response(404), True),
        (envelope([]), True),
        (httpx.Response(401), True),
        (httpx.Response(503), False),
    ],
)
def test_no_report_is_lost_to_a_broken_discovery(
    reply: httpx.Response, *, pause: bool
) -> None:
    """A backend that cannot be found has not refused any session."""
    peer = Peer()
    peer.routes["GET", VERSIONS] = reply
    delivery = put(peer)
    assert isinstance(delivery, Retry)
    assert delivery.pause is pause


def test_pull_only_backend(caplog: pytest.LogCaptureFixture) -> None:
    """Who takes no sessions is sent none, and nothing builds up for it."""
    peer = Peer()
    peer.publish([endpoint("tokens", "SENDER", TOKENS)])
    connection = connect(peer)
    with caplog.at_level(logging.WARNING):
        assert put(peer, connection=connection) == Delivered()
        assert put(peer, connection=connection) == Delivered()
    assert len(caplog.records) == 1
    assert [request.method for request in peer.requests] == ["GET", "GET"]


# ---- check -------------------------------------------------------------------


def test_check_tells_what_was_found() -> None:
    """A person reads version, encoding and endpoints, and asks the server anew."""
    peer = Peer()
    connection = connect(peer)

    async def run() -> list[str]:
        await connection.check()
        lines = await connection.check()
        await connection.close()
        return lines

    assert asyncio.run(run()) == [
        "OCPI 2.2.1, credentials token read Base64",
        f"tokens: {HOME}{TOKENS}",
        f"sessions: {HOME}{SESSIONS}",
    ]
    assert len(peer.requests) == 4
    assert connection.name == "emsp"


def test_check_warns_about_an_encoded_token() -> None:
    """A token that looks encoded already is worth a line."""
    peer = Peer()
    peer.publish([endpoint("tokens", "SENDER", TOKENS)])
    connection = connect(peer, token=CredentialsToken("ZXhhbXBsZS10b2tlbg=="))

    async def run() -> list[str]:
        try:
            return await connection.check()
        finally:
            await connection.close()

    *_, sessions, warning = asyncio.run(run())
    assert sessions == "sessions: not taken here, so none will be sent"
    assert "Base64" in warning
