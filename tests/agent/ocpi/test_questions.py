"""Questions about cards, in every version: what is asked, and what an answer means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from msgspec.structs import replace

from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Token,
    TokenType,
    Verdict,
    WhitelistType,
)
from agent.domain.uid import Uid
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.connection import OcpiConnection
from agent.ocpi.credentials import PartyRole, Role
from agent.ocpi.memory import Memory, Registration, State
from agent.ocpi.station import Party
from agent.ocpi.upstream import Upstream
from tests.agent.ocpi.examples import token_json
from tests.agent.ocpi.peer import (
    HOME,
    SECRET,
    STATION,
    VERSIONS,
    Silence,
    connect,
    envelope,
)
from tests.agent.ocpi.spoken import ALL, Spoken, raising
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from agent.domain.tokens import Reply
    from tests.agent.ocpi.peer import Reply as PeerReply

UID = Uid("04A1B2C3D4E5F6")
EVSES = ("SE*ABC*E1", "SE*ABC*E2")
LISTED = Token(
    upstream="emsp",
    country_code="SE",
    party_id="EMS",
    uid="04:a1:b2:c3:d4:e5:f6",
    type=TokenType.RFID,
    contract_id="SE-EMS-CXYZZY",
    issuer="Example",
    valid=True,
    whitelist=WhitelistType.NEVER,
    last_updated=datetime(2026, 1, 1, tzinfo=UTC),
)
HUB, NEAR, FAR = Party("DE", "HUB"), Party("NL", "TNM"), Party("SE", "FAR")
EMSP = PartyRole(role=Role.EMSP, party=NEAR, name="Near")
FAR_EMSP = PartyRole(role=Role.EMSP, party=FAR, name="Far")
CPO = PartyRole(role=Role.CPO, party=Party("NL", "CPO"), name="Near")


class Registered:
    """A station after a handshake in which the backend told these roles."""

    def __init__(
        self, *roles: PartyRole, hub: Party | None = None, party: Party | None = None
    ) -> None:
        self._roles, self._hub, self._party = roles, hub, party

    def connect(self, peer: Spoken) -> OcpiConnection:
        """Connect it; `party` is what its configuration says of the backend."""
        memory = Memory(HOME + VERSIONS)
        memory.keep(
            Registration(
                state=State.REGISTERED,
                version=peer.version,
                our_token_for_them=CredentialsToken("ours"),
                their_token_for_us=CredentialsToken(SECRET),
                their_roles=self._roles,
                hub=self._hub,
            )
        )
        upstream = Upstream(
            name="emsp",
            versions_url=HOME + VERSIONS,
            token=CredentialsToken("invitation"),
            station=STATION,
            handshake=True,
            their_party=self._party,
        )
        return OcpiConnection(upstream, memory, transport=peer)


def ask(
    connection: OcpiConnection, token: Token | None = None, seconds: float = 5
) -> Reply:
    """Ask about the card."""

    async def run() -> Reply:
        try:
            limit = timedelta(seconds=seconds)
            return await connection.authorize(UID, token, EVSES, limit)
        finally:
            await connection.close()

    return run_virtual(run())


def reply_with(version: str, reply: PeerReply) -> Spoken:
    """Answer every question so."""
    peer = Spoken(version)
    for uid in (UID.value, LISTED.uid):
        peer.routes["POST", peer.path("tokens", uid, "authorize")] = reply
    return peer


# ---- what is asked -----------------------------------------------------------


@pytest.mark.parametrize("version", ALL)
def test_question(version: str) -> None:
    """A place, no type, and from 2.2 on nobody in particular about an unknown card."""
    peer = reply_with(version, envelope({"allowed": "ALLOWED"}))
    assert ask(peer.connect()) == Answer(upstream="emsp", verdict=Verdict.ALLOWED)
    *_, request = peer.requests
    assert request.url.query == b""
    assert json.loads(request.content) == {
        "location_id": "LOC-1",
        "evse_uids": list(EVSES),
    }
    names = [name for name in request.headers if name.startswith("ocpi-")]
    ours = ["ocpi-from-country-code", "ocpi-from-party-id"]
    assert sorted(names) == ([] if version == "2.1.1" else ours)
    assert {"x-request-id", "x-correlation-id"} <= set(request.headers)


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("party", [None, Party("SE", "EMS"), HUB])
def test_question_about_a_listed_card(version: str, party: Party | None) -> None:
    """It goes to the card's owner, also through a hub, in the owner's spelling."""
    peer = reply_with(version, envelope({"allowed": "BLOCKED"}))
    party = party or Party("SE", "EMS")
    answer = ask(peer.connect(their_party=party), LISTED)
    assert answer == Answer(upstream="emsp", verdict=Verdict.BLOCKED)
    *_, request = peer.requests
    assert request.url.raw_path.endswith(b"/04%3Aa1%3Ab2%3Ac3%3Ad4%3Ae5%3Af6/authorize")
    assert request.url.query == b""
    if version != "2.1.1":
        assert request.headers["ocpi-to-country-code"] == "SE"
        assert request.headers["ocpi-to-party-id"] == "EMS"


def test_unknown_card_through_a_hub() -> None:
    """The hub finds out who is meant: it is not addressed itself."""
    peer = reply_with("2.2.1", envelope({"allowed": "ALLOWED", "token": token_json()}))
    answer = ask(peer.connect(their_party=HUB))
    assert isinstance(answer, Answer)
    assert answer.token is not None
    assert (answer.token.country_code, answer.token.party_id) == ("NL", "TNM")
    assert not [
        name for name in peer.requests[-1].headers if name.startswith("ocpi-to")
    ]


RECEIVERS: list[tuple[Registered, Party | None]] = [
    # what the handshake told and the configuration says, and who is addressed
    (Registered(EMSP), NEAR),
    (Registered(EMSP, CPO), NEAR),
    (Registered(EMSP, FAR_EMSP, party=FAR), FAR),
    (Registered(EMSP, FAR_EMSP, party=Party("se", "far")), Party("se", "far")),
    (Registered(EMSP, FAR_EMSP), None),
    (Registered(EMSP, party=HUB), None),
    (Registered(EMSP, hub=HUB), None),
    (Registered(EMSP, hub=HUB, party=NEAR), None),
    (Registered(PartyRole(role=Role.HUB, party=HUB, name="Hub")), None),
    (Registered(PartyRole(role=Role.OTHER, party=NEAR, name="Other")), None),
    (Registered(), None),
]


@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
@pytest.mark.parametrize(("told", "receiver"), RECEIVERS)
def test_unknown_card_and_a_registered_backend(
    version: str, told: Registered, receiver: Party | None
) -> None:
    """Whoever said to be an eMSP is addressed; only a hub has to find out."""
    peer = reply_with(version, envelope({"allowed": "ALLOWED"}))
    answer = ask(told.connect(peer))
    assert answer == Answer(upstream="emsp", verdict=Verdict.ALLOWED)
    headers = peer.requests[-1].headers
    named = [headers[name] for name in sorted(headers) if name.startswith("ocpi-to")]
    assert named == ([receiver.country_code, receiver.party_id] if receiver else [])


@pytest.mark.parametrize("version", ALL)
def test_other_types_are_named(version: str) -> None:
    """Without a word every server assumes RFID."""
    peer = reply_with(version, envelope({"allowed": "ALLOWED"}))
    ask(peer.connect(), replace(LISTED, type=TokenType.OTHER))
    assert peer.requests[-1].url.query == b"type=OTHER"


# ---- what an answer means ----------------------------------------------------

MEANINGS: list[tuple[str, PeerReply, object]] = [
    # what the server does, its reply, what that is to us
    *[
        (verdict.value, envelope({"allowed": verdict.value}), verdict)
        for verdict in Verdict
        if verdict is not Verdict.UNKNOWN
    ],
    ("in a list", envelope([{"allowed": "EXPIRED"}]), Verdict.EXPIRED),
    ("19xx", envelope({"allowed": "ALLOWED"}, 1999), Verdict.ALLOWED),
    ("201", envelope({"allowed": "ALLOWED"}, http=201), Verdict.ALLOWED),
    ("UNKNOWN", envelope({"allowed": "UNKNOWN"}), Verdict.NOT_ALLOWED),
    ("404", httpx.Response(404), Verdict.UNKNOWN),
    ("404 detail", httpx.Response(404, json={"detail": "no"}), Verdict.UNKNOWN),
    ("404 and 2004", envelope([], 2004, http=404), Verdict.UNKNOWN),
    ("404 and 2000", envelope(None, 2000, http=404), Verdict.UNKNOWN),
    ("404 and 2001", envelope(None, 2001, http=404), Verdict.UNKNOWN),
    ("404 and 3000", envelope(None, 3000, http=404), Verdict.UNKNOWN),
    ("2004", envelope(None, 2004), Verdict.UNKNOWN),
    ("400 and 2004", envelope(None, 2004, http=400), Verdict.UNKNOWN),
    # What is unknown there is our location or the receiver, and not the card.
    ("404 and 2002", envelope(None, 2002, http=404), Misconfigured),
    ("404 and 2003", envelope(None, 2003, http=404), Misconfigured),
    ("404 and 4001", envelope(None, 4001, http=404), Misconfigured),
    ("404 and 4003", envelope(None, 4003, http=404), NoAnswer),
    ("401", httpx.Response(401), Misconfigured),
    ("403", httpx.Response(403), Misconfigured),
    ("400", httpx.Response(400), Misconfigured),
    ("405", httpx.Response(405), Misconfigured),
    ("422", httpx.Response(422), Misconfigured),
    ("2000", envelope({"x": 1}, 2000), Misconfigured),
    ("2001", envelope([], 2001), Misconfigured),
    ("2002", envelope(None, 2002), Misconfigured),
    ("2003", envelope(None, 2003), Misconfigured),
    ("2999", envelope(None, 2999), Misconfigured),
    ("4001", envelope(None, 4001), Misconfigured),
    ("cut", raising(httpx.ReadError("reset")), NoAnswer),
    ("408", httpx.Response(408), NoAnswer),
    ("429", httpx.Response(429), NoAnswer),
    ("500", httpx.Response(500), NoAnswer),
    ("501", httpx.Response(501), NoAnswer),
    ("502", httpx.Response(502), NoAnswer),
    ("503", httpx.Response(503), NoAnswer),
    ("504", httpx.Response(504), NoAnswer),
    ("500 and 2004", envelope(None, 2004, http=500), NoAnswer),
    ("3000", envelope(None, 3000), NoAnswer),
    ("3001", envelope(None, 3001), NoAnswer),
    ("3002", envelope(None, 3002), NoAnswer),
    ("3003", envelope(None, 3003), NoAnswer),
    ("3999", envelope(None, 3999), NoAnswer),
    ("4000", envelope(None, 4000), NoAnswer),
    ("4002", envelope(None, 4002), NoAnswer),
    ("4003", envelope(None, 4003), NoAnswer),
    ("4999", envelope(None, 4999), NoAnswer),
    ("0", envelope({"allowed": "ALLOWED"}, 0), NoAnswer),
    ("-1000", envelope({"allowed": "ALLOWED"}, -1000), NoAnswer),
    ("html", httpx.Response(200, text="<html>"), NoAnswer),
    ("empty", httpx.Response(200), NoAnswer),
    ("204", httpx.Response(204), NoAnswer),
    ("no envelope", httpx.Response(200, json={"allowed": "ALLOWED"}), NoAnswer),
    ("no data", envelope(), NoAnswer),
    ("null", envelope({"allowed": None}), NoAnswer),
    ("empty list", envelope([]), NoAnswer),
    ("two", envelope([{"allowed": "ALLOWED"}] * 2), NoAnswer),
    (
        "limit that nobody can read",
        envelope({"allowed": "ALLOWED", "location": {"evse_uids": 7}}),
        NoAnswer,
    ),
]


@pytest.mark.parametrize("listed", [None, LISTED], ids=["unknown", "listed"])
@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize(
    ("reply", "meaning"),
    [row[1:] for row in MEANINGS],
    ids=[row[0] for row in MEANINGS],
)
def test_meanings(
    version: str, listed: Token | None, reply: PeerReply, meaning: object
) -> None:
    """An answer, no answer and a misconfiguration are the same in every version."""
    result = ask(reply_with(version, reply).connect(), listed)
    if isinstance(meaning, Verdict):
        assert result == Answer(upstream="emsp", verdict=meaning)
    else:
        assert type(result) is meaning


@pytest.mark.parametrize("version", ALL)
def test_limits(version: str) -> None:
    """A permission may be for one EVSE only."""
    data = {
        "allowed": "ALLOWED",
        "location": {"location_id": "LOC-1", "evse_uids": ["se*abc*e2"]},
    }
    answer = ask(reply_with(version, envelope(data)).connect())
    assert isinstance(answer, Answer)
    assert [answer.allows(uid) for uid in EVSES] == [False, True]


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("2.1.1", "authorization_id"),
        ("2.2.1", "authorization_reference"),
        ("2.3.0", "authorization_reference"),
    ],
)
def test_references(version: str, name: str) -> None:
    """The eMSP's reference is kept, under the name that the version has for it."""
    peer = reply_with(version, envelope({"allowed": "ALLOWED", name: "REF-1"}))
    answer = ask(peer.connect())
    assert isinstance(answer, Answer)
    assert answer.authorization_reference == "REF-1"


