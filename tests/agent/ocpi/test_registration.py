"""Registering, renewing and leaving, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.errors import (
    CredentialsError,
    HandshakeError,
    StoreFailedError,
    TransientUpstreamError,
)
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.memory import Registration, State
from agent.ocpi.registration import make_token
from agent.ocpi.server.ports import Access
from tests.agent.ocpi.partner import (
    INVITATION,
    PUBLIC_URL,
    THEIR_PARTY,
    WHOLE_STATION,
    Disk,
    Partner,
    Site,
    cut_after,
    cut_before,
    instead,
)
from tests.agent.ocpi.peer import HOME, STATION, VERSIONS, envelope
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.agent.ocpi.partner import Mishap, Proceed

POST = ("POST", "/credentials")
PUT = ("PUT", "/credentials")
DELETE = ("DELETE", "/credentials")


def registered(**changes: object) -> Site:
    """Start a site that has registered."""
    site = Site(Partner(), Disk(), **changes)
    run_virtual(site.registrar.register())
    return site


def fail(attempt: Awaitable[object]) -> str:
    """Run what must fail and return what a person reads."""

    async def run() -> object:
        return await attempt

    with pytest.raises(HandshakeError) as caught:
        run_virtual(run())
    return str(caught.value)


# ---- registering -------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_register(version: str) -> None:
    """Under the invitation we tell who we are; from then on their token counts."""
    site = Site(Partner(versions=(version,)), Disk())
    done = run_virtual(site.registrar.register())
    assert (done.state, done.version) == (State.REGISTERED, version)
    (told,) = site.partner.told
    assert told["token"] == "token-of-ours-1"
    assert told["url"] == f"{PUBLIC_URL}/versions"
    who = told if version == "2.1.1" else told["roles"][0]
    assert (who["country_code"], who["party_id"]) == ("SE", "ABC")
    assert who.get("role", "CPO") == "CPO"
    assert who["business_details"]["name"].startswith("Lades")
    assert site.memory.their_party == THEIR_PARTY
    assert site.shown == site.partner.token_for_station
    assert run_virtual(site.works())
    site.start()
    assert run_virtual(site.works())


def test_registering_carries_no_routing_headers() -> None:
    """Parties are for functional modules, and nobody has one before."""
    site = registered()
    for request in site.partner.requests:
        assert not [name for name in request.headers if name.startswith("ocpi-")]


def test_newest_version_that_both_speak() -> None:
    """Without a pinned version the newest is agreed on."""
    assert registered().partner.version == "2.3.0"
    assert registered(version="2.2.1").partner.version == "2.2.1"


def test_211_needs_a_whole_location() -> None:
    """A version that we cannot speak with this configuration is not agreed on."""
    site = Site(Partner(versions=("2.1.1",)), Disk(), station=STATION)
    words = fail(site.registrar.register())
    assert "2.1.1 needs address, city, postal_code, country, latitude and" in words
    assert site.partner.told == []
    assert site.disk.writes == 0
    site = Site(Partner(), Disk(), station=STATION)
    run_virtual(site.registrar.register())
    assert site.partner.version == "2.3.0"


def test_211_learns_the_party_by_the_handshake() -> None:
    """The configuration need not name a party that introduces itself."""
    site = Site(Partner(versions=("2.1.1",)), Disk())
    run_virtual(site.registrar.register())
    assert site.backend.their_party == THEIR_PARTY
    assert site.backend.source().party == THEIR_PARTY


def test_our_token_opens_the_versions_while_they_look() -> None:
    """They look at our versions before they answer, and at nothing else."""
    site = Site(Partner(), Disk())
    seen = []
    site.partner.on_visit = lambda token: seen.append(site.guest.recognize(token))
    run_virtual(site.registrar.register())
    assert seen == [Access.SETUP]


def test_what_is_told_is_durable_before() -> None:
    """Whoever is told a token finds it on our disk already."""
    site = Site(Partner(), Disk())
    held = []
    site.partner.on_visit = lambda _: held.append(site.disk.read_json())
    run_virtual(site.registrar.register())
    (content,) = held
    assert content["registration"]["state"] == "registering"
    assert content["registration"]["our_token_for_them"] == "token-of-ours-1"


def test_registering_twice_is_refused() -> None:
    """A second time would cost the token that works; what to do is said."""
    site = registered()
    before = site.registrar.registration
    words = fail(site.registrar.register())
    assert "already registered with emsp, OCPI 2.3.0" in words
    assert "rfid-agent rotate-credentials emsp" in words
    assert "rfid-agent register --again emsp" in words
    assert site.registrar.registration == before
    assert len(site.partner.told) == 1


def test_register_again_with_a_new_invitation() -> None:
    """The backend was set up anew: a new invitation takes the old one's place."""
    site = registered()
    site.invitation = site.partner.invite()
    run_virtual(site.registrar.register(again=True))
    assert run_virtual(site.works())
    assert len(site.partner.asked(*POST)) == 2


