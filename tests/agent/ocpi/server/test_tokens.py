"""Tokens that are pushed: what counts is what the whitelist has when it is answered."""

from __future__ import annotations

import asyncio
import threading

import pytest
from msgspec.structs import replace

from tests.agent.ocpi.server.hosting import VERSIONS, Host, MemoryBook, hosted
from tests.agent.ocpi.server.pushing import (
    NEW_VERSIONS,
    NEWER,
    OLDER,
    SAME,
    UID,
    book_of,
    only,
    path,
    pushed,
)
from tests.reference.checking import check


@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_token_is_created(version: str) -> None:
    """HTTP 201, no data, and the whitelist has it."""

    async def test(host: Host) -> None:
        answer = await host.ask("PUT", path(version), pushed(version))
        assert (answer.http, answer.code, answer.data) == (201, 1000, None)
        token = only(host)
        assert (token.upstream, token.country_code, token.party_id) == (
            "emsp",
            "NL",
            "TNM",
        )
        assert (token.uid, token.contract_id) == (UID, "NL-TNM-C00000001")

    hosted(test)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_card_is_blocked(version: str) -> None:
    """A PUT of a known token replaces it, HTTP 200."""

    async def test(host: Host) -> None:
        body = pushed(version, valid=False, last_updated=NEWER)
        answer = await host.ask("PUT", path(version), body)
        assert (answer.http, answer.code) == (200, 1000)
        assert not only(host).valid

    hosted(test, book=book_of(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_change_keeps_the_rest(version: str) -> None:
    """A PATCH changes its fields; the group survives as the hash that it is."""
    book = book_of(version)
    [before] = book.tokens.values()

    async def test(host: Host) -> None:
        body = {"valid": False, "last_updated": NEWER}
        answer = await host.ask("PATCH", path(version), body)
        assert (answer.http, answer.code, answer.data) == (200, 1000, None)
        after = only(host)
        assert after == replace(before, valid=False, last_updated=after.last_updated)
        assert after.last_updated > before.last_updated

    hosted(test, book=book)


@pytest.mark.parametrize("version", NEW_VERSIONS)
def test_a_new_group_replaces_the_old_one(version: str) -> None:
    """A PATCH that names a group brings it in plain, to be hashed by the whitelist."""

    async def test(host: Host) -> None:
        body = {"group_id": "G2", "last_updated": NEWER}
        assert (await host.ask("PATCH", path(version), body)).code == 1000
        assert only(host).group_id == "G2"

    hosted(test, book=book_of(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token_is_shown(version: str) -> None:
    """GET gives a whole Token of the version, and never the hash of a group."""

    async def test(host: Host) -> None:
        answer = await host.ask("GET", path(version))
        assert (answer.http, answer.code) == (200, 1000)
        assert check(version, "Token", answer.data) == []
        assert (answer.data["uid"], answer.data["valid"]) == (UID, True)
        assert "group_id" not in answer.data

    hosted(test, book=book_of(version))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("where", ["NL/TNM/04FF", "NL/ABC/" + UID, "DE/TNM/" + UID])
def test_what_is_unknown(version: str, method: str, where: str) -> None:
    """HTTP 404 and OCPI 2004, so that the backend sends the whole token."""

    async def test(host: Host) -> None:
        body = {"last_updated": NEWER} if method == "PATCH" else None
        answer = await host.ask(method, f"/{version}/tokens/{where}", body)
        assert (answer.http, answer.code) == (404, 2004)
        assert host.book.learned == []

    hosted(test, book=book_of(version))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("moment", "counts"), [(OLDER, False), (SAME, True), (NEWER, True)]
)
def test_an_older_word_is_ignored(
    version: str, method: str, moment: str, *, counts: bool
) -> None:
    """It is no error, and the answer says so in words; the same moment counts."""

    async def test(host: Host) -> None:
        whole = pushed(version, valid=False, last_updated=moment)
        part = {"valid": False, "last_updated": moment}
        body = whole if method == "PUT" else part
        answer = await host.ask(method, path(version), body)
        assert (answer.http, answer.code) == (200, 1000)
        assert (answer.message is None) is counts
        assert bool(host.book.learned) is counts

    hosted(test, book=book_of(version))


@pytest.mark.parametrize("version", NEW_VERSIONS)
def test_a_change_must_say_when(version: str) -> None:
    """From 2.2 on a PATCH without `last_updated` is refused."""

    async def test(host: Host) -> None:
        answer = await host.ask("PATCH", path(version), {"valid": False})
        assert (answer.http, answer.code) == (200, 2001)
        assert "last_updated" in str(answer.message)
        assert host.book.learned == []

    hosted(test, book=book_of(version))


def test_in_211_a_change_need_not_say_when() -> None:
    """OCPI's own examples do without: a card is blocked all the same."""

    async def test(host: Host) -> None:
        assert (await host.ask("PATCH", path("2.1.1"), {"valid": False})).code == 1000
        assert not only(host).valid

    hosted(test, book=book_of("2.1.1"))


def test_success_is_not_told_before_it_is_stored() -> None:
    """While the whitelist is still writing there is no answer."""
    writing, may_end = threading.Event(), threading.Event()

    def write() -> None:
        writing.set()
        assert may_end.wait(10)

    async def test(host: Host) -> None:
        asked = asyncio.create_task(
            host.ask("PUT", path("2.2.1"), pushed("2.2.1", valid=False))
        )
        await asyncio.to_thread(writing.wait, 10)
        assert not asked.done()
        assert host.book.learned == []
        may_end.set()
        assert (await asked).http == 201
        assert not only(host).valid

    hosted(test, book=MemoryBook(before=write))


def test_changes_at_once_do_not_lose_each_other() -> None:
    """Two changes of one token are applied one after the other."""

    async def test(host: Host) -> None:
        parts = [
            {"valid": False, "last_updated": NEWER},
            {"visual_number": "77", "last_updated": NEWER},
            {"language": "sv", "last_updated": NEWER},
        ]
        asked = [host.ask("PATCH", path("2.2.1"), part) for part in parts]
        assert {answer.code for answer in await asyncio.gather(*asked)} == {1000}
        [token] = host.book.tokens.values()
        assert (token.valid, token.visual_number, token.language) == (False, "77", "sv")

    hosted(test, book=book_of())
