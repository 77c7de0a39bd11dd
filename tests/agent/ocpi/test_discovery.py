"""From the versions URL to the endpoints."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import (
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.discovery import (
    Endpoints,
    Wanted,
    choose_version,
    discover,
    read_endpoints,
)
from agent.ocpi.probing import ProbingClient
from agent.ocpi.transport import Call, OcpiClient, Response
from tests.agent.ocpi.examples import JSON
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
    endpoint,
    envelope,
    refuse_unless,
    respond,
)

WANTED = Wanted(versions=("2.2.1",))


def find(peer: Peer) -> Endpoints:
    """Run a discovery."""
    client = OcpiClient(CredentialsToken(SECRET), transport=peer)
    return asyncio.run(discover(ProbingClient(client), HOME + VERSIONS, WANTED))


def versions(data: object, url: str = HOME + VERSIONS) -> Response:
    """Answer the versions request."""
    body = {"status_code": 1000, "data": data}
    return respond(body, call=Call(method="GET", url=url))


def details(endpoints: object, url: str = HOME + DETAILS) -> Response:
    """Answer the version details request."""
    return versions({"version": "2.2.1", "endpoints": endpoints}, url)


def test_ordinary_backend() -> None:
    """Two requests, no routing headers, and everything is known."""
    peer = Peer()
    assert find(peer) == Endpoints(
        version="2.2.1",
        tokens=HOME + TOKENS,
        sessions=HOME + SESSIONS,
        credentials=f"{HOME}/ocpi/2.2.1/credentials",
        encoding=Encoding.BASE64,
    )
    assert [request.url.path for request in peer.requests] == [VERSIONS, DETAILS]
    for request in peer.requests:
        assert not [name for name in request.headers if name.startswith("ocpi-")]


@pytest.mark.parametrize("at_versions", [BASE64_HEADER, RAW_HEADER])
@pytest.mark.parametrize("at_details", [BASE64_HEADER, RAW_HEADER])
def test_encodings_are_found_separately(at_versions: str, at_details: str) -> None:
    """Versions URL and details may read the token differently."""
    peer = Peer()
    peer.routes["GET", VERSIONS] = refuse_unless(
        at_versions, peer.routes["GET", VERSIONS]
    )
    peer.routes["GET", DETAILS] = refuse_unless(at_details, peer.routes["GET", DETAILS])
    expected = Encoding.RAW if at_details == RAW_HEADER else Encoding.BASE64
    assert find(peer).encoding is expected


def test_wrong_token() -> None:
    """Refused both ways, the operator is told to check the token."""
    peer = Peer()
    peer.routes["GET", VERSIONS] = httpx.Response(401)
    with pytest.raises(CredentialsError, match="check that it is the current one"):
        find(peer)
    assert len(peer.requests) == 2


def test_quiet_refusal_is_not_an_empty_list() -> None:
    """An error that looks like an empty list of versions is reported as the error."""
    peer = Peer()
    peer.routes["GET", VERSIONS] = envelope([], 3000, words="no")
    with pytest.raises(TransientUpstreamError, match="OCPI 3000"):
        find(peer)


def test_newest_wanted_version_is_chosen() -> None:
    """Order of choice is ours; unknown numbers and broken entries are skipped."""
    offers = [
        {"version": "2.1.1", "url": "https://e.example/old"},
        {"version": "9.9", "url": "https://e.example/new"},
        {"version": 7},
        None,
        {"version": "2.2.1", "url": "https://e.example/a/"},
        {"version": "2.2.1", "url": "https://e.example/b/"},
    ]
    chosen = choose_version(versions(offers), Wanted(versions=("2.3.0", "2.2.1")))
    assert chosen == ("2.2.1", "https://e.example/a/")


def test_no_common_version() -> None:
    """The error names what is offered."""
    with pytest.raises(RefusedUpstreamError, match=r"2\.2\.1, got 2\.1\.1, 2\.0"):
        choose_version(
            versions([{"version": number, "url": "x"} for number in ("2.1.1", "2.0")]),
            WANTED,
        )
    with pytest.raises(RefusedUpstreamError, match="got no version"):
        choose_version(versions([]), WANTED)


def test_endpoints_are_chosen_by_module_and_role() -> None:
    """Other roles, unknown modules and broken entries do not confuse us."""
    offered = [
        endpoint("tokens", "RECEIVER", "/cpo/tokens"),
        endpoint("tokens", "SENDER", "/emsp/tokens/"),
        endpoint("tokens", "SENDER", "/second/tokens/"),
        endpoint("cdrs", "RECEIVER", "/emsp/cdrs"),
        endpoint("sessions", "SENDER", "/cpo/sessions"),
        endpoint("x-invoices", "SENDER", "/x"),
        {"identifier": "sessions", "url": "https://e.example/no-role"},
        {"role": "RECEIVER"},
        17,
    ]
    found = read_endpoints(details(offered), "2.2.1")
    assert found.tokens == f"{HOME}/emsp/tokens/"
    assert found.sessions is None
    assert found.cdrs == f"{HOME}/emsp/cdrs"


def test_no_tokens_endpoint() -> None:
    """Without a whitelist there is nothing to do, and the error says what there is."""
    offered = [
        endpoint("tokens", "RECEIVER", "/cpo/tokens"),
        {"identifier": "cdrs", "url": "https://e.example/cdrs"},
    ]
    with pytest.raises(
        RefusedUpstreamError, match="got tokens RECEIVER, cdrs without role"
    ):
        read_endpoints(details(offered), "2.2.1")
    with pytest.raises(RefusedUpstreamError, match="got no endpoints"):
        read_endpoints(details([]), "2.2.1")


def test_details_in_a_list() -> None:
    """A list of one stands for the details."""
    data = [{"endpoints": [endpoint("tokens", "SENDER", "/t")]}]
    assert read_endpoints(versions(data), "2.2.1").tokens == f"{HOME}/t"


@pytest.mark.parametrize("url", ["", "http://", "ftp://e.example/t", "http://[/"])
def test_unusable_url(url: str) -> None:
    """A URL that cannot be used is named by its endpoint."""
    offered = [endpoint("tokens", "SENDER", "/t") | {"url": url or "mailto:x"}]
    with pytest.raises(RefusedUpstreamError, match="the URL of tokens SENDER"):
        read_endpoints(details(offered), "2.2.1")


def test_token_never_leaves_https() -> None:
    """A published http URL is refused behind an https one, and fine behind http."""
    offered = [endpoint("tokens", "SENDER", "/t") | {"url": "http://e.example/t"}]
    with pytest.raises(RefusedUpstreamError, match="expected https"):
        read_endpoints(details(offered), "2.2.1")
    plain = details(offered, "http://e.example/ocpi")
    assert read_endpoints(plain, "2.2.1").tokens == "http://e.example/t"


def test_211_has_no_roles() -> None:
    """Modules are found by name; the role of the book's later versions is ignored."""
    offered = [
        {"identifier": "tokens", "url": f"{HOME}/t"},
        {"identifier": "CDRs", "url": f"{HOME}/c", "role": "SENDER"},
        {"identifier": "credentials", "url": f"{HOME}/r"},
    ]
    found = read_endpoints(details(offered), "2.1.1")
    assert (found.tokens, found.sessions) == (f"{HOME}/t", None)
    assert (found.cdrs, found.credentials) == (f"{HOME}/c", f"{HOME}/r")


