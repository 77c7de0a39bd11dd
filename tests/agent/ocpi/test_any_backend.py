"""Whatever a backend answers, a connection does only what its docstrings say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.reports import Delivered, Document, Refused, Report, Retry
from agent.domain.tokens import Answer, Misconfigured, NoAnswer
from agent.errors import (
    AgentError,
    ConfigError,
    CredentialsError,
    HandshakeError,
    RefusedUpstreamError,
    StoreFailedError,
    TransientUpstreamError,
)
from agent.ocpi.memory import Memory, State
from tests.agent.ocpi.examples import BILLED, JSON, SESSION, token_json
from tests.agent.ocpi.partner import Disk, Partner, Site, instead
from tests.agent.ocpi.peer import HOME, VERSIONS
from tests.agent.ocpi.spoken import ALL, ROLES, Spoken
from tests.agent.ocpi.test_questions import EVSES, LISTED, UID
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.ocpi.connection import OcpiConnection

UPSTREAM_ERRORS = (TransientUpstreamError, RefusedUpstreamError, CredentialsError)
REPORT = Report(id=1, correlation_id="corr-1", session=SESSION)
CDR = Report(id=2, correlation_id="corr-2", session=BILLED, document=Document.CDR)

URLS = st.sampled_from(
    [
        f"{HOME}/a",
        "/b",
        "",
        "http://[",
        "mailto:x",
        f"{HOME}:99999/",
        "https://xn--/",
        "https://a..b/",
        "\x00",
        f"{HOME}/?q=\udcff",
        "x" * 5000,
    ]
)
CREDENTIALS = st.fixed_dictionaries(
    {},
    optional={
        "token": st.sampled_from(["C", "", "a b", "ö", "x" * 65]) | JSON,
        "url": URLS | JSON,
        "roles": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "role": st.sampled_from(["EMSP", "HUB"]) | JSON,
                    "country_code": st.sampled_from(["NL", "NLX", "ö"]) | JSON,
                    "party_id": st.sampled_from(["TNM", ""]) | JSON,
                    "business_details": JSON,
                },
            )
            | JSON,
            max_size=2,
        )
        | JSON,
        "country_code": st.just("NL") | JSON,
        "party_id": st.just("TNM") | JSON,
        "business_details": JSON,
        "hub_party_id": st.sampled_from(["DEHUB", "X"]) | JSON,
    },
)
INFOS = st.fixed_dictionaries(
    {},
    optional={
        "allowed": st.sampled_from(["ALLOWED", "BLOCKED", "allowed"]) | JSON,
        "location": st.fixed_dictionaries({"evse_uids": JSON}) | JSON,
        "token": JSON.map(lambda value: token_json(uid=value)) | JSON,
        "info": JSON,
        "authorization_reference": st.text(max_size=40) | JSON,
    },
)
VERSION_LISTS = st.lists(
    st.fixed_dictionaries({"version": st.sampled_from(ALL) | JSON, "url": URLS | JSON})
    | JSON,
    max_size=3,
)
DETAILS = st.fixed_dictionaries(
    {
        "endpoints": st.lists(
            st.fixed_dictionaries(
                {
                    "identifier": st.sampled_from([*ROLES, "credentials"]) | JSON,
                    "url": URLS | JSON,
                },
                optional={"role": st.sampled_from(["SENDER", "RECEIVER"]) | JSON},
            )
            | JSON,
            max_size=5,
        )
        | JSON
    }
)
TOKENS = st.lists(
    JSON.map(lambda value: token_json(uid=value)) | st.just(token_json()) | JSON,
    max_size=3,
)
DATA = JSON | CREDENTIALS | INFOS | VERSION_LISTS | DETAILS | TOKENS
BODIES = st.one_of(
    st.binary(max_size=30),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"status_code": st.sampled_from([1000, 2001, 2002, 2004, 3000, 4002]) | JSON},
        optional={"data": DATA, "status_message": JSON},
    ).map(lambda frame: json.dumps(frame).encode()),
    DATA.map(lambda data: json.dumps({"status_code": 1000, "data": data}).encode()),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "link",
            "location",
            "x-total-count",
            "x-limit",
            "retry-after",
            "date",
            "content-type",
            "content-encoding",
        ]
    ),
    st.sampled_from(
        [
            "",
            "0",
            "-1",
            "9" * 40,
            "soon",
            f'<{HOME}/a>; rel="next"',
            '<http://[>; rel="next"',
            "<",
            ";;;=,",
            "/a",
            "https://evil.example/",
            "gzip",
            "text/html",
            "Fri, 99 Jan 2026 00:00:00 GMT",
        ]
    )
    | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20),
    max_size=3,
)
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 301, 307, 400, 401, 404, 405])
RESPONSES = st.builds(
    lambda status, headers, body: (status, headers, body),
    STATUSES | st.integers(100, 999),
    HEADERS,
    BODIES,
)
PLAN = st.lists(RESPONSES | st.none(), min_size=1, max_size=6)


class Whim(Spoken):
    """Answers from a list, over and over; None is what a good backend would say."""

    def __init__(self, version: str, plan: list[Any]) -> None:
        super().__init__(version)
        self._plan = plan

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        answer = self._plan[len(self.requests) % len(self._plan)]
        if answer is None:
            return await super().handle_async_request(request)
        self.requests.append(request)
        status, headers, body = answer
        # As from the network: not decoded yet.
        return httpx.Response(
            status, headers=headers, stream=httpx.ByteStream(body), request=request
        )


async def outcome(attempt: Callable[[], Awaitable[object]]) -> object:
    """Return what comes, or the error of ours that does."""
    try:
        return await attempt()
    except AgentError as err:
        return err


async def read(connection: OcpiConnection) -> int:
    """Crawl a list, if it does not go on for ever."""
    count = 0
    async for _ in connection.token_pages():
        count += 1
        if count == 20:
            break
    return count


def with_connection(
    version: str,
    plan: list[Any],
    use: Callable[[OcpiConnection], Awaitable[object]],
) -> object:
    """Use a connection to a backend of whims, twice: it remembers what it learns."""
    peer = Whim(version, plan)
    connection = peer.connect()

    async def run() -> object:
        try:
            await outcome(lambda: use(connection))
            return await outcome(lambda: use(connection))
        finally:
            await connection.close()

    result = run_virtual(run())
    assert {one.url.host for one in peer.requests} <= {
        "emsp.example",
        # What the details of a version name is trusted.
        "xn--",
        "a..b",
    }
    return result


VERSION = st.sampled_from(ALL)


@given(VERSION, PLAN, st.sampled_from([None, LISTED]))
def test_authorize(version: str, plan: list[Any], listed: Any) -> None:  # noqa: ANN401 - a Token or None
    """Asking gives an answer, no answer, or a misconfiguration."""
    limit = timedelta(seconds=5)
    result = with_connection(
        version, plan, lambda one: one.authorize(UID, listed, EVSES, limit)
    )
    assert isinstance(result, (Answer, NoAnswer, Misconfigured))


@given(VERSION, PLAN, st.sampled_from([REPORT, CDR]))
def test_deliver(version: str, plan: list[Any], report: Report) -> None:
    """Telling gives a delivery, whatever kind of."""
    result = with_connection(version, plan, lambda one: one.deliver(report))
    assert isinstance(result, (Delivered, Retry, Refused))


@given(VERSION, PLAN)
def test_token_pages(version: str, plan: list[Any]) -> None:
    """Reading a list ends, or raises an upstream error."""
    result = with_connection(version, plan, read)
    assert isinstance(result, (int, *UPSTREAM_ERRORS))


@given(VERSION, PLAN)
def test_check(version: str, plan: list[Any]) -> None:
    """A person reads lines, or an upstream error."""
    result = with_connection(version, plan, lambda one: one.check())
    assert isinstance(result, (list, *UPSTREAM_ERRORS))


@given(VERSION, PLAN)
def test_probe(version: str, plan: list[Any]) -> None:
    """Somebody is there, or not."""
    limit = timedelta(seconds=5)
    result = with_connection(version, plan, lambda one: one.probe(limit))
    assert isinstance(result, bool)


class Moody(Partner):
    """Registers, unless a whim comes first."""

    plan: list[Any]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        answer = self.plan[len(self.requests) % len(self.plan)]
        if answer is None:
            return await super().handle_async_request(request)
        self.requests.append(request)
        status, headers, body = answer
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


HANDSHAKE_ERRORS = (
    HandshakeError,
    TransientUpstreamError,
    ConfigError,
    StoreFailedError,
)


@given(
    PLAN,
    st.lists(
        st.sampled_from(["register", "again", "rotate", "unregister", "restart"]),
        max_size=4,
    ),
)
def test_handshakes(plan: list[Any], commands: list[str]) -> None:
    """Commands end in a registration or in words, and the file is always sound."""
    partner = Moody()
    partner.plan = plan
    site = Site(partner, Disk())

    async def run(command: str) -> object:
        registrar = site.registrar
        attempts: dict[str, Callable[[], Awaitable[object]]] = {
            "register": registrar.register,
            "again": lambda: registrar.register(again=True),
            "rotate": registrar.rotate,
            "unregister": registrar.unregister,
        }
        return await outcome(attempts[command])

    for command in ["register", *commands]:
        if command == "restart":
            site.start()
            continue
        result = run_virtual(run(command))
        if isinstance(result, AgentError):
            assert isinstance(result, HANDSHAKE_ERRORS)
        again = Memory(HOME + VERSIONS, site.disk)
        assert again.problem == ""
        kept, held = again.registration, site.registrar.registration
        assert (kept is None) is (held is None)
        if kept is not None and held is not None:
            assert (kept.state, kept.serial) == (held.state, held.serial)
            assert (kept.their_token_for_us is None) is (
                kept.state is State.REGISTERING
            )


@given(RESPONSES)
def test_any_answer_with_credentials(response: Any) -> None:  # noqa: ANN401 - a plan's item
    """The answer that matters is a registration, a refusal, or lost."""
    status, headers, body = response
    site = Site(Partner(), Disk())
    answer = httpx.Response(status, content=body)
    answer.headers = httpx.Headers(
        {name: value for name, value in headers.items() if name != "content-encoding"}
    )
    site.partner.mishaps["POST", "/credentials"] = instead(answer)
    result = run_virtual(outcome(site.registrar.register))
    if isinstance(result, AgentError):
        assert isinstance(result, HandshakeError)
        assert site.state() in (None, State.REGISTERING)
    else:
        assert site.state() is State.REGISTERED
        assert site.shown