@pytest.mark.parametrize("version", ALL)
def test_missing_place_is_asked_about_once_more(version: str) -> None:
    """2002 is answered with the same question, and a second one is the end."""
    replies = iter([envelope([], 2002), envelope({"allowed": "ALLOWED"})])
    peer = reply_with(version, lambda _: next(replies))
    assert ask(peer.connect()) == Answer(upstream="emsp", verdict=Verdict.ALLOWED)
    first, second = (one for one in peer.requests if one.method == "POST")
    assert first.content == second.content


# ---- who cannot be asked -----------------------------------------------------


def test_nobody_registered_yet() -> None:
    """Without a token nothing is sent, and the command is named."""
    peer = reply_with("2.2.1", envelope({"allowed": "ALLOWED"}))
    reply = ask(peer.connect(handshake=True))
    assert reply == Misconfigured("not registered; run: rfid-agent register emsp")
    assert peer.requests == []


def test_a_backend_without_tokens() -> None:
    """Whoever owns no cards has nothing to say about them."""
    peer = Spoken("2.2.1", ("sessions",))
    reply = ask(peer.connect(has_tokens=False))
    assert reply == NoAnswer("emsp: has no tokens module")


@pytest.mark.parametrize("seconds", [0.0, 0.05, 7.0])
def test_the_time_given_is_all_there_is(seconds: float) -> None:
    """Silence costs exactly that much."""
    reply = ask(connect(Silence()), seconds=seconds)
    assert reply == NoAnswer(
        f"no answer about a card within {seconds:g} s", silent=True
    )


def test_a_uid_made_of_dots_stays_with_the_backend() -> None:
    """Whatever a list calls a card, the question goes to the server of the list."""
    peer = reply_with("2.2.1", envelope({"allowed": "ALLOWED"}))
    for uid in ("..", ".", "//evil.example", "?x", "#", "%2e%2e", " ", "\\\\evil"):
        ask(peer.connect(), replace(LISTED, uid=uid))
        assert peer.requests[-1].url.host == "emsp.example"
        assert peer.requests[-1].url.query == b""