def test_register_again_that_fails_keeps_what_there_was() -> None:
    """A dead invitation costs nothing that worked."""
    site = registered()
    words = fail(site.registrar.register(again=True))
    assert "Ask the operator of emsp for a new token" in words
    assert site.state() is State.REGISTERED
    assert run_virtual(site.works())


def test_the_invitation_is_used_for_nothing_else() -> None:
    """Until we are registered no module is asked, and the command is named."""
    site = Site(Partner(), Disk())
    with pytest.raises(CredentialsError, match="run: rfid-agent register emsp"):
        run_virtual(site.backend.endpoints())
    assert site.partner.requests == []
    site.partner.mishaps[POST] = cut_after()
    fail(site.registrar.register())
    with pytest.raises(CredentialsError, match="run: rfid-agent register emsp"):
        run_virtual(site.backend.endpoints())
    assert site.partner.asked("GET", "/tokens") == []


def test_no_credentials_endpoint() -> None:
    """Where nobody can register, the token may be for good."""
    site = Site(Partner(modules=("tokens", "sessions")), Disk())
    words = fail(site.registrar.register())
    assert "without a credentials endpoint" in words
    assert "handshake = false" in words
    assert (site.state(), site.disk.writes) == (None, 0)


def test_missing_module() -> None:
    """A backend without tokens is not registered with."""
    site = Site(Partner(modules=("credentials", "sessions")), Disk())
    assert "expected an endpoint tokens" in fail(site.registrar.register())
    assert (site.state(), site.partner.told) == (None, [])


FAILURES: list[tuple[str, Mishap, State | None, tuple[str, ...]]] = [
    # what happens to the POST, the state afterwards, what a person reads
    ("401", instead(httpx.Response(401)), None, ("HTTP 401", "register --again emsp")),
    ("403", instead(httpx.Response(403)), None, ("HTTP 403", "register --again emsp")),
    ("404", instead(httpx.Response(404)), None, ("HTTP 404", "Nothing has changed")),
    (
        "405",
        instead(envelope(None, 2000, http=405)),
        None,
        ("disagree on whether we are registered", "register --again emsp"),
    ),
    (
        "2001",
        instead(envelope(None, 2001, words="roles")),
        None,
        ('OCPI 2001: "roles"', "Nothing has changed"),
    ),
    ("400", instead(httpx.Response(400)), None, ("HTTP 400",)),
    ("3002", instead(envelope(None, 3002)), None, ("OCPI 3002", "[[upstream]]")),
    ("3003", instead(envelope(None, 3003)), None, ("OCPI 3003", "module")),
    (
        "3000",
        instead(envelope([], 3000)),
        State.REGISTERING,
        ("OCPI 3000", f"could not reach {PUBLIC_URL}/versions", "same command again"),
    ),
    (
        "3001",
        instead(envelope(None, 3001)),
        State.REGISTERING,
        ("OCPI 3001", f"could not reach {PUBLIC_URL}/versions"),
    ),
    (
        "500",
        instead(httpx.Response(500)),
        State.REGISTERING,
        ("HTTP 500", "same command again", "register --again emsp"),
    ),
    (
        "html",
        instead(httpx.Response(200, text="<html>")),
        State.REGISTERING,
        ("expected an OCPI envelope", "same command again"),
    ),
    ("cut before", cut_before(), State.REGISTERING, ("refused", "same command again")),
    (
        "cut after",
        cut_after(),
        State.REGISTERING,
        ("reset", "same command again", "register --again emsp"),
    ),
    (
        "no credentials",
        instead(envelope([])),
        State.REGISTERING,
        ("cannot be read", "same command again"),
    ),
    (
        "no token",
        instead(envelope({"token": "", "url": HOME, "roles": []})),
        State.REGISTERING,
        ("cannot be read",),
    ),
]


@pytest.mark.parametrize(
    ("mishap", "state", "words"),
    [row[1:] for row in FAILURES],
    ids=[r[0] for r in FAILURES],
)
def test_failed_registrations(
    mishap: Mishap, state: State | None, words: tuple[str, ...]
) -> None:
    """A refusal leaves no trace, a lost answer does; both say how to go on."""
    site = Site(Partner(), Disk())
    site.partner.mishaps[POST] = mishap
    told = fail(site.registrar.register())
    for part in words:
        assert part in told
    assert site.state() is state
    site.start()
    assert site.state() is state
    assert site.shown is None


