"""Who is let in: every spelling of a known token, and nobody else."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.ocpi.server import Access, Limits, ServerOptions
from agent.ocpi.server.answers import RequestError
from agent.ocpi.server.doorkeeper import Doorkeeper, read_tokens
from tests.agent.ocpi.server.hosting import (
    PUBLIC,
    SECRET,
    SETUP_SECRET,
    VERSIONS,
    FakePeer,
    Host,
    hosted,
)
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence


def base64_of(text: str) -> str:
    """Encode as OCPI 2.2.1 does."""
    return base64.b64encode(text.encode()).decode()


def doorkeeper(
    *peers: FakePeer, per_minute: int = 600, strangers: int = 30
) -> Doorkeeper:
    """Guard the door for these peers."""
    return Doorkeeper(
        peers or (FakePeer(),),
        FakeClock(),
        per_minute=per_minute,
        strangers_per_minute=strangers,
    )


@pytest.mark.parametrize(
    "header",
    [
        f"Token {SECRET}",
        f"Token {base64_of(SECRET)}",
        f"Token {base64_of(SECRET + chr(10))}",
        f"token {SECRET}",
        f"TOKEN  {SECRET} ",
    ],
)
def test_every_spelling_opens(header: str) -> None:
    """Raw, Base64, and Base64 of a token with a newline all are the token."""
    peer, access = doorkeeper().admit([header])

    assert (peer.name, access) == ("emsp", Access.FULL)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Token"],
        ["Token "],
        [SECRET],
        [f"Bearer {SECRET}"],
        [f"Token {SECRET}x"],
        [f"Token {SECRET} {SECRET}"],
        [f"Token {base64_of(base64_of(SECRET))}"],
        [f"Token {base64_of(SECRET)[:-1]}"],
        ["Token " + "A" * 5000],
        ["Token \xff\xfe"],
        [f"Token {SECRET}", f"Token {SECRET}"],
    ],
)
def test_nothing_else_does(headers: Sequence[str]) -> None:
    """No header, two of them, another scheme or another token are refused."""
    with pytest.raises(RequestError) as caught:
        doorkeeper().admit(headers)

    assert caught.value.outcome.http_status == 401


@given(st.text("!~aA0=+/", max_size=70))
def test_what_is_shown_is_always_a_token(value: str) -> None:
    """Peers are shown printable ASCII only, without spaces, and the text itself."""
    shown = list(read_tokens([f"Token {value}"]))

    assert all(one and all("!" <= char <= "~" for char in one) for one in shown)
    assert not value or value in shown


def test_every_peer_is_asked_every_time() -> None:
    """The time it takes does not tell who was recognised, or how early."""
    first, second = FakePeer("first"), FakePeer("second", secret="another-one-12345")

    door = doorkeeper(first, second)
    door.admit([f"Token {SECRET}"])
    door.admit(["Token another-one-12345"])

    assert first.shown == second.shown
    assert SECRET in second.shown


def test_a_registered_peer_wins_over_one_being_set_up() -> None:
    """One secret at two peers: the registration that is done counts."""
    new = FakePeer("new", secret="x", setup_secret=SECRET)

    peer, access = doorkeeper(new, FakePeer("old")).admit([f"Token {SECRET}"])

    assert (peer.name, access) == ("old", Access.FULL)


def test_strangers_lock_nobody_out() -> None:
    """When strangers have used up what they all share, a known token still opens."""
    door = doorkeeper(strangers=2)
    statuses = []
    for _ in range(4):
        with pytest.raises(RequestError) as caught:
            door.admit(["Token wrong"])
        statuses.append(caught.value.outcome.http_status)

    assert statuses == [401, 401, 429, 429]
    assert door.admit([f"Token {SECRET}"])[1] is Access.FULL


def test_a_busy_peer_takes_nothing_from_another() -> None:
    """Every peer has an allowance of its own."""
    door = doorkeeper(
        FakePeer("busy", secret="busy-token-1"), FakePeer("calm"), per_minute=1
    )
    door.admit(["Token busy-token-1"])
    with pytest.raises(RequestError) as caught:
        door.admit(["Token busy-token-1"])

    assert caught.value.outcome.http_status == 429
    assert caught.value.outcome.headers == {"Retry-After": "60"}
    assert door.admit([f"Token {SECRET}"])[0].name == "calm"


PATHS = ["/versions", "/2.2.1", "/2.2.1/credentials", "/2.1.1/cdrs", "/nothing", ""]


@pytest.mark.parametrize("secret", [None, "wrong-token-1234"])
def test_strangers_are_told_nothing(secret: str | None) -> None:
    """Whatever the path, the answer is 401: not even what is here is told."""

    async def test(host: Host) -> None:
        for path in PATHS:
            answer = await host.ask("GET", path, secret=secret)
            assert (answer.http, answer.code, answer.data) == (401, 2000, None)
            assert answer.headers["www-authenticate"] == "Token"

    hosted(test)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("raw", [True, False])
def test_both_spellings_open_every_version(version: str, *, raw: bool) -> None:
    """The spelling and the version need not fit together."""

    async def test(host: Host) -> None:
        value = SECRET if raw else base64_of(SECRET)
        headers = {"Authorization": f"Token {value}"}
        answer = await host.ask("GET", f"/{version}/sessions", headers=headers)
        assert answer.code == 1000

    hosted(test)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_handshake_under_way_opens_versions_and_details_only(version: str) -> None:
    """Before the registration is done every module answers 401."""

    async def test(host: Host) -> None:
        for path, expected in [
            ("/versions", 200),
            (f"/{version}", 200),
            (f"/{version}/credentials", 401),
            (f"/{version}/sessions", 401),
            (f"/{version}/cdrs", 401),
            (f"/{version}/tokens/NL/TNM/04A1B2C3", 401),
            (f"/{version}/nothing", 401),
        ]:
            answer = await host.ask("GET", path, secret=SETUP_SECRET)
            assert (path, answer.http) == (path, expected)
        put = await host.ask("PUT", f"/{version}/credentials", {}, secret=SETUP_SECRET)
        assert put.http == 401
        await host.ask("DELETE", f"/{version}/credentials", secret=SETUP_SECRET)
        assert (host.peer.replaced, host.peer.ended) == ([], 0)

    hosted(test)


def test_too_many_requests_are_told_when_to_come_back() -> None:
    """HTTP 429 with Retry-After; after that time the peer is served again."""
    options = ServerOptions(
        public_url=PUBLIC, listen="127.0.0.1:0", max_requests_per_minute=2
    )

    async def test(host: Host) -> None:
        codes = [(await host.ask("GET", "/versions")).http for _ in range(2)]
        late = await host.ask("GET", "/versions")
        assert [*codes, late.http] == [200, 200, 429]
        assert (late.code, late.headers["retry-after"]) == (2000, "30")
        assert (await host.ask("GET", "/versions", secret=None)).http == 401

        host.clock.move(timedelta(seconds=30))
        assert (await host.ask("GET", "/versions")).http == 200

    hosted(test, options=options)


def test_many_strangers_at_the_real_door() -> None:
    """A flood of wrong tokens ends in 429, and the known one passes in its middle."""

    async def test(host: Host) -> None:
        codes = []
        for _ in range(5):
            codes.append((await host.ask("GET", "/versions", secret="wrong")).http)
            assert (await host.ask("GET", "/versions")).http == 200
        assert codes == [401, 401, 401, 429, 429]

    hosted(test, limits=replace(Limits(), strangers_per_minute=3))
