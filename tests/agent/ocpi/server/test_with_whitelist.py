"""Pushes into the real whitelist: the next tap sees them, and no hash comes out."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent.books import TokenBook
from agent.domain.uid import Uid
from tests.agent.ocpi.server.hosting import VERSIONS, Host, hosted
from tests.agent.ocpi.server.pushing import NEWER, UID, path, pushed
from tests.fakes.lists import KEYS, open_list
from tests.reference.checking import check

if TYPE_CHECKING:
    from pathlib import Path

CARD = Uid.parse(UID)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_revoked_card_is_refused_at_the_next_tap(
    version: str, tmp_path: Path
) -> None:
    """As soon as the backend has its answer, the list in force says the same."""
    with closing(open_list(tmp_path, ("emsp",))) as whitelist:

        async def test(host: Host) -> None:
            assert (await host.ask("PUT", path(version), pushed(version))).http == 201
            assert whitelist.find(CARD)[0].valid
            body = {"valid": False, "last_updated": NEWER}
            assert (await host.ask("PATCH", path(version), body)).code == 1000
            [token] = whitelist.find(CARD)
            assert not token.valid
            assert token.visual_number == "NLTNM00000001"

        hosted(test, book=TokenBook(whitelist))


def test_the_group_stays_what_it_is(tmp_path: Path) -> None:
    """Changed twice and read back: one hash, which nobody is shown."""
    with closing(open_list(tmp_path, ("emsp",))) as whitelist:

        async def test(host: Host) -> None:
            await host.ask("PUT", path("2.2.1"), pushed("2.2.1"))
            for valid in (False, True):
                body = {"valid": valid, "last_updated": NEWER}
                assert (await host.ask("PATCH", path("2.2.1"), body)).code == 1000
            assert whitelist.find(CARD)[0].group_id == KEYS.group("G1")
            shown = (await host.ask("GET", path("2.2.1"))).data
            assert check("2.2.1", "Token", shown) == []
            assert "group_id" not in shown

            body = {"group_id": "g2", "last_updated": NEWER}
            await host.ask("PATCH", path("2.2.1"), body)
            assert whitelist.find(CARD)[0].group_id == KEYS.group("G2")

        hosted(test, book=TokenBook(whitelist))


def test_an_old_word_does_not_unblock(tmp_path: Path) -> None:
    """What comes late from a queue changes nothing, and is no error."""
    with closing(open_list(tmp_path, ("emsp",))) as whitelist:

        async def test(host: Host) -> None:
            blocked = pushed("2.2.1", valid=False, last_updated=NEWER)
            assert (await host.ask("PUT", path("2.2.1"), blocked)).http == 201
            answer = await host.ask("PUT", path("2.2.1"), pushed("2.2.1"))
            assert (answer.http, answer.code) == (200, 1000)
            assert "ignored" in str(answer.message)
            assert not whitelist.find(CARD)[0].valid

        hosted(test, book=TokenBook(whitelist))
