"""A hub between us and the eMSPs: who is addressed, and where lists may lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.errors import RefusedUpstreamError, TransientUpstreamError
from agent.ocpi.station import Party
from tests.agent.ocpi.examples import token_json
from tests.agent.ocpi.peer import BASE64_HEADER, HOME, envelope
from tests.agent.ocpi.spoken import Spoken
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from agent.ocpi.connection import OcpiConnection
    from agent.ocpi.token_list import TokenPage

HUB = Party("DE", "HUB")
CACHE = "https://cache.hub.example"
EVIL = "https://evil.example"


def crawl(connection: OcpiConnection) -> list[TokenPage]:
    """Read the whole list."""

    async def run() -> list[TokenPage]:
        try:
            return [page async for page in connection.token_pages()]
        finally:
            await connection.close()

    return run_virtual(run())


def listing(link: str, **changes: Any) -> tuple[Spoken, OcpiConnection]:  # noqa: ANN401 - Upstream's fields
    """Serve two pages, the second behind a link, and by offset as well."""
    peer = Spoken()

    def first(request: httpx.Request) -> httpx.Response:
        headers = {"x-total-count": "2"}
        if request.url.params.get("offset") == "1":
            return envelope([token_json(uid="04BB")], headers=headers)
        headers["link"] = f'<{link}>; rel="next"'
        return envelope([token_json(uid="04AA")], headers=headers)

    peer.routes["GET", peer.path("tokens")] = first
    second = envelope([token_json(uid="04CC")], headers={"x-total-count": "2"})
    peer.routes["GET", "/opaque/9f1c"] = second
    return peer, peer.connect(their_party=HUB, **changes)


def uids(pages: list[TokenPage]) -> list[str]:
    """Name all that was listed."""
    return [token.uid for page in pages for token in page.tokens]


def test_a_list_of_everybody_is_asked_of_the_hub() -> None:
    """All pages are addressed to the hub, though the cards are of others."""
    peer, connection = listing(f"{HOME}/opaque/9f1c")
    pages = crawl(connection)
    assert uids(pages) == ["04AA", "04CC"]
    assert {token.party_id for page in pages for token in page.tokens} == {"TNM"}
    for request in peer.requests[2:]:
        assert request.headers["ocpi-to-country-code"] == "DE"
        assert request.headers["ocpi-to-party-id"] == "HUB"
        assert request.headers["ocpi-from-party-id"] == "ABC"


def test_an_opaque_link_is_followed_as_it_is() -> None:
    """Nothing is added to it, and nothing is read out of it."""
    peer, connection = listing(f"{HOME}/opaque/9f1c?cursor=b%2Fc%3D&x")
    crawl(connection)
    assert peer.requests[-1].url.raw_path == b"/opaque/9f1c?cursor=b%2Fc%3D&x"


def test_a_server_that_the_operator_has_named() -> None:
    """The next page may be there, and the token is shown there."""
    peer, connection = listing(f"{CACHE}/opaque/9f1c", link_origins=(CACHE,))
    assert uids(crawl(connection)) == ["04AA", "04CC"]
    *_, request = peer.requests
    assert request.url.host == "cache.hub.example"
    assert request.headers["authorization"] == BASE64_HEADER


@pytest.mark.parametrize(
    "link",
    [
        f"{EVIL}/opaque/9f1c",
        "http://emsp.example/opaque/9f1c",
        "https://emsp.example:8443/opaque/9f1c",
        "https://emsp.example@evil.example/opaque/9f1c",
        "https://cache.hub.example.evil.example/opaque/9f1c",
        "https://sub.cache.hub.example/opaque/9f1c",
        "http://cache.hub.example/opaque/9f1c",
        "//evil.example/opaque/9f1c",
        "\\\\evil.example/opaque/9f1c",
    ],
)
def test_no_other_server_sees_the_token(link: str) -> None:
    """A link to elsewhere is not followed; the list goes on by offset."""
    peer, connection = listing(link, link_origins=(CACHE,))
    assert uids(crawl(connection)) == ["04AA", "04BB"]
    assert {str(one.url.copy_with(path="/", query=None)) for one in peer.requests} == {
        f"{HOME}/"
    }


def test_a_redirect_does_not_take_the_token_elsewhere_either() -> None:
    """Where a page leads to another server, the list goes on without that page."""
    peer, connection = listing(f"{HOME}/opaque/9f1c", link_origins=(CACHE,))
    away = httpx.Response(307, headers={"location": f"{EVIL}/opaque/9f1c"})
    peer.routes["GET", "/opaque/9f1c"] = away
    assert uids(crawl(connection)) == ["04AA", "04BB"]
    assert {one.url.host for one in peer.requests} == {"emsp.example"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (4000, TransientUpstreamError),
        (4001, RefusedUpstreamError),
        (4002, TransientUpstreamError),
        (4003, TransientUpstreamError),
    ],
)
def test_a_hub_that_cannot_forward(status: int, error: type[Exception]) -> None:
    """The crawl fails: the list is not empty, it is not there."""
    peer, connection = listing(f"{HOME}/opaque/9f1c")
    peer.routes["GET", peer.path("tokens")] = envelope([], status)
    with pytest.raises(error, match=f"OCPI {status}"):
        crawl(connection)
