"""A backend that calls us: what it may show, and what it may change."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import httpx
import pytest
from msgspec.structs import replace

from agent.errors import HandshakeError, StoreFailedError
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.credentials import Credentials, PartyRole, Role
from agent.ocpi.memory import State
from agent.ocpi.quirks import Quirk
from agent.ocpi.server.ports import Access, CredentialsRefusedError
from agent.ocpi.station import Party, Source
from tests.agent.ocpi.partner import (
    THEIR_PARTY,
    WHOLE_STATION,
    Disk,
    Partner,
    Site,
    cut_after,
    instead,
)
from tests.agent.ocpi.peer import HOME, STATION, VERSIONS, envelope
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from agent.ocpi.server.ports import Peer
    from tests.agent.ocpi.partner import Proceed

NEW = "token-for-station-new"


def registered(**changes: object) -> Site:
    """Start a site that has registered."""
    site = Site(Partner(), Disk(), **changes)
    run_virtual(site.registrar.register())
    return site


def theirs(token: str = NEW, url: str = HOME + VERSIONS) -> Credentials:
    """Write credentials as they would come in a PUT."""
    role = PartyRole(role=Role.EMSP, party=Party("NL", "NEW"), name="New Mobility")
    return Credentials(token=CredentialsToken(token), url=url, roles=(role,))


def put(site: Site, credentials: Credentials | None = None, version: str = "") -> str:
    """Let them exchange tokens; return what we give them."""
    shown = site.partner.token_for_us
    assert shown is not None
    assert site.guest.recognize(shown) is Access.FULL
    answer = run_virtual(
        site.guest.replace(credentials or theirs(), version or "2.3.0")
    )
    return answer.token.value


def refused(
    site: Site, credentials: Credentials | None = None, version: str = ""
) -> CredentialsRefusedError:
    """Let them try what we refuse."""
    before = site.registrar.registration
    with pytest.raises(CredentialsRefusedError) as caught:
        put(site, credentials, version)
    now = site.registrar.registration
    assert now is not None
    assert before is not None
    assert now.our_token_for_them is before.our_token_for_them
    assert now.their_token_for_us is before.their_token_for_us
    assert now.state is before.state
    assert site.changes == 0
    return caught.value


def accept_new(site: Site) -> None:
    """Let the partner accept the token that it is about to give us."""
    site.partner.invitations.add(NEW)


# ---- who is there ------------------------------------------------------------


def test_it_is_what_the_server_wants() -> None:
    """The server's port, served from the configuration and the registration."""
    site = registered(quirks=frozenset({Quirk.EXPLICIT_NULLS}))
    guest: Peer = site.guest
    assert guest.name == "emsp"
    assert guest.station == WHOLE_STATION
    assert list(guest.quirks) == [Quirk.EXPLICIT_NULLS]
    assert guest.source() == Source("emsp", THEIR_PARTY)
    ours = guest.credentials()
    assert ours.token.value == site.partner.token_for_us
    assert [(one.role, one.party) for one in ours.roles] == [
        (Role.CPO, Party("SE", "ABC"))
    ]


@pytest.mark.parametrize(
    ("changes", "versions"),
    [
        ({}, ("2.3.0", "2.2.1", "2.1.1")),
        ({"version": "2.2.1"}, ("2.2.1",)),
        ({"station": STATION}, ("2.3.0", "2.2.1")),
    ],
)
def test_versions(changes: dict[str, object], versions: tuple[str, ...]) -> None:
    """They are shown what we can speak with them, and nothing else."""
    assert Site(Partner(), Disk(), **changes).guest.versions == versions


def test_strangers() -> None:
    """Before the first handshake no token opens anything."""
    site = Site(Partner(), Disk())
    for token in ("", "x", site.invitation, "ö"):
        assert site.guest.recognize(token) is None


@pytest.mark.parametrize(
    "token", ["", "x", "token-of-ours", "token-of-ours-11", "TOKEN-OF-OURS-1", "ö"]
)
def test_wrong_tokens(token: str) -> None:
    """A token is right as a whole, case included."""
    site = registered()
    assert site.partner.token_for_us == "token-of-ours-1"
    assert site.guest.recognize("token-of-ours-1") is Access.FULL
    assert site.guest.recognize(token) is None


def test_their_own_token_opens_nothing() -> None:
    """What we show them is worth nothing here."""
    site = registered()
    assert site.guest.recognize(str(site.shown)) is None


