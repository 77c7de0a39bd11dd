"""Around every request: ids, directions, failures and what the log says of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from agent.errors import StoreBusyError, StoreCorruptError, StoreFailedError
from tests.agent.ocpi.examples import token_json
from tests.agent.ocpi.server.hosting import (
    ROUTING,
    SECRET,
    SETUP_SECRET,
    VERSIONS,
    FakePeer,
    Host,
    MemoryBook,
    hosted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

UID = "04a1b2c3d4e5f6"
TOKEN = f"/2.2.1/tokens/NL/TNM/{UID}"
IDS = {"X-Request-ID": "12f0-req", "X-Correlation-ID": "12f0-cor"}
_CLIENT = ("httpx", "httpcore.connection", "httpcore.http11")
SWAPPED = {
    "ocpi-to-country-code": "NL",
    "ocpi-to-party-id": "TNM",
    "ocpi-from-country-code": "SE",
    "ocpi-from-party-id": "ABC",
}


def routing(headers: Mapping[str, str]) -> dict[str, str]:
    """Pick the routing headers of an answer."""
    return {name: value for name, value in headers.items() if name.startswith("ocpi-")}


@pytest.mark.parametrize(
    ("method", "path", "secret"),
    [
        ("GET", "/versions", SECRET),
        ("GET", TOKEN, SECRET),
        ("PUT", TOKEN, SECRET),
        ("GET", "/nowhere", SECRET),
        ("GET", "/versions", "wrong"),
        ("POST", "/2.2.1/credentials", SECRET),
    ],
)
def test_message_ids_come_back(method: str, path: str, secret: str) -> None:
    """Both ids are repeated, also when the answer is no."""

    async def test(host: Host) -> None:
        body: object = None if method == "GET" else {}
        answer = await host.ask(method, path, body, secret=secret, headers=IDS)
        for name, value in IDS.items():
            assert answer.headers[name] == value

    hosted(test)


@pytest.mark.parametrize("value", ["", "x" * 65, "a b", "a\tb"])
def test_odd_message_ids_do_not(value: str) -> None:
    """What no id looks like is not repeated."""

    async def test(host: Host) -> None:
        answer = await host.ask("GET", "/versions", headers={"X-Request-ID": value})
        assert answer.http == 200
        assert "x-request-id" not in answer.headers

    hosted(test)


@pytest.mark.parametrize("version", VERSIONS)
def test_directions_are_turned_around(version: str) -> None:
    """From and to change places in functional modules, from 2.2 on, and only there."""
    is_new = version != "2.1.1"

    async def test(host: Host) -> None:
        for path, has_direction in [
            ("/versions", False),
            (f"/{version}", False),
            (f"/{version}/credentials", False),
            (f"/{version}/sessions", is_new),
            (f"/{version}/cdrs/", is_new),
            (f"/{version}/tokens/NL/TNM/{UID}", is_new),
        ]:
            answer = await host.ask("GET", path, headers=ROUTING)
            expected = SWAPPED if has_direction else {}
            assert (path, routing(answer.headers)) == (path, expected)

    hosted(test)


def test_directions_that_are_none_are_left_out() -> None:
    """Neither absent headers nor absurd ones come back."""

    async def test(host: Host) -> None:
        odd = {"OCPI-from-country-code": "x" * 99, "OCPI-to-party-id": "A B"}
        for headers in ({}, odd):
            answer = await host.ask("GET", "/2.2.1/cdrs", headers=headers)
            assert routing(answer.headers) == {}

    hosted(test)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/version",
        "/2.2",
        "/2.2.1/locations",
        "/2.2.1/tokens",
        "/2.2.1/tokens/NL/TNM",
        f"{TOKEN}/authorize",
        "/2.2.1/sessions/S1",
        "/2.2.1/sessions/S1/charging_preferences",
        "/2.2.1/cdrs/C1",
        "/%2e%2e/versions",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_where_nothing_is(method: str, path: str) -> None:
    """HTTP 404 in an envelope."""

    async def test(host: Host) -> None:
        body: object = None if method == "GET" else {}
        answer = await host.ask(method, path, body)
        assert (answer.http, answer.code) == (404, 2000)

    hosted(test)


@pytest.mark.parametrize(
    "path",
    ["/versions/", "//versions", "/2.2.1/", "/2.2.1//sessions///", "/2.3.0/cdrs/"],
)
def test_slashes_more_or_less(path: str) -> None:
    """A trailing slash, or one too many in between, is no other URL and no redirect."""

    async def test(host: Host) -> None:
        assert (await host.ask("GET", path)).http == 200

    hosted(test)


FAILURES = [
    StoreBusyError("whitelist.db is in use"),
    StoreFailedError("disk full"),
    StoreCorruptError("whitelist.db is damaged"),
]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
def test_a_store_that_fails_is_no_success(
    failure: Exception, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """HTTP 503 and OCPI 3000, told once in the log until it works again."""

    async def test(host: Host) -> None:
        body = None if method == "GET" else token_json()
        for _ in range(2):
            answer = await host.ask(method, TOKEN, body)
            assert (answer.http, answer.code, answer.data) == (503, 3000, None)
            assert answer.headers["retry-after"] == "10"
            assert str(failure) not in str(answer.message)
        host.book.failure = None
        assert (await host.ask("PUT", TOKEN, token_json())).code == 1000
        host.book.failure = failure
        assert (await host.ask("GET", TOKEN)).http == 503

    with caplog.at_level(logging.WARNING):
        hosted(test, book=MemoryBook(failure=failure))

    assert [str(failure) in record.getMessage() for record in caplog.records] == [
        True
    ] * 2


def test_a_bug_is_told_to_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    """HTTP 500 and OCPI 3000; the log says where, without words that hold a card."""
    book = MemoryBook(failure=KeyError(f"card {UID}"))

    async def test(host: Host) -> None:
        answer = await host.ask("PUT", TOKEN, token_json())
        assert (answer.http, answer.code) == (500, 3000)
        assert answer.message == "unexpected error"
        host.book.failure = None
        assert (await host.ask("PUT", TOKEN, token_json())).http == 201

    hosted(test, book=book)

    [record] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    text = record.getMessage()
    assert "KeyError" in text
    assert "hosting.py" in text
    assert UID not in text
    assert record.exc_info is None


@pytest.mark.parametrize("refusal", [RuntimeError("x"), StoreFailedError("disk full")])
def test_an_exchange_that_breaks_is_no_success(refusal: Exception) -> None:
    """The backend keeps its old token, since ours did not change."""
    body = {"token": "abc", "url": "https://emsp.example/versions", "roles": []}

    async def test(host: Host) -> None:
        answer = await host.ask("PUT", "/2.2.1/credentials", body)
        assert (answer.http, answer.code) in {(500, 3000), (503, 3000)}
        assert (await host.ask("GET", "/versions")).http == 200

    hosted(test, peers=[FakePeer(refusal=refusal)])


def test_nothing_of_a_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """No card, no token, no URL: whatever is asked, by friend or stranger."""

    async def test(host: Host) -> None:
        for secret in (SECRET, SETUP_SECRET, "wrong-secret-9"):
            for method in ("GET", "PUT", "PATCH", "DELETE"):
                body = None if method == "GET" else token_json()
                await host.ask(method, TOKEN, body, secret=secret)
            await host.ask("GET", f"/2.2.1/sessions?date_from={UID}", secret=secret)

    with caplog.at_level(1):
        hosted(test)

    # The client of this test is talkative.
    ours = [one for one in caplog.records if one.name not in _CLIENT]
    text = "\n".join(record.getMessage() for record in ours)
    for word in (UID, UID.upper(), SECRET, "wrong-secret-9", "/tokens/"):
        assert word not in text
    assert "OCPI is served" in text
