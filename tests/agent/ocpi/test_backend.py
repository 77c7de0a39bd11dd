"""A backend comes, goes, and is told about once."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from agent.errors import (
    ConfigError,
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.backend import Backend
from agent.ocpi.credentials import PartyRole, Role
from agent.ocpi.memory import Memory, Registration, State
from agent.ocpi.station import Party
from agent.ocpi.transport import Call
from agent.ocpi.upstream import Upstream
from tests.agent.ocpi.partner import Disk
from tests.agent.ocpi.peer import (
    BASE64_HEADER,
    DETAILS,
    HOME,
    RAW_HEADER,
    SECRET,
    STATION,
    TOKENS,
    VERSIONS,
    Peer,
    Silence,
    endpoint,
    envelope,
    refuse_unless,
)
from tests.agent.ocpi.spoken import Spoken
from tests.fakes.virtual_loop import run_virtual

THEIRS = Party("NL", "TNM")
CALL = Call(method="GET", url=HOME + TOKENS)


def backend_of(
    peer: httpx.AsyncBaseTransport,
    memory: Memory | None = None,
    **changes: Any,  # noqa: ANN401 - Upstream's fields
) -> Backend:
    """Configure a backend."""
    fields: dict[str, Any] = {
        "name": "emsp",
        "versions_url": HOME + VERSIONS,
        "token": CredentialsToken(SECRET),
        "station": STATION,
    }
    return Backend(Upstream(**fields | changes), memory, transport=peer)


@pytest.mark.parametrize(
    "change",
    [
        {"versions_url": "emsp.example/versions"},
        {"versions_url": "ftp://emsp.example"},
        {"versions_url": ""},
        {"version": "2.1"},
        {"version": ""},
    ],
)
def test_impossible_configuration(change: dict[str, Any]) -> None:
    """A URL or a version that cannot work is refused before anything is sent."""
    ((key, value),) = change.items()
    with pytest.raises(ConfigError, match=f"emsp: {key}: expected .* got {value!r}"):
        backend_of(Peer(), **change)


def test_configuration_prints_without_the_token() -> None:
    """Whoever prints the configuration shows no secret."""
    upstream = Upstream(
        name="emsp",
        versions_url=HOME,
        token=CredentialsToken(SECRET),
        station=STATION,
    )
    assert SECRET not in repr(upstream)


def test_endpoints_are_found_once() -> None:
    """However many ask at the same time, the backend is asked once."""
    peer = Peer()
    backend = backend_of(peer, version="2.2.1")

    async def run() -> None:
        await asyncio.gather(*(backend.endpoints() for _ in range(5)))
        await backend.endpoints()
        assert len(peer.requests) == 2
        backend.forget_endpoints()
        await backend.endpoints()
        assert len(peer.requests) == 4
        await backend.close()

    asyncio.run(run())


def test_a_failed_discovery_is_repeated() -> None:
    """A backend that was down at first is found later."""
    peer = Peer()
    working = peer.routes["GET", VERSIONS]
    peer.routes["GET", VERSIONS] = httpx.Response(503)
    backend = backend_of(peer)

    async def run() -> None:
        with pytest.raises(TransientUpstreamError):
            await backend.endpoints()
        peer.routes["GET", VERSIONS] = working
        await backend.endpoints()
        await backend.close()

    asyncio.run(run())


def test_a_cancelled_discovery_does_not_block_the_next() -> None:
    """A driver's deadline that cuts a discovery leaves nothing locked."""

    async def run() -> None:
        backend = backend_of(Silence())
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await backend.endpoints()
        await backend.close()

    asyncio.run(run())


