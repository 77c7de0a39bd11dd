"""How the agent shows its token to extrawest_ocpi, and what it makes of refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from agent.domain.reports import Delivered, Retry
from agent.domain.tokens import Answer, Misconfigured
from agent.errors import CredentialsError, RefusedUpstreamError, TransientUpstreamError
from tests.interop.agent_side import MEMORY_FILE, AgentSide, card
from tests.interop.extrawest import ExtrawestServer
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

BOTH: Final = ("2.1.1", "2.2.1")
CARD: Final = card(1)
# Length and alphabet decide what the server makes of a raw token that it decodes.
SHAPES: Final = {
    "undecodable": "not-base64-because-of-its-length",
    "too short": "five5",
    "binary": "e" * 32,
    "text": "YWJk",
    "padded text": "c2VjcmV0LXRva2VuLXdpdGgtcGFkZGluZw==",
}

each_version = pytest.mark.parametrize("version", BOTH)
each_shape = pytest.mark.parametrize("shape", list(SHAPES))


class TextServer(ExtrawestServer):
    """Its token is text in Base64, as if somebody had encoded it already."""

    token: Final = SHAPES["text"]  # type: ignore[misc]  # another secret, as constant


class BinaryServer(ExtrawestServer):
    """Its token is Base64 of bytes that are no text."""

    token: Final = SHAPES["binary"]  # type: ignore[misc]  # as above


@pytest.fixture(scope="module")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions, whose token is no Base64 at all."""
    with ExtrawestServer(extrawest_python, versions=BOTH) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past that lists one card."""
    lasting.forget()
    lasting.set_tokens([make_token(CARD)])
    return lasting


def everything_works(agent: AgentSide) -> bool:
    """Read the list, ask, and tell: every module wants the token."""
    agent.sync()
    return isinstance(agent.ask(CARD), Answer) and isinstance(agent.tell(), Delivered)


def asked_at(server: ExtrawestServer, end: str) -> int:
    """Count the requests for paths that end so."""
    return sum(one.path.rstrip("/").endswith(end) for one in server.requests())


# ---- Base64 or not (§3, §15.1, §15.2) -----------------------------------------------


@each_version
def test_a_token_that_is_no_base64(
    server: ExtrawestServer, tmp_path: Path, version: str
) -> None:
    """2.1.1: Base64 on the versions URL, raw elsewhere; found without help."""
    with AgentSide(server, tmp_path, version=version) as agent:
        assert everything_works(agent)
    # Only the first guess of 2.1.1 was wrong, and it was made once.
    assert asked_at(server, "/versions") == {"2.1.1": 2, "2.2.1": 1}[version]
    assert asked_at(server, "/details") == 1
    assert {one.status for one in server.requests()} == {200}


@pytest.mark.parametrize("kind", [TextServer, BinaryServer])
def test_a_token_that_looks_like_base64(
    extrawest_python: Path, tmp_path: Path, kind: type[ExtrawestServer]
) -> None:
    """The server may refuse it raw, or even take it: all modules are reached."""
    with kind(extrawest_python, versions=BOTH) as server:
        server.set_tokens([make_token(CARD)])
        for version in BOTH:
            with AgentSide(server, tmp_path, version=version) as agent:
                assert everything_works(agent)


@each_version
@each_shape
def test_discovery_with_a_token_of_any_shape(
    server: ExtrawestServer, tmp_path: Path, version: str, shape: str
) -> None:
    """What may only register finds versions and details; modules refuse it by 403."""
    token = server.invite(SHAPES[shape])
    with AgentSide(server, tmp_path, version=version, token=token) as agent:
        found = agent.run(agent.connection.endpoints())
        assert found.version == version
        with pytest.raises(CredentialsError, match="HTTP 403"):
            agent.sync()


def test_the_newest_version_without_being_told(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """Offered both, `auto` chooses 2.2.1."""
    with AgentSide(server, tmp_path) as agent:
        assert agent.run(agent.connection.endpoints()).version == "2.2.1"


def test_the_only_version_without_being_told(
    extrawest_python: Path, tmp_path: Path
) -> None:
    """Offered 2.1.1 alone, `auto` finds all its encodings, beginning with Base64."""
    with ExtrawestServer(extrawest_python, versions=("2.1.1",)) as server:
        server.set_tokens([make_token(CARD)])
        with AgentSide(server, tmp_path) as agent:
            assert everything_works(agent)
        assert asked_at(server, "/versions") == 1


# ---- remembered (§3) ----------------------------------------------------------------


def test_the_mixture_of_211_is_remembered(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """After a restart no request goes out in the wrong encoding."""
    with AgentSide(server, tmp_path, version="2.1.1") as agent:
        assert everything_works(agent)
    kept = json.loads((tmp_path / MEMORY_FILE).read_text())["encodings"]
    assert kept == {
        "versions": "Base64",
        "2.1.1 details": "as it is",
        "2.1.1 modules": "as it is",
    }
    server.clear_requests()
    with AgentSide(server, tmp_path, version="2.1.1") as agent:
        assert everything_works(agent)
    assert asked_at(server, "/versions") == 1


def test_what_was_remembered_may_be_wrong_by_now(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """A server that reads it otherwise since is understood at the next start."""
    kept = {
        "versions_url": server.versions_url,
        "encodings": dict.fromkeys(
            ("versions", "2.2.1 details", "2.2.1 modules"), "as it is"
        ),
    }
    (tmp_path / MEMORY_FILE).write_text(json.dumps(kept))
    with AgentSide(server, tmp_path) as agent:
        assert everything_works(agent)
    learned = json.loads((tmp_path / MEMORY_FILE).read_text())["encodings"]
    assert set(learned.values()) == {"Base64"}


# ---- wrong tokens (§15.3) -----------------------------------------------------------


@each_version
@each_shape
def test_a_wrong_token_of_any_shape(
    server: ExtrawestServer, tmp_path: Path, version: str, shape: str
) -> None:
    """It is the token that is named as the trouble, and it is not quoted."""
    wrong = SHAPES[shape]
    with AgentSide(server, tmp_path, version=version, token=wrong) as agent:
        with pytest.raises(CredentialsError, match="credentials token") as caught:
            agent.sync()
        assert wrong not in str(caught.value)
        assert isinstance(agent.ask(CARD), Misconfigured)
        told = agent.tell()
        assert isinstance(told, Retry)
        assert told.pause


@each_version
def test_a_token_that_dies(
    server: ExtrawestServer, tmp_path: Path, version: str
) -> None:
    """403 {"detail"} on modules: no offline rule, reports wait, the old list stays."""
    with AgentSide(server, tmp_path, version=version) as agent:
        assert everything_works(agent)
        server.set_fault("status", status=403, times=None)
        server.clear_requests()
        with pytest.raises(CredentialsError):
            agent.sync()
        assert isinstance(agent.ask(CARD), Misconfigured)
        for told in (agent.tell(), agent.bill()):
            assert isinstance(told, Retry)
            assert told.pause
        assert agent.listed(CARD) == [CARD]
        # Once settled, a refusal is not answered by another spelling.
        assert asked_at(server, "/authorize") == 1


# ---- versions -----------------------------------------------------------------------


def test_a_version_that_is_not_offered(server: ExtrawestServer, tmp_path: Path) -> None:
    """The message names what is wanted and what there is; nothing is guessed."""
    with AgentSide(server, tmp_path, version="2.3.0") as agent:
        with pytest.raises(
            RefusedUpstreamError,
            match=r"expected version 2\.3\.0, got 2\.1\.1, 2\.2\.1",
        ):
            agent.sync()
        assert isinstance(agent.ask(CARD), Misconfigured)


def test_not_our_server_at_all(server: ExtrawestServer, tmp_path: Path) -> None:
    """A versions URL that leads elsewhere is no answer about any card."""
    url = f"{server.versions_url}-of-old"
    with (
        AgentSide(server, tmp_path, versions_url=url) as agent,
        pytest.raises((RefusedUpstreamError, TransientUpstreamError), match="404"),
    ):
        agent.sync()