def test_credentials_of_nobody() -> None:
    """There is nothing to show to whoever is not registered."""
    with pytest.raises(CredentialsRefusedError, match="not registered"):
        Site(Partner(), Disk()).guest.credentials()


def test_a_full_disk_turns_nobody_away(caplog: pytest.LogCaptureFixture) -> None:
    """That an old token was retired can be written down later."""
    site = registered()
    accept_new(site)
    old, new = str(site.partner.token_for_us), put(site)
    site.disk.is_full = True
    assert site.guest.recognize(new) is Access.FULL
    assert site.guest.recognize(old) is None
    assert site.guest.recognize(new) is Access.FULL
    assert caplog.text.count("an old token is still kept") == 1


# ---- their PUT ---------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_replace(version: str) -> None:
    """Their new token is tried and used; ours is new, and the old one still counts."""
    site = registered(version=version)
    accept_new(site)
    old = str(site.partner.token_for_us)
    site.partner.requests.clear()
    new = put(site, version=version)
    assert new not in (old, NEW)
    assert [one.url.path for one in site.partner.requests] == [
        VERSIONS,
        f"/ocpi/{version}",
    ]
    assert site.shown == NEW
    assert site.changes == 1
    assert site.guest.source().party == Party("NL", "NEW")
    site.start()
    assert site.shown == NEW
    assert site.guest.recognize(old) is Access.FULL
    assert site.guest.recognize(new) is Access.FULL
    assert site.guest.recognize(old) is None


def test_replace_to_another_version() -> None:
    """The version of the URL is the one we speak from then on."""
    site = registered()
    accept_new(site)
    put(site, version="2.2.1")
    site.partner.token_for_station = NEW
    assert run_virtual(site.backend.endpoints()).version == "2.2.1"


def test_a_lost_answer_to_their_put() -> None:
    """They go on with the token they know, as often as it takes."""
    site = registered()
    accept_new(site)
    known = str(site.partner.token_for_us)
    given = {put(site) for _ in range(3)}
    assert len(given) == 3
    site.start()
    assert site.guest.recognize(known) is Access.FULL
    site.partner.token_for_us = put(site)
    assert site.lets_them_in()
    assert site.guest.recognize(known) is None
    assert [one for one in given if site.guest.recognize(one)] == []


def test_their_put_after_a_lost_rotation() -> None:
    """Whichever of our tokens they know is the one that still counts."""
    for is_known in (True, False):
        site = registered()
        if is_known:
            site.partner.mishaps["PUT", "/credentials"] = cut_after()
        else:
            site.partner.mishaps["PUT", "/credentials"] = instead(httpx.Response(500))
        with pytest.raises(HandshakeError):
            run_virtual(site.registrar.rotate())
        accept_new(site)
        known = str(site.partner.token_for_us)
        assert known == ("token-of-ours-2" if is_known else "token-of-ours-1")
        put(site)
        assert site.state() is State.REGISTERED
        site.start()
        assert site.guest.recognize(known) is Access.FULL


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/ocpi/versions",
        "http://emsp.example/ocpi/versions",
        "https://emsp.example:444/ocpi/versions",
        "https://user@evil.example/",
        "/ocpi/versions",
        "ftp://emsp.example",
        "http://[",
        "",
    ],
)
def test_another_server(url: str) -> None:
    """Nobody sends us, and their token, elsewhere than the operator has said."""
    site = registered()
    site.partner.requests.clear()
    err = refused(site, theirs(url=url))
    assert err.ocpi_status == 2001
    assert "configured" in str(err)
    assert site.partner.requests == []