def test_changes_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Down, refused and up again: one line each, however often it is asked."""
    peer = Peer()
    backend = backend_of(peer)
    story: list[tuple[httpx.Response, type[Exception] | None]] = [
        (envelope([]), None),
        (httpx.Response(500), TransientUpstreamError),
        (httpx.Response(502), TransientUpstreamError),
        (httpx.Response(401), CredentialsError),
        (httpx.Response(403), CredentialsError),
        (envelope([]), None),
        (envelope([]), None),
    ]

    async def run() -> None:
        for reply, error in story:
            peer.routes["GET", TOKENS] = reply
            endpoints = await backend.endpoints()
            if error is None:
                await backend.fetch(endpoints, CALL)
            else:
                with pytest.raises(error):
                    await backend.fetch(endpoints, CALL)
        await backend.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    lines = [record.message for record in caplog.records]
    assert [line.removeprefix("emsp: ")[:34] for line in lines] == [
        "speaks OCPI 2.2.1",
        f"GET {TOKENS}: answer"[:34],
        f"GET {TOKENS}: answer"[:34],
        "answers again",
    ]
    assert "HTTP 500" in lines[1]
    assert "HTTP 401" in lines[2]


# ---- registered, or not ------------------------------------------------------


def memory_of(**changes: Any) -> Memory:  # noqa: ANN401 - Registration's fields
    """Remember a registration."""
    fields: dict[str, Any] = {
        "state": State.REGISTERED,
        "version": "2.2.1",
        "serial": "s1",
        "our_token_for_them": CredentialsToken("ours"),
        "their_token_for_us": CredentialsToken(SECRET),
        "their_roles": (PartyRole(role=Role.EMSP, party=THEIRS, name="Example"),),
    }
    memory = Memory(HOME + VERSIONS)
    memory.keep(Registration(**fields | changes))
    return memory


def test_registered() -> None:
    """Token, version and party are those of the handshake."""
    peer = Peer()
    backend = backend_of(
        peer, memory_of(), handshake=True, token=CredentialsToken("invitation")
    )
    found = run_virtual(backend.endpoints())
    assert found.version == "2.2.1"
    assert {one.headers["authorization"] for one in peer.requests} == {BASE64_HEADER}
    assert backend.their_party == THEIRS
    assert run_virtual(backend.origin()) == f"{HOME}{VERSIONS} 2.2.1 s1"


@pytest.mark.parametrize("state", [State.REGISTERING, State.ENDED])
def test_not_registered(state: State, caplog: pytest.LogCaptureFixture) -> None:
    """Neither half a registration nor the invitation is used for anything."""
    peer = Peer()
    backend = backend_of(peer, memory_of(state=state), handshake=True)
    for _ in range(2):
        with pytest.raises(CredentialsError, match="rfid-agent register emsp"):
            run_virtual(backend.endpoints())
    assert peer.requests == []
    assert caplog.messages == ["emsp: not registered; run: rfid-agent register emsp"]


def test_a_registered_version_that_is_gone() -> None:
    """It is not exchanged for another one behind the operator's back."""
    backend = backend_of(Peer(), memory_of(version="2.3.0"), handshake=True)
    with pytest.raises(RefusedUpstreamError, match=r"expected version 2\.3\.0, got"):
        run_virtual(backend.endpoints())


def test_a_token_for_good_owes_nothing_to_a_handshake() -> None:
    """A registration of earlier times is not mixed into another configuration."""
    peer = Spoken("2.3.0")
    backend = backend_of(peer, memory_of(their_token_for_us=CredentialsToken("old")))
    assert run_virtual(backend.endpoints()).version == "2.3.0"
    assert {one.headers["authorization"] for one in peer.requests} == {BASE64_HEADER}
    assert backend.their_party is None
    assert run_virtual(backend.origin()) == f"{HOME}{VERSIONS} 2.3.0"


def test_the_configuration_knows_better_who_they_are() -> None:
    """A party by name stands above what credentials tell."""
    ours = Party("SE", "EMS")
    backend = backend_of(Peer(), memory_of(), handshake=True, their_party=ours)
    assert backend.their_party == ours
    assert backend.source().party == ours