TWICE = [
    (("/cpo/2.1.1/tokens", "/emsp/2.1.1/tokens"), "/emsp/2.1.1/tokens"),
    ((f"{HOME}/cpo/tokens", f"{HOME}/emsp/tokens"), "/emsp/tokens"),
    ((f"{HOME}/cpo/tokens", "/emsp/tokens"), "/emsp/tokens"),
    (("/EMSP/tokens", "/CPO/tokens"), "/EMSP/tokens"),
    (("/a/tokens", "/b/tokens"), "/a/tokens"),
    (("mailto:x", "/emsp/tokens"), "/emsp/tokens"),
    (("/emsp/tokens", "http://["), "/emsp/tokens"),
]


@pytest.mark.parametrize(("urls", "chosen"), TWICE)
def test_211_lists_both_sides(
    urls: tuple[str, str], chosen: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The path that names the eMSP is meant; that the host does so says nothing."""
    offered = [{"identifier": "tokens", "url": url} for url in urls]
    found = read_endpoints(details(offered), "2.1.1")
    assert found.tokens == HOME + chosen
    assert f"lists tokens 2 times; using the one at {chosen}" in caplog.text


def test_later_versions_list_both_sides_by_role(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where roles tell the sides apart nothing is guessed."""
    offered = [
        endpoint("tokens", "sender", "/cpo/tokens"),
        endpoint("tokens", "RECEIVER", "/emsp/tokens"),
    ]
    assert read_endpoints(details(offered), "2.3.0").tokens == f"{HOME}/cpo/tokens"
    assert caplog.messages == []


@pytest.mark.parametrize("role", ["SENDER", "RECEIVER", "", None, ...])
def test_the_role_of_credentials_means_nothing(role: object) -> None:
    """Whatever servers write there."""
    offer: dict[str, object] = {"identifier": "credentials", "url": f"{HOME}/r"}
    if role is not ...:
        offer["role"] = role
    tokens = endpoint("tokens", "SENDER", "/t")
    assert read_endpoints(details([offer, tokens]), "2.2.1").credentials == f"{HOME}/r"


def test_tokens_need_not_be_there_for_everybody() -> None:
    """A backend that is only told of sessions has no cards."""
    found = read_endpoints(details([]), "2.2.1", needs_tokens=False)
    assert found == Endpoints(version="2.2.1")


@pytest.mark.parametrize(
    ("offered", "advice"),
    [
        (("2.1.1",), "2.1.1 needs an address"),
        (("2.1.1", "2.0"), "2.1.1 needs an address"),
        (("2.0", "2.1"), "ask the backend for its other versions URL"),
        ((), "ask the backend for its other versions URL"),
    ],
)
def test_what_is_missing_for_a_version(offered: tuple[str, ...], advice: str) -> None:
    """The error says what the configuration lacks, if that is all that is missing."""
    wanted = Wanted(versions=("2.3.0", "2.2.1"), unusable={"2.1.1": "an address"})
    response = versions([{"version": one, "url": HOME} for one in offered])
    with pytest.raises(RefusedUpstreamError) as caught:
        choose_version(response, wanted)
    assert advice in str(caught.value)


PARTS = st.fixed_dictionaries(
    {},
    optional={
        "version": st.sampled_from(["2.2.1", "2.3.0"]) | JSON,
        "identifier": st.sampled_from(["tokens", "sessions"]) | JSON,
        "role": st.sampled_from(["SENDER", "RECEIVER"]) | JSON,
        "url": st.sampled_from(["https://e.example/t", "//", "http://["]) | JSON,
        "endpoints": JSON,
    },
)


@given(
    st.binary()
    | st.lists(PARTS | JSON, max_size=4).map(
        lambda parts: json.dumps({"status_code": 1000, "data": parts}).encode()
    )
    | st.lists(PARTS | JSON, max_size=4).map(
        lambda parts: json.dumps(
            {"status_code": 1000, "data": {"endpoints": parts}}
        ).encode()
    )
)
def test_any_answer_is_understood_or_named(body: bytes) -> None:
    """No answer raises anything but our own errors."""
    for read in (
        lambda response: choose_version(response, WANTED),
        lambda response: read_endpoints(response, "2.2.1"),
        lambda response: read_endpoints(response, "2.1.1"),
        lambda response: read_endpoints(response, "2.3.0", needs_tokens=False),
    ):
        try:
            read(respond(body))
        except (TransientUpstreamError, RefusedUpstreamError):
            continue


@pytest.mark.parametrize(
    ("status", "content", "is_doubted"),
    [
        (404, b"", True),
        (200, b"<html>Welcome</html>", True),
        (200, b'{"status_code": 1000, "data": {"endpoints": []}}', True),
        (404, b'{"status_code": 2003, "data": []}', False),
        (503, b"", False),
    ],
)
def test_an_address_that_is_no_versions_url_is_doubted(
    status: int, content: bytes, *, is_doubted: bool
) -> None:
    """Whoever wrote it is told where to look, unless an OCPI server has spoken."""
    peer = Peer()
    peer.routes["GET", VERSIONS] = httpx.Response(status, content=content)
    with pytest.raises((RefusedUpstreamError, TransientUpstreamError)) as caught:
        find(peer)
    assert ("is versions_url right?" in str(caught.value)) is is_doubted
