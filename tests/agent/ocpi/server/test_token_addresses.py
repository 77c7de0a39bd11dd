"""Which token a URL names, and whether the body means the same."""

from __future__ import annotations

import pytest

from agent.domain.tokens import TokenType
from tests.agent.ocpi.server.hosting import VERSIONS, FakePeer, Host, MemoryBook, hosted
from tests.agent.ocpi.server.pushing import (
    NEW_VERSIONS,
    NEWER,
    UID,
    book_of,
    only,
    path,
    pushed,
)

MISMATCHES = [
    (version, field, {field: value})
    for version in VERSIONS
    for field, value in [
        ("country_code", "DE"),
        ("party_id", "ABC"),
        ("uid", "04FFFFFF"),
    ]
    # Bodies of 2.1.1 do not say whose they are.
    if version != "2.1.1" or field == "uid"
]


@pytest.mark.parametrize(("version", "field", "changes"), MISMATCHES)
@pytest.mark.parametrize("known", [True, False])
def test_body_and_url_must_agree(
    version: str, field: str, changes: dict[str, str], *, known: bool
) -> None:
    """OCPI 2001 names the field; nothing is stored."""

    async def test(host: Host) -> None:
        answer = await host.ask("PUT", path(version), pushed(version, **changes))
        assert (answer.http, answer.code) == (200, 2001)
        assert field in str(answer.message)
        if known:
            part = changes | {"last_updated": NEWER}
            assert (await host.ask("PATCH", path(version), part)).code == 2001
        assert host.book.learned == []

    hosted(test, book=book_of(version) if known else MemoryBook())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_body_alone_may_name_the_type(version: str) -> None:
    """Many push an app user as they push a card; it is none for that."""

    async def test(host: Host) -> None:
        answer = await host.ask("PUT", path(version), pushed(version, type="APP_USER"))
        assert (answer.http, answer.code) == (201, 1000)
        assert only(host).type is TokenType.APP_USER
        card = await host.ask("GET", path(version))
        assert (card.code, card.data["type"]) == (1000, "RFID")

    hosted(test, book=book_of(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_url_that_names_another_type(version: str) -> None:
    """What is named twice must be the same; a PATCH makes no card something else."""

    async def test(host: Host) -> None:
        where = f"{path(version)}?type=OTHER"
        answer = await host.ask("PUT", where, pushed(version))
        assert (answer.http, answer.code) == (200, 2001)
        assert "type" in str(answer.message)
        part = {"type": "APP_USER", "last_updated": NEWER}
        assert (await host.ask("PATCH", path(version), part)).code == 2001
        assert host.book.learned == []

    hosted(test, book=book_of(version))


def test_211_is_not_asked_about_others() -> None:
    """There the URL alone names the party, which must be the connection's own."""

    async def test(host: Host) -> None:
        where = path("2.1.1", party="DE/XYZ")
        assert (await host.ask("PUT", where, pushed("2.1.1"))).code == 2001
        assert host.book.learned == []

    hosted(test)


def test_211_with_a_backend_of_unknown_party() -> None:
    """Then the URL says whose card it is."""

    async def test(host: Host) -> None:
        where = path("2.1.1", party="DE/XYZ")
        assert (await host.ask("PUT", where, pushed("2.1.1"))).http == 201
        token = only(host)
        assert (token.country_code, token.party_id) == ("DE", "XYZ")

    hosted(test, peers=[FakePeer(party=None)])


@pytest.mark.parametrize("version", NEW_VERSIONS)
def test_any_party_behind_a_connection(version: str) -> None:
    """A hub pushes tokens of many; each belongs to this connection."""

    async def test(host: Host) -> None:
        body = pushed(version, country_code="DE", party_id="XYZ")
        assert (await host.ask("PUT", path(version, party="DE/XYZ"), body)).http == 201
        assert (only(host).upstream, only(host).party_id) == ("emsp", "XYZ")

    hosted(test)


def test_case_does_not_make_another_token() -> None:
    """A push in lower case changes the token that is there, under its own name."""

    async def test(host: Host) -> None:
        body = pushed(
            "2.2.1", country_code="nl", party_id="tnm", uid=UID.upper(), valid=False
        )
        answer = await host.ask("PUT", path("2.2.1", UID.upper(), "nl/tnm"), body)
        assert (answer.http, answer.code) == (200, 1000)
        assert (only(host).country_code, only(host).party_id) == ("NL", "TNM")
        assert len(host.book.tokens) == 1

    hosted(test, book=book_of())


@pytest.mark.parametrize("version", NEW_VERSIONS)
def test_one_uid_two_types(version: str) -> None:
    """`?type=` tells an app user from a card of the same number."""

    async def test(host: Host) -> None:
        user = f"{path(version)}?type=APP_USER"
        assert (await host.ask("GET", user)).code == 2004
        answer = await host.ask("PUT", user, pushed(version, type="APP_USER"))
        assert answer.http == 201
        assert only(host).type is TokenType.APP_USER
        assert (await host.ask("GET", user)).data["type"] == "APP_USER"
        assert (await host.ask("GET", path(version))).data["type"] == "RFID"
        assert (await host.ask("PUT", user, pushed(version))).code == 2001
        assert (await host.ask("GET", f"{path(version)}?type=FAIRY")).code == 2001

    hosted(test, book=book_of(version))


def test_211_finds_either_type_without_being_told() -> None:
    """Its URL has no type, so the body says which, and a GET finds what there is."""

    async def test(host: Host) -> None:
        where = path("2.1.1")
        assert (await host.ask("PUT", where, pushed("2.1.1", type="OTHER"))).http == 201
        assert (await host.ask("GET", where)).data["type"] == "OTHER"
        body = {"valid": False, "last_updated": NEWER}
        assert (await host.ask("PATCH", where, body)).code == 1000
        assert [one.type for one in host.book.tokens.values()] == [TokenType.OTHER]

    hosted(test)


@pytest.mark.parametrize(
    "where",
    [
        "NL/TNM/" + "A" * 37,
        "NLD/TNM/04A1",
        "NL/TNMX/04A1",
        "NL/TNM/%00",
        "NL/TNM/%C3%A9",
        "NL/TNM/%FF",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
def test_urls_that_name_no_token(method: str, where: str) -> None:
    """Too long, unprintable or no ASCII: OCPI 2001, and nobody is asked."""

    async def test(host: Host) -> None:
        body = None if method == "GET" else pushed("2.2.1")
        answer = await host.ask(method, f"/2.2.1/tokens/{where}", body)
        assert (answer.http, answer.code) == (200, 2001)

    hosted(test, book=MemoryBook(failure=AssertionError("asked")))


def test_a_uid_with_a_slash_is_one_segment() -> None:
    """Percent-encoding keeps it in one piece."""

    async def test(host: Host) -> None:
        where = path("2.2.1", "A%2FB%20C")
        answer = await host.ask("PUT", where, pushed("2.2.1", uid="A/B C"))
        assert answer.http == 201
        assert only(host).uid == "A/B C"

    hosted(test)
