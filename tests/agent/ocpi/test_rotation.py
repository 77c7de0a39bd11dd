"""New tokens for both sides, and the end of a registration, whatever is lost."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.errors import CredentialsError
from agent.ocpi.memory import State
from agent.ocpi.server.ports import Access
from tests.agent.ocpi.partner import (
    Disk,
    Partner,
    Site,
    cut_after,
    cut_before,
    instead,
)
from tests.agent.ocpi.peer import VERSIONS, envelope
from tests.agent.ocpi.test_registration import fail, registered
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from tests.agent.ocpi.partner import Mishap, Proceed

POST = ("POST", "/credentials")
PUT = ("PUT", "/credentials")
DELETE = ("DELETE", "/credentials")


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_rotate(version: str) -> None:
    """Both tokens are new, and the old one of ours counts until the new one is used."""
    site = registered(version=version)
    old_of_ours, old_of_theirs = site.partner.token_for_us, site.shown
    assert old_of_ours is not None
    seen = []
    site.partner.on_visit = lambda token: seen.extend(
        [site.guest.recognize(token), site.guest.recognize(str(old_of_ours))]
    )
    done = run_virtual(site.registrar.rotate())
    assert seen == [Access.FULL, Access.FULL]
    assert done.state is State.REGISTERED
    assert site.shown != old_of_theirs
    assert site.partner.token_for_us != old_of_ours
    assert site.guest.recognize(old_of_ours) is Access.FULL
    site.start()
    assert site.guest.recognize(old_of_ours) is Access.FULL
    assert run_virtual(site.works())
    assert site.guest.recognize(old_of_ours) is None
    site.start()
    assert site.guest.recognize(old_of_ours) is None
    (put,) = site.partner.asked(*PUT)
    assert put.url.path == f"/ocpi/{version}/credentials"


def test_rotating_agrees_on_a_newer_version() -> None:
    """What both have learnt since is used from then on, and the list is read anew."""
    partner = Partner(versions=("2.1.1",))
    site = Site(partner, Disk())
    run_virtual(site.registrar.register())
    before = run_virtual(site.backend.origin())
    partner.versions = ("2.1.1", "2.2.1")
    assert run_virtual(site.backend.endpoints()).version == "2.1.1"
    run_virtual(site.registrar.rotate())
    assert run_virtual(site.backend.endpoints()).version == "2.2.1"
    assert run_virtual(site.backend.origin()) != before


def test_every_exchange_is_another_origin() -> None:
    """New credentials begin a new list, and none of them can be read in its name."""
    site = registered()
    origins = [run_virtual(site.backend.origin())]
    run_virtual(site.registrar.rotate())
    origins.append(run_virtual(site.backend.origin()))
    site.start()
    assert run_virtual(site.backend.origin()) == origins[1]
    assert len(set(origins)) == 2
    assert "token" not in "".join(origins)


def test_rotating_needs_a_registration() -> None:
    """Nobody can renew what he does not have."""
    site = Site(Partner(), Disk())
    assert "run: rfid-agent register emsp" in fail(site.registrar.rotate())
    assert site.partner.requests == []


@pytest.mark.parametrize("mishap", [cut_before(), instead(httpx.Response(502))])
def test_a_lost_request_for_new_tokens(mishap: Mishap) -> None:
    """The old token of theirs is used on, both of ours are taken, and again is fine."""
    site = registered()
    before = site.shown
    site.partner.mishaps[PUT] = mishap
    assert "same command again" in fail(site.registrar.rotate())
    site.start()
    assert site.state() is State.ROTATING
    assert site.shown == before
    assert site.lets_them_in()
    assert run_virtual(site.works())
    assert site.guest.recognize("token-of-ours-2") is Access.FULL
    site.partner.mishaps.clear()
    run_virtual(site.registrar.rotate())
    assert site.partner.token_for_us == "token-of-ours-2"
    assert site.state() is State.REGISTERED
    assert run_virtual(site.works())


def test_a_lost_answer_with_new_tokens() -> None:
    """They may call us with the new one; we need a new invitation."""
    site = registered()
    site.partner.mishaps[PUT] = cut_after()
    fail(site.registrar.rotate())
    site.partner.mishaps.clear()
    site.start()
    assert site.lets_them_in()
    words = fail(site.registrar.rotate())
    assert "Ask the operator of emsp for a new token" in words
    assert site.state() is State.ROTATING
    site.invitation = site.partner.invite()
    run_virtual(site.registrar.register(again=True))
    assert run_virtual(site.works())


@pytest.mark.parametrize("status", [401, 403, 405, 2001, 3002])
def test_a_refusal_of_new_tokens(status: int) -> None:
    """Whoever says no has changed nothing, and neither have we."""
    site = registered()
    before = site.registrar.registration
    is_ocpi = status > 1000
    answer = envelope(None, status) if is_ocpi else httpx.Response(status)
    site.partner.mishaps[PUT] = instead(answer)
    fail(site.registrar.rotate())
    assert site.registrar.registration == before
    site.start()
    assert run_virtual(site.works())


def test_a_refusal_does_not_undo_an_earlier_lost_answer() -> None:
    """What may be in force since an earlier attempt stays so."""
    site = registered()
    site.partner.mishaps[PUT] = cut_after()
    fail(site.registrar.rotate())
    site.partner.mishaps[PUT] = instead(envelope(None, 2001))
    site.partner.mishaps["GET", "/2.3.0"] = site.partner.mishaps["GET", VERSIONS] = (
        _believe(site)
    )
    fail(site.registrar.rotate())
    assert site.state() is State.ROTATING
    assert site.lets_them_in()


def _believe(site: Site) -> Mishap:
    """Show versions and details to anybody."""

    async def mishap(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del proceed
        is_versions = request.url.path == VERSIONS
        partner = site.partner
        return partner._list_versions("") if is_versions else partner._details("2.3.0")

    return mishap


def test_the_backend_uses_the_old_token_for_a_while() -> None:
    """As long as the new one was not shown, the old one is no mistake."""
    site = registered()
    old = str(site.partner.token_for_us)
    run_virtual(site.registrar.rotate())
    for _ in range(3):
        assert site.guest.recognize(old) is Access.FULL
    writes = site.disk.writes
    for _ in range(3):
        assert site.lets_them_in()
    assert site.disk.writes == writes + 1
    assert site.guest.recognize(old) is None


def test_they_leave_while_we_rotate() -> None:
    """An end is an end, whatever the answer under way says."""
    for answer in (None, envelope(None, 2001), httpx.Response(405)):
        site = registered()

        async def leave(
            request: httpx.Request,
            proceed: Proceed,
            site: Site = site,
            answer: httpx.Response | None = answer,
        ) -> httpx.Response:
            del request
            await site.guest.end()
            return answer or proceed()

        site.partner.mishaps[PUT] = leave
        words = fail(site.registrar.rotate())
        assert site.state() is State.ENDED
        assert site.shown is None
        assert answer is not None or "register --again emsp" in words
        site.start()
        assert site.state() is State.ENDED


def test_a_cancelled_command_leaves_what_a_lost_answer_leaves() -> None:
    """The daemon stops while the backend thinks: nothing hangs, nothing is lost."""
    site = registered()

    async def hang(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request, proceed
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    site.partner.mishaps[PUT] = hang

    async def run() -> None:
        task = asyncio.create_task(site.registrar.rotate())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not site.registrar.changing.locked()

    run_virtual(run())
    assert site.state() is State.ROTATING
    site.partner.mishaps.clear()
    site.start()
    run_virtual(site.registrar.rotate())
    assert run_virtual(site.works())


# ---- leaving -----------------------------------------------------------------


def test_unregister() -> None:
    """They are told, and nothing of theirs or ours is worth anything any more."""
    site = registered()
    old = str(site.partner.token_for_us)
    run_virtual(site.backend.endpoints())
    run_virtual(site.registrar.unregister())
    assert site.partner.token_for_station is None
    assert (site.state(), site.shown) == (None, None)
    assert site.guest.recognize(old) is None
    assert site.disk.read_json()["registration"] is None
    with pytest.raises(CredentialsError, match="not registered"):
        run_virtual(site.backend.endpoints())


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_backend_that_has_forgotten_us(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever does not know us needs no goodbye."""
    site = registered()
    site.partner.mishaps[DELETE] = instead(httpx.Response(status))
    with caplog.at_level(logging.INFO):
        run_virtual(site.registrar.unregister())
    assert site.state() is None
    assert "emsp: did not know us any more" in caplog.messages


