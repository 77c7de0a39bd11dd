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
    from tests.agent.ocpi.peer import Reply

CALL = Call(method="GET", url=f"{HOME}/x")
B, R = BASE64_HEADER, RAW_HEADER


class Prober:
    """Asks a scripted server again and again."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.headers: list[str] = []
        client = OcpiClient(
            CredentialsToken(SECRET), transport=httpx.MockTransport(self._answer)
        )
        self._probing = ProbingClient(client)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers["authorization"])
        # The last reply is given for ever.
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply if isinstance(reply, httpx.Response) else reply(request)

    def ask(self, scope: str = "modules") -> Response:
        """Ask once, Base64 first."""
        return asyncio.run(self._probing.ask(CALL, scope, Encoding.BASE64))


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


def test_no_answer_stays_no_answer() -> None:
    """A cut connection is raised, not probed."""

    def cut(request: httpx.Request) -> httpx.Response:
        del request
        raise httpx.ReadError("cut")

    prober = Prober(cut)
    with pytest.raises(TransientUpstreamError):
        prober.ask()
    assert prober.headers == [B]
