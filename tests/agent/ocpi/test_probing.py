"""Finding out how a server reads our token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.errors import TransientUpstreamError
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.probing import ProbingClient
from agent.ocpi.transport import Call, OcpiClient, Response
from tests.agent.ocpi.peer import (
    BASE64_HEADER,
    HOME,
    RAW_HEADER,
    SECRET,
    envelope,
    refuse_unless,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.agent.ocpi.peer import Reply

CALL = Call(method="GET", url=f"{HOME}/x")
B, R = BASE64_HEADER, RAW_HEADER


class Prober:
    """Asks a scripted server again and again."""

    def __init__(
        self, *replies: Reply, known: Mapping[str, Encoding] | None = None
    ) -> None:
        self._replies = list(replies)
        self.headers: list[str] = []
        self.settled: list[Mapping[str, Encoding]] = []
        client = OcpiClient(
            CredentialsToken(SECRET), transport=httpx.MockTransport(self._answer)
        )
        self._probing = ProbingClient(client, known or {}, self.settled.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers["authorization"])
        # The last reply is given for ever.
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply if isinstance(reply, httpx.Response) else reply(request)

    def ask(self, scope: str = "modules") -> Response:
        """Ask once, Base64 first."""
        return asyncio.run(self._probing.ask(CALL, scope, Encoding.BASE64))

    def forget(self) -> None:
        """Drop what was found out."""
        self._probing.forget()


def test_the_book_is_right() -> None:
    """A server that reads what its version says is asked once."""
    prober = Prober(envelope([]))
    prober.ask()
    prober.ask()
    assert prober.headers == [B, B]


def test_the_other_way_is_found_and_kept() -> None:
    """One retry, and from then on the encoding that worked."""
    prober = Prober(refuse_unless(RAW_HEADER, envelope([])))
    assert prober.ask().encoding is Encoding.RAW
    assert prober.ask().status == 200
    assert prober.headers == [B, R, R]


def test_scopes_are_apart() -> None:
    """A server may read the versions URL differently from its modules."""
    prober = Prober(refuse_unless(RAW_HEADER, envelope([])))
    prober.ask("versions")
    prober.ask("modules")
    assert prober.headers == [B, R, B, R]


def test_quiet_refusal() -> None:
    """HTTP 200 with an OCPI error and no data is a refusal, too."""
    prober = Prober(envelope([], 3000), envelope([1]))
    assert prober.ask().encoding is Encoding.RAW
    assert prober.headers == [B, R]


@pytest.mark.parametrize("status", [401, 403])
def test_once_settled_a_refusal_is_final(status: int) -> None:
    """A token that stops working is a bad token."""
    prober = Prober(envelope([]), httpx.Response(status))
    prober.ask()
    assert prober.ask().status == status
    assert prober.headers == [B, B]


def test_wrong_token() -> None:
    """Refused both ways, the first refusal is the answer, and nothing is learned."""
    prober = Prober(httpx.Response(401), httpx.Response(403), envelope([]))
    assert prober.ask().status == 401
    assert prober.ask().encoding is Encoding.BASE64
    assert prober.headers == [B, R, B]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_refusals_the_plain_one_counts(order: int) -> None:
    """Trouble with an unreadable spelling says less than a 401 for the other."""
    refusals = [envelope([], 3000), httpx.Response(401)][::order]
    prober = Prober(*refusals, envelope([]))
    assert prober.ask().status == 401
    assert prober.headers == [B, R]


def test_a_token_that_works_elsewhere_is_not_what_is_wrong() -> None:
    """Trouble in one place stays trouble, though the other spelling gets a 401."""
    prober = Prober(envelope([]), envelope([], 3000), httpx.Response(401))
    prober.ask("versions")
    assert prober.ask("modules").status == 200
    assert prober.headers == [B, B, R]


@pytest.mark.parametrize(
    "reply", [httpx.Response(500), httpx.Response(200, content=b"<html>")]
)
def test_no_signal(reply: httpx.Response) -> None:
    """A server in trouble says nothing about encodings."""
    prober = Prober(reply)
    prober.ask()
    prober.ask()
    assert prober.headers == [B, B]


def test_second_try_may_fail_otherwise() -> None:
    """Once the token is accepted, what comes is the answer: here an unknown card."""
    prober = Prober(httpx.Response(401), httpx.Response(404))
    assert prober.ask().status == 404


@pytest.mark.parametrize("status", [400, 422, 500, 503])
def test_a_server_that_stumbles_over_the_other_spelling(status: int) -> None:
    """A plain refusal counts, and not the trouble that the second attempt made."""
    prober = Prober(httpx.Response(401), httpx.Response(status))
    assert prober.ask().status == 401
    assert prober.headers == [B, R]
    assert prober.settled == []


def test_no_answer_stays_no_answer() -> None:
    """A cut connection is raised, not probed."""

    def cut(request: httpx.Request) -> httpx.Response:
        del request
        raise httpx.ReadError("cut")

    prober = Prober(cut)
    with pytest.raises(TransientUpstreamError):
        prober.ask()
    assert prober.headers == [B]


# ---- what is remembered ----------------------------------------------------------

RAW = {"modules": Encoding.RAW}
BASE64 = {"modules": Encoding.BASE64}


def test_what_settled_is_told_once() -> None:
    """The owner hears of all that is settled when a scope is, and then no more."""
    prober = Prober(refuse_unless(RAW_HEADER, envelope([])))
    prober.ask("versions")
    prober.ask("modules")
    prober.ask("modules")
    assert prober.settled == [
        {"versions": Encoding.RAW},
        {"versions": Encoding.RAW, "modules": Encoding.RAW},
    ]


def test_the_expected_encoding_is_told_as_well() -> None:
    """What the version's own rule said is remembered like any other finding."""
    prober = Prober(envelope([]))
    prober.ask()
    assert prober.settled == [BASE64]