def test_a_request_that_takes_too_long() -> None:
    """A backend that never answers counts as one whose answer is lost."""

    async def never(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request, proceed
        await asyncio.sleep(10_000)
        raise AssertionError

    site = Site(Partner(), Disk())
    site.partner.mishaps[POST] = never
    assert "no complete answer within" in fail(site.registrar.register())
    assert site.state() is State.REGISTERING


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_backend_that_is_down_is_told_nothing(status: int) -> None:
    """Before the first word nothing is written, and trying again is all there is."""
    site = Site(Partner(), Disk())
    site.partner.mishaps["GET", VERSIONS] = instead(httpx.Response(status))
    with pytest.raises(TransientUpstreamError):
        run_virtual(site.registrar.register())
    assert (site.state(), site.disk.writes) == (None, 0)


def test_a_wrong_invitation() -> None:
    """Refused at the first request, the operator knows whom to ask."""
    site = Site(Partner(), Disk())
    site.invitation = "wrong"
    words = fail(site.registrar.register())
    assert "Ask the operator of emsp for a new token" in words
    assert "rfid-agent register --again emsp" in words
    assert (site.state(), site.disk.writes) == (None, 0)


def test_a_lost_answer_is_made_up_for_by_the_same_command() -> None:
    """If the request was lost, the same token is told again."""
    site = Site(Partner(), Disk())
    site.partner.mishaps[POST] = cut_before()
    fail(site.registrar.register())
    site.partner.mishaps.clear()
    site.start()
    run_virtual(site.registrar.register())
    assert [told["token"] for told in site.partner.told] == ["token-of-ours-1"]
    assert run_virtual(site.works())


def test_a_lost_answer_may_need_a_new_invitation() -> None:
    """If only the answer was lost, the invitation is dead, and that is said."""
    site = Site(Partner(), Disk())
    site.partner.mishaps[POST] = cut_after()
    fail(site.registrar.register())
    site.partner.mishaps.clear()
    words = fail(site.registrar.register())
    assert "rfid-agent register --again emsp" in words
    assert site.state() is State.REGISTERING
    site.invitation = site.partner.invite()
    run_virtual(site.registrar.register(again=True))
    assert run_virtual(site.works())


def test_a_configuration_that_cannot_be_told() -> None:
    """What OCPI has no room for is found before anything is sent or kept."""
    site = Site(Partner(), Disk())
    site.registrar.versions_url = f"https://{'a' * 300}.example/versions"
    words = fail(site.registrar.register())
    assert "cannot tell who we are: url: expected" in words
    assert site.partner.asked(*POST) == []
    assert site.state() is None


def test_a_token_that_nobody_can_guess() -> None:
    """Each one is another, and fits into OCPI's 64 characters."""
    tokens = {make_token().value for _ in range(20)}
    assert len(tokens) == 20
    assert all(40 <= len(token) <= 64 for token in tokens)


# ---- full disks --------------------------------------------------------------


def test_nothing_is_told_that_cannot_be_kept() -> None:
    """With a full disk nobody registers."""
    site = Site(Partner(), Disk())
    site.disk.is_full = True
    with pytest.raises(StoreFailedError, match="No space left"):
        run_virtual(site.registrar.register())
    assert site.partner.told == []
    assert site.state() is None


def test_a_disk_that_fills_up_in_the_meantime() -> None:
    """The only copy of their token is used while we run, and can be saved by then."""
    site = Site(Partner(), Disk())

    def fill(_: str) -> None:
        site.disk.is_full = True

    site.partner.on_visit = fill
    words = fail(site.registrar.register())
    assert "No space left" in words
    assert "rfid-agent rotate-credentials emsp" in words
    assert run_virtual(site.works())
    site.disk.is_full = False
    site.partner.on_visit = lambda _: None
    run_virtual(site.registrar.rotate())
    site.start()
    assert run_virtual(site.works())


def test_a_refusal_on_a_full_disk(caplog: pytest.LogCaptureFixture) -> None:
    """The refusal is what a person reads, not the trouble of noting it."""
    site = registered()

    async def refuse(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request, proceed
        site.disk.is_full = True
        return envelope(None, 2001)

    site.partner.mishaps[PUT] = refuse
    assert "OCPI 2001" in fail(site.registrar.rotate())
    assert "a refusal cannot be kept" in caplog.text
    assert run_virtual(site.works())


# ---- both at once ------------------------------------------------------------


def test_two_commands_at_once() -> None:
    """The second waits, and finds what the first has done."""
    site = Site(Partner(), Disk())

    async def slowly(request: httpx.Request, proceed: Proceed) -> httpx.Response:
        del request
        await asyncio.sleep(1)
        return proceed()

    site.partner.mishaps["GET", VERSIONS] = slowly

    async def run() -> None:
        first, second = await asyncio.gather(
            site.registrar.register(), site.registrar.register(), return_exceptions=True
        )
        assert isinstance(first, Registration)
        assert isinstance(second, HandshakeError)
        assert "already registered" in str(second)

    run_virtual(run())
    assert len(site.partner.told) == 1
    assert run_virtual(site.works())


# ---- what is remembered ------------------------------------------------------


def test_another_url_is_another_backend(caplog: pytest.LogCaptureFixture) -> None:
    """A token goes to the server only that it was agreed on with; a typo costs none."""
    partner, disk = Partner(), Disk()
    site = Site(partner, disk)
    run_virtual(site.registrar.register())
    moved = Site(partner, disk, versions_url=f"{HOME}/elsewhere/versions")
    assert moved.state() is None
    assert "registered at another versions_url" in caplog.text
    with pytest.raises(CredentialsError, match="another versions_url; run: rfid-agent"):
        run_virtual(moved.backend.endpoints())
    site.start()
    assert run_virtual(site.works())


def test_a_token_for_good_does_not_use_the_registration() -> None:
    """Who gives up the handshake has the configuration's version and token."""
    partner, disk = Partner(), Disk()
    run_virtual(Site(partner, disk).registrar.register())
    partner.token_for_station = INVITATION
    plain = Site(partner, disk, handshake=False, version="2.2.1")
    assert run_virtual(plain.backend.endpoints()).version == "2.2.1"
    assert plain.backend.their_party is None
    assert run_virtual(plain.backend.origin()) == f"{HOME}{VERSIONS} 2.2.1"


def test_a_damaged_file_stops_nothing_but_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Cards are decided without it; registering anew puts it right."""
    partner, disk = Partner(), Disk(b'{"versions_url": "secret-token')
    site = Site(partner, disk)
    assert "is damaged" in caplog.text
    assert "secret-token" not in caplog.text
    with pytest.raises(
        CredentialsError, match=r"damaged.*run: rfid-agent register emsp"
    ):
        run_virtual(site.backend.endpoints())
    assert disk.content == b'{"versions_url": "secret-token'
    run_virtual(site.registrar.register())
    assert site.memory.problem == ""
    site.start()
    assert run_virtual(site.works())


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1"])
def test_encodings_are_remembered(version: str) -> None:
    """After a restart the first request is right; after new credentials all is new."""
    site = registered(version=version)

    async def fetch() -> int:
        before = len(site.partner.requests)
        endpoints = await site.backend.endpoints()
        assert endpoints.tokens is not None
        return len(site.partner.requests) - before

    assert run_virtual(fetch()) == 2
    encoding = Encoding.RAW if version == "2.1.1" else Encoding.BASE64
    assert site.memory.encodings[f"{version} details"] is encoding
    site.start()
    assert site.memory.encodings[f"{version} details"] is encoding
    run_virtual(site.registrar.rotate())
    assert site.memory.encodings == {}
    site.start()
    assert site.memory.encodings == {}


# ---- secrecy -----------------------------------------------------------------


def test_no_token_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither log nor repr nor message holds a token, whatever a server repeats."""
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    words: list[object] = []
    for status in (200, 400, 401, 405, 500):
        site = Site(Partner(), Disk(), station=WHOLE_STATION)

        async def repeat(
            request: httpx.Request, proceed: Proceed, status: int = status
        ) -> httpx.Response:
            del proceed
            echo = f"{request.content!r} {request.headers['authorization']}"
            return envelope(None, 2001, http=status, words=echo)

        site.partner.mishaps[POST] = repeat
        words.append(fail(site.registrar.register()))
        site.partner.mishaps.clear()
        done = run_virtual(site.registrar.register())
        words += [
            done,
            site.memory._held,
            site.registrar.credentials(done.our_token_for_them),
        ]
        words += [site.backend.upstream, run_virtual(site.backend.endpoints())]
        told += [site.invitation, str(site.shown), str(site.partner.token_for_us)]
    shown = f"{words!r} {caplog.text}"
    for token in told:
        for spelling in CredentialsToken(token).spellings():
            assert spelling not in shown
