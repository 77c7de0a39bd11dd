"""Versions, details and credentials as a backend finds them."""

from __future__ import annotations

import pytest

from agent.ocpi.server import CredentialsRefusedError, ServerOptions
from tests.agent.ocpi.server.hosting import (
    BASE,
    PUBLIC,
    SECRET,
    VERSIONS,
    FakePeer,
    Host,
    hosted,
)
from tests.reference.checking import check

THEIRS: dict[str, object] = {
    "token": "a-new-token-for-the-station",
    "url": "https://emsp.example/ocpi/versions",
    "roles": [
        {
            "role": "EMSP",
            "business_details": {"name": "Example"},
            "party_id": "TNM",
            "country_code": "NL",
        }
    ],
}
OLD_THEIRS: dict[str, object] = {
    "token": "a-new-token-for-the-station",
    "url": "https://emsp.example/ocpi/versions",
    "business_details": {"name": "Example"},
    "party_id": "TNM",
    "country_code": "NL",
}


def theirs(version: str) -> dict[str, object]:
    """Write the backend's credentials."""
    return OLD_THEIRS if version == "2.1.1" else THEIRS


def test_versions_lead_to_details_and_details_to_modules() -> None:
    """Every URL is below the public one, and each of them answers."""

    async def test(host: Host) -> None:
        versions = (await host.ask("GET", "/versions")).data
        assert [one["version"] for one in versions] == list(VERSIONS)
        for one in versions:
            assert check(one["version"], "Version", one) == []
            details = (await host.ask("GET", one["url"].removeprefix(PUBLIC))).data
            assert check(one["version"], "VersionDetails", details) == []
            assert details["version"] == one["version"]
            for endpoint in details["endpoints"]:
                path = endpoint["url"].removeprefix(PUBLIC)
                expected = 404 if endpoint["identifier"] == "tokens" else 200
                assert (await host.ask("GET", path)).http == expected

    hosted(test)


def test_roles_are_told_where_the_version_has_them() -> None:
    """Tokens are received, sessions and CDRs sent; 2.1.1 knows no roles."""
    roles = [
        ("credentials", "SENDER"),
        ("tokens", "RECEIVER"),
        ("sessions", "SENDER"),
        ("cdrs", "SENDER"),
    ]

    async def test(host: Host) -> None:
        for version in VERSIONS:
            details = (await host.ask("GET", f"/{version}")).data
            found = [
                (one["identifier"], one.get("role")) for one in details["endpoints"]
            ]
            is_old = version == "2.1.1"
            assert found == [(name, None if is_old else role) for name, role in roles]

    hosted(test)


def test_a_version_that_is_not_served_to_a_peer_is_not_there() -> None:
    """One that is pinned to a version sees that one, and hears 3002 at the others."""

    async def test(host: Host) -> None:
        versions = (await host.ask("GET", "/versions")).data
        assert [one["version"] for one in versions] == ["2.2.1"]
        other = await host.ask("GET", "/2.3.0/sessions")
        assert (other.http, other.code) == (404, 3002)
        unknown = await host.ask("GET", "/9.9")
        assert (unknown.http, unknown.code) == (404, 2000)

    hosted(test, peers=[FakePeer(versions=("2.2.1",))])


@pytest.mark.parametrize(
    "url", ["https://s.example", "https://s.example/", PUBLIC + "/"]
)
def test_the_path_of_the_public_url_is_the_path_of_the_server(url: str) -> None:
    """A proxy passes the path on; elsewhere there is nothing."""
    is_deep = url.startswith(PUBLIC)
    options = ServerOptions(public_url=url, listen="127.0.0.1:0")

    async def test(host: Host) -> None:
        answer = await host.ask("GET", "/versions")
        assert answer.http == (200 if is_deep else 404)
        if is_deep:
            assert answer.data[0]["url"] == f"{PUBLIC}/2.3.0"
        up = "/.." * BASE.count("/")
        assert (await host.ask("GET", f"{up}/versions")).http == (
            404 if is_deep else 200
        )

    hosted(test, options=options)


@pytest.mark.parametrize("version", VERSIONS)
def test_credentials_are_shown(version: str) -> None:
    """GET gives what we gave them, as the version writes it."""

    async def test(host: Host) -> None:
        answer = await host.ask("GET", f"/{version}/credentials")
        assert (answer.http, answer.code) == (200, 1000)
        assert check(version, "Credentials", answer.data) == []
        assert (answer.data["token"], answer.data["url"]) == (
            SECRET,
            f"{PUBLIC}/versions",
        )

    hosted(test)


@pytest.mark.parametrize("version", VERSIONS)
def test_credentials_are_exchanged(version: str) -> None:
    """PUT hands theirs over and answers with ours, a new token in it."""

    async def test(host: Host) -> None:
        answer = await host.ask("PUT", f"/{version}/credentials", theirs(version))
        assert (answer.http, answer.code) == (200, 1000)
        assert check(version, "Credentials", answer.data) == []
        assert answer.data["token"] == host.peer.secret != SECRET
        [(given, named)] = host.peer.replaced
        assert (given.token.value, named) == ("a-new-token-for-the-station", version)
        assert str(given.roles[0].party) == "NL*TNM"

    hosted(test)


@pytest.mark.parametrize("code", [2001, 3001, 3002, 3003])
def test_a_refusal_is_told_in_ocpis_words(code: int) -> None:
    """HTTP is 200 and OCPI says why not."""
    peer = FakePeer(refusal=CredentialsRefusedError(code, "we cannot reach you"))

    async def test(host: Host) -> None:
        answer = await host.ask("PUT", "/2.2.1/credentials", THEIRS)
        assert (answer.http, answer.code) == (200, code)
        assert (answer.message, answer.data) == ("we cannot reach you", None)

    hosted(test, peers=[peer])


@pytest.mark.parametrize("body", [{}, {"token": "x y"}, {**THEIRS, "token": 5}, []])
def test_credentials_that_cannot_be_read_change_nothing(body: object) -> None:
    """OCPI 2001, the field's name, and not its value."""

    async def test(host: Host) -> None:
        answer = await host.ask("PUT", "/2.2.1/credentials", body)
        assert (answer.http, answer.code) == (200, 2001)
        assert "x y" not in str(answer.message)
        assert host.peer.replaced == []

    hosted(test)


def test_the_end_of_a_registration() -> None:
    """After DELETE the token is worth nothing."""

    async def test(host: Host) -> None:
        answer = await host.ask("DELETE", "/2.2.1/credentials")
        assert (answer.http, answer.code, answer.data) == (200, 1000, None)
        assert host.peer.ended == 1
        assert (await host.ask("GET", "/versions")).http == 401

    hosted(test)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/2.2.1/credentials", "GET, PUT, DELETE"),
        ("POST", "/versions", "GET"),
        ("PUT", "/2.1.1", "GET"),
        ("POST", "/2.2.1/sessions", "GET"),
        ("DELETE", "/2.3.0/cdrs", "GET"),
        ("DELETE", "/2.3.0/tokens/NL/TNM/04A1", "GET, PUT, PATCH"),
        ("BREW", "/2.3.0/tokens/NL/TNM/04A1", "GET, PUT, PATCH"),
    ],
)
def test_other_methods(method: str, path: str, allowed: str) -> None:
    """HTTP 405 names those there are; whoever is registered cannot register."""

    async def test(host: Host) -> None:
        answer = await host.ask(method, path, THEIRS)
        assert (answer.http, answer.code) == (405, 2000)
        assert answer.headers["allow"] == allowed
        assert (host.peer.replaced, host.peer.ended) == ([], 0)

    hosted(test)