def test_a_known_encoding_is_used_first() -> None:
    """What was found before the restart is not searched for again."""
    prober = Prober(refuse_unless(RAW_HEADER, envelope([])), known=RAW)
    prober.ask()
    prober.ask()
    assert prober.headers == [R, R]
    assert prober.settled == []


@pytest.mark.parametrize("refusal", [httpx.Response(401), envelope([], 3000)])
def test_a_known_encoding_that_stopped_working(refusal: httpx.Response) -> None:
    """A backend that was replaced is probed again, and the finding is told."""
    prober = Prober(refusal, envelope([]), known=RAW)
    assert prober.ask().status == 200
    prober.ask()
    assert prober.headers == [R, B, B]
    assert prober.settled == [BASE64]


def test_a_known_encoding_is_doubted_once() -> None:
    """Refused both ways, it is the token that is bad, and nothing is probed again."""
    prober = Prober(httpx.Response(401), known=RAW)
    assert prober.ask().status == 401
    assert prober.ask().status == 401
    assert prober.headers == [R, B, R]
    assert prober.settled == []


def test_a_known_encoding_that_works_is_no_longer_doubted() -> None:
    """After one success of this start, a later refusal is a bad token."""
    prober = Prober(envelope([]), httpx.Response(401), known=RAW)
    prober.ask()
    assert prober.ask().status == 401
    assert prober.headers == [R, R]


@pytest.mark.parametrize("first", [httpx.Response(503), httpx.Response(404)])
def test_trouble_removes_no_doubt(first: httpx.Response) -> None:
    """An answer that says nothing about the token leaves the one probe unused."""
    prober = Prober(first, httpx.Response(401), envelope([]), known=RAW)
    prober.ask()
    assert prober.ask().status == 200
    assert prober.headers == [R, R, B]


def test_an_interrupted_probe_is_made_again() -> None:
    """A connection cut in the middle of probing has shown nothing."""

    def cut(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("cut", request=request)

    refusal = httpx.Response(401)
    prober = Prober(refusal, cut, refusal, envelope([]), known=RAW)
    with pytest.raises(TransientUpstreamError):
        prober.ask()
    assert prober.ask().status == 200
    assert prober.headers == [R, B, R, B]


@pytest.mark.parametrize(
    ("second", "settled"),
    [
        (httpx.Response(404), [BASE64]),
        (envelope(code=2004), [BASE64]),
        (httpx.Response(400), []),
        (httpx.Response(503), []),
    ],
)
def test_what_shows_that_the_token_was_read(
    second: httpx.Response, settled: list[Mapping[str, Encoding]]
) -> None:
    """An unknown card settles the encoding; a malformed request may be the header."""
    prober = Prober(httpx.Response(401), second, known=RAW)
    assert prober.ask().status == (second.status_code if settled else 401)
    assert prober.settled == settled


def test_scopes_are_doubted_apart() -> None:
    """The modules' one probe is not spent by the versions URL."""
    known = {"versions": Encoding.RAW, "modules": Encoding.RAW}
    prober = Prober(refuse_unless(BASE64_HEADER, envelope([])), known=known)
    prober.ask("versions")
    prober.ask("modules")
    assert prober.headers == [R, B, R, B]
    assert prober.settled[-1] == dict.fromkeys(known, Encoding.BASE64)


def test_new_credentials() -> None:
    """With another token everything is found out again, and the owner forgets, too."""
    prober = Prober(refuse_unless(RAW_HEADER, envelope([])), known=BASE64)
    prober.ask()
    prober.forget()
    prober.ask()
    assert prober.headers == [B, R, B, R]
    assert prober.settled == [RAW, {}, RAW]


def test_nothing_to_forget() -> None:
    """Nobody is told that nothing has changed."""
    prober = Prober(envelope([]))
    prober.forget()
    assert prober.settled == []


def test_what_is_told_is_a_copy() -> None:
    """The owner may keep what it was given."""
    prober = Prober(envelope([]))
    prober.ask("versions")
    prober.ask("modules")
    assert prober.settled[0] == {"versions": Encoding.BASE64}