def test_a_dead_token_is_no_reason_to_stay() -> None:
    """A backend that refuses our token at its door does not know us either."""
    site = registered()
    site.partner.invite()
    run_virtual(site.registrar.unregister())
    assert site.state() is None


@pytest.mark.parametrize(
    ("end", "mishap"),
    [
        (VERSIONS, cut_before()),
        (VERSIONS, instead(httpx.Response(404))),
        ("/credentials", cut_after()),
        ("/credentials", instead(httpx.Response(500))),
        ("/credentials", instead(envelope(None, 2001))),
    ],
)
def test_a_backend_that_cannot_be_told(end: str, mishap: Mishap) -> None:
    """We stay registered, and whoever does not want to knows the way out."""
    site = registered()
    site.partner.mishaps["DELETE" if end == "/credentials" else "GET", end] = mishap
    words = fail(site.registrar.unregister())
    assert "Still registered" in words
    assert "rfid-agent unregister --forget emsp" in words
    assert site.state() is State.REGISTERED
    site.partner.requests.clear()
    run_virtual(site.registrar.unregister(forget=True))
    assert site.state() is None
    assert site.partner.requests == []


def test_a_lost_goodbye_is_said_again() -> None:
    """The second time they do not know us any more, and that is the aim."""
    site = registered()
    site.partner.mishaps[DELETE] = cut_after()
    fail(site.registrar.unregister())
    site.partner.mishaps.clear()
    run_virtual(site.registrar.unregister())
    assert site.state() is None


def test_leaving_does_not_need_their_modules() -> None:
    """A backend that has lost its tokens can be left."""
    site = registered()
    site.partner.modules = ("credentials",)
    run_virtual(site.registrar.unregister())
    assert site.partner.token_for_station is None


@pytest.mark.parametrize("state", [None, State.REGISTERING, State.ENDED])
def test_leaving_what_was_never_whole(state: State | None) -> None:
    """There is nobody to tell, so only the file is cleared."""
    site = Site(Partner(), Disk())
    if state is State.REGISTERING:
        site.partner.mishaps[POST] = cut_after()
        fail(site.registrar.register())
    elif state is State.ENDED:
        run_virtual(site.registrar.register())
        run_virtual(site.guest.end())
    assert site.state() is state
    run_virtual(site.registrar.unregister())
    assert site.state() is None
    assert site.partner.asked("DELETE") == []