def test_another_place_on_the_same_server() -> None:
    """It is looked at where they say they are."""
    site = registered()
    accept_new(site)

    async def show(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request, proceed
        return site.partner._list_versions("")

    site.partner.mishaps["GET", "/new/versions"] = show
    put(site, theirs(url=f"{HOME}/new/versions"))
    assert site.partner.asked("GET", "/new/versions")


def test_a_token_that_they_do_not_accept_themselves() -> None:
    """It is tried before we rely on it."""
    site = registered()
    err = refused(site)
    assert err.ocpi_status == 3001
    assert NEW not in str(err)
    assert site.lets_them_in()


@pytest.mark.parametrize(
    ("path", "answer", "status"),
    [
        (VERSIONS, httpx.Response(500), 3001),
        (VERSIONS, httpx.Response(200, text="<html>"), 3001),
        (VERSIONS, envelope([]), 3002),
        ("/2.3.0", httpx.Response(503), 3001),
        ("/2.3.0", envelope({"endpoints": []}), 3003),
    ],
)
def test_a_backend_that_does_not_work(
    path: str, answer: httpx.Response, status: int
) -> None:
    """The answer says what is wrong with them, and everything stays as it was."""
    site = registered()
    accept_new(site)
    site.partner.mishaps["GET", path] = instead(answer)
    assert refused(site).ocpi_status == status
    site.partner.mishaps.clear()
    assert run_virtual(site.works())


def test_a_version_that_they_do_not_offer() -> None:
    """The version of the URL has to be one of theirs."""
    site = registered()
    accept_new(site)
    site.partner.versions = ("2.3.0",)
    assert refused(site, version="2.2.1").ocpi_status == 3002


def test_a_backend_without_cards() -> None:
    """Whoever is only told of sessions need not have tokens."""
    site = registered(has_tokens=False)
    accept_new(site)
    site.partner.modules = ("credentials", "sessions")
    assert put(site)


def test_a_full_disk_refuses_new_tokens() -> None:
    """What cannot be kept is not agreed on."""
    site = registered()
    accept_new(site)
    site.disk.is_full = True
    assert refused(site).ocpi_status == 3000
    assert run_virtual(site.works())


def test_their_put_while_we_rotate() -> None:
    """One after the other: the second is told to come again, and no token is lost."""
    site = registered()
    accept_new(site)
    statuses = []

    async def cross(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request
        with pytest.raises(CredentialsRefusedError) as caught:
            await site.guest.replace(theirs(), "2.3.0")
        statuses.append(caught.value.ocpi_status)
        return proceed()

    site.partner.mishaps["PUT", "/credentials"] = cross
    run_virtual(site.registrar.rotate())
    assert statuses == [3000]
    assert run_virtual(site.works())
    assert put(site)


def test_our_rotation_while_they_exchange() -> None:
    """It waits for its turn, and uses what they have given us."""
    site = registered()
    accept_new(site)

    async def look(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request
        await asyncio.sleep(1)
        return proceed()

    site.partner.mishaps["GET", VERSIONS] = look

    async def run() -> None:
        site.guest.recognize(str(site.partner.token_for_us))
        theirs_first = asyncio.create_task(site.guest.replace(theirs(), "2.3.0"))
        await asyncio.sleep(0.5)
        ours = asyncio.create_task(site.registrar.rotate())
        site.partner.token_for_us = (await theirs_first).token.value
        site.partner.token_for_station = NEW
        site.partner.invitations.clear()
        await ours

    run_virtual(run())
    assert run_virtual(site.works())


# ---- their DELETE ------------------------------------------------------------


def test_end(caplog: pytest.LogCaptureFixture) -> None:
    """From then on nobody shows or accepts anything, also after a restart."""
    caplog.set_level(logging.DEBUG)
    site = registered()
    known = str(site.partner.token_for_us)
    run_virtual(site.guest.end())
    assert site.changes == 1
    for _ in range(2):
        assert site.state() is State.ENDED
        assert site.shown is None
        assert site.guest.recognize(known) is None
        site.start()
    words = f"{caplog.text} {site.registrar.registration!r}"
    assert known not in words


def test_end_without_a_beginning() -> None:
    """There is nothing to end."""
    site = Site(Partner(), Disk())
    run_virtual(site.guest.end())
    assert (site.state(), site.disk.writes, site.changes) == (None, 0, 0)


def test_end_on_a_full_disk() -> None:
    """Their token is dead at once; that it will not stay so is an error for them."""
    site = registered()
    known = str(site.partner.token_for_us)
    site.disk.is_full = True
    with pytest.raises(StoreFailedError):
        run_virtual(site.guest.end())
    assert site.guest.recognize(known) is None
    assert site.changes == 1


def test_their_end_while_they_exchange() -> None:
    """An exchange that ends after the end gives nobody access."""
    site = registered()
    accept_new(site)

    async def leave(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request
        await site.guest.end()
        return proceed()

    site.partner.mishaps["GET", "/2.3.0"] = leave
    with pytest.raises(CredentialsRefusedError, match="not registered any more"):
        put(site)
    assert site.state() is State.ENDED
    assert site.shown is None


def test_registering_anew_after_their_end() -> None:
    """A new invitation begins from the beginning."""
    site = registered()
    site.invitation = site.partner.invite()
    run_virtual(site.guest.end())
    run_virtual(site.registrar.register())
    assert run_virtual(site.works())
    registration = site.registrar.registration
    assert registration is not None
    assert registration == replace(registration, our_previous_token_for_them=None)