def test_211_cards_belong_to_the_party_of_the_connection() -> None:
    """Under another party it is another list, though all else is the same."""
    origins = {
        run_virtual(
            backend_of(Spoken("2.1.1"), version="2.1.1", their_party=party).origin()
        )
        for party in (THEIRS, Party("SE", "EMS"))
    }
    assert len(origins) == 2
    origins = {
        run_virtual(backend_of(Spoken("2.2.1"), their_party=party).origin())
        for party in (THEIRS, Party("SE", "EMS"))
    }
    assert len(origins) == 1


def test_what_is_found_late_is_not_kept() -> None:
    """An answer to an old question does not survive the exchange of tokens."""
    peer = Peer()
    memory = memory_of()
    backend = backend_of(peer, memory, handshake=True)
    old = peer.routes["GET", DETAILS]

    def renew(request: httpx.Request) -> httpx.Response:
        del request
        backend.renew()
        peer.publish([endpoint("tokens", "SENDER", "/new/tokens")])
        assert isinstance(old, httpx.Response)
        return old

    peer.routes["GET", DETAILS] = renew
    assert run_virtual(backend.endpoints()).tokens == HOME + TOKENS
    assert run_virtual(backend.endpoints()).tokens == f"{HOME}/new/tokens"


def test_a_renewed_token_is_used_at_once() -> None:
    """The next request shows the new one, and asks for everything anew."""
    peer = Peer()
    memory = memory_of(their_token_for_us=CredentialsToken("old"))
    backend = backend_of(peer, memory, handshake=True)
    run_virtual(backend.endpoints())
    assert peer.requests[-1].headers["authorization"] != BASE64_HEADER
    registration = memory.registration
    assert registration is not None
    memory.keep(
        replace(registration, their_token_for_us=CredentialsToken(SECRET), serial="s2")
    )
    backend.renew()
    run_virtual(backend.endpoints())
    assert peer.requests[-1].headers["authorization"] == BASE64_HEADER
    assert run_virtual(backend.origin()).endswith(" s2")


# ---- encodings ---------------------------------------------------------------


def test_encodings_survive_a_restart() -> None:
    """What was found out by trying is not tried again, each place by itself."""
    disk = Disk()
    peer = Peer()
    peer.routes["GET", DETAILS] = refuse_unless(RAW_HEADER, peer.routes["GET", DETAILS])
    peer.routes["GET", TOKENS] = refuse_unless(RAW_HEADER, envelope([]))
    sent = []
    for _ in range(3):
        backend = backend_of(peer, Memory(HOME + VERSIONS, disk))

        async def run(backend: Backend = backend) -> None:
            await backend.fetch(await backend.endpoints(), CALL)
            await backend.close()

        peer.requests.clear()
        run_virtual(run())
        sent.append(len(peer.requests))
    assert sent == [4, 3, 3]
    assert disk.read_json()["encodings"] == {
        "versions": "Base64",
        "2.2.1 details": "as it is",
        "2.2.1 modules": "as it is",
    }


def test_encodings_that_changed_are_found_again() -> None:
    """After a restart a habit of the backend is doubted once."""
    disk = Disk()
    for header in (RAW_HEADER, BASE64_HEADER, RAW_HEADER):
        peer = Peer()
        peer.routes["GET", DETAILS] = refuse_unless(header, peer.routes["GET", DETAILS])
        run_virtual(backend_of(peer, Memory(HOME + VERSIONS, disk)).endpoints())
    assert disk.read_json()["encodings"]["2.2.1 details"] == "as it is"


def test_a_full_disk_costs_a_request_per_restart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What cannot be remembered can be found out again."""
    disk = Disk()
    disk.is_full = True
    backend = backend_of(Peer(), Memory(HOME + VERSIONS, disk))
    run_virtual(backend.endpoints())
    assert "cannot be kept" in caplog.text
    assert SECRET not in caplog.text
