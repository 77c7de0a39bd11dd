"""Registrations as the owner of the station sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from agent.control import CommandError
from agent.errors import HandshakeError
from agent.health import Health
from agent.ocpi.credentials import PartyRole, Role
from agent.ocpi.memory import State
from agent.ocpi.station import Party
from agent.registrations import (
    RegistrationCommands,
    RegistrationPort,
    describe,
    state_of,
)
from tests.agent.ocpi.partner import Disk, Partner, Site, cut_after, instead
from tests.fakes.clock import FakeClock
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from agent.control import Command

PART = "registration with emsp"


class Worker:
    """Counts how often it was told to begin anew."""

    name = "emsp"

    def __init__(self) -> None:
        self.begun = 0

    def start_anew(self) -> None:
        """Begin anew."""
        self.begun += 1


class Bench:
    """A site with its port, its commands and its health."""

    def __init__(self, disk: Disk | None = None) -> None:
        self.site = Site(Partner(), disk or Disk())
        self.health = Health(FakeClock())
        self.worker = Worker()
        self.port = RegistrationPort(self.worker, self.site.registrar, self.health)
        self.table = RegistrationCommands({"emsp": self.port}).table()

    @property
    def told(self) -> str:
        """What the health says; empty if all is well."""
        (condition,) = self.health.conditions()
        assert condition.part == PART
        assert condition.ok is (not condition.detail)
        return condition.detail

    def run(self, name: str, **request: object) -> Any:  # noqa: ANN401 - a command's result
        """Give a command and return its one result."""
        command: Command = self.table[name]

        async def collect() -> list[Any]:
            return [item async for item in command({"upstream": "emsp", **request})]

        (result,) = run_virtual(collect())
        return result


def test_register() -> None:
    """The result can be shown and sent, the health is good, and work begins."""
    bench = Bench()
    assert bench.told == "not registered yet; run: rfid-agent register emsp"
    result = bench.run("register")
    assert result == {
        "state": "registered",
        "version": "2.3.0",
        "parties": [{"role": "EMSP", "party": "NL*TNM", "name": "Example Mobility"}],
        "hub": None,
    }
    assert b"token" not in msgspec.json.encode(result)
    assert (bench.told, bench.worker.begun) == ("", 1)


def test_rotate_and_unregister() -> None:
    """Each change is told to whoever works with the tokens."""
    bench = Bench()
    bench.run("register")
    assert bench.run("rotate-credentials")["state"] == "registered"
    assert (bench.told, bench.worker.begun) == ("", 2)
    assert bench.run("unregister") == {}
    assert bench.told == "not registered yet; run: rfid-agent register emsp"
    assert bench.worker.begun == 3


def test_again_and_forget() -> None:
    """The options reach the registrar."""
    bench = Bench()
    bench.run("register")
    with pytest.raises(HandshakeError, match="already registered"):
        bench.run("register", again=False)
    bench.site.invitation = bench.site.partner.invite()
    assert bench.run("register", again=True)["state"] == "registered"
    bench.site.partner.mishaps["DELETE", ""] = cut_after()
    with pytest.raises(HandshakeError, match="--forget"):
        bench.run("unregister")
    assert bench.told == ""
    assert bench.run("unregister", forget=True) == {}


def test_lost_answers() -> None:
    """What is not known is a problem with a command in it, also after a failure."""
    bench = Bench()
    bench.site.partner.mishaps["POST", "/credentials"] = cut_after()
    with pytest.raises(HandshakeError):
        bench.run("register")
    assert bench.told.startswith("began, and its end is not known; run again: ")
    assert bench.told.endswith("rfid-agent register emsp")
    bench.site.invitation = bench.site.partner.invite()
    bench.site.partner.mishaps.clear()
    bench.run("register")
    bench.site.partner.mishaps["PUT", "/credentials"] = instead(httpx.Response(500))
    with pytest.raises(HandshakeError):
        bench.run("rotate-credentials")
    assert bench.told.endswith("run again: rfid-agent rotate-credentials emsp")
    bench.site.partner.mishaps.clear()
    bench.run("rotate-credentials")
    assert bench.told == ""


def test_ended_by_the_backend() -> None:
    """The owner learns that somebody has to ask for a new token."""
    bench = Bench()
    bench.run("register")
    run_virtual(bench.site.guest.end())
    bench.port.on_changed()
    assert "was ended by the backend" in bench.told
    assert bench.told.endswith("run: rfid-agent register emsp")


def test_a_damaged_file() -> None:
    """It is not the same as never having registered."""
    bench = Bench(Disk(b"half a fi"))
    assert "the file of this connection is damaged" in bench.told
    assert bench.told.endswith("run: rfid-agent register emsp")
    bench.run("register")
    assert bench.told == ""


@pytest.mark.parametrize("name", ["register", "rotate-credentials", "unregister"])
@pytest.mark.parametrize("upstream", ["", "cpo", None, 7])
def test_unknown_upstreams(name: str, upstream: object) -> None:
    """The error names those there are."""
    bench = Bench()
    with pytest.raises(CommandError, match="there are: emsp"):
        bench.run(name, upstream=upstream)
    assert bench.site.partner.requests == []


def test_no_upstreams() -> None:
    """Without any handshake the commands say so."""
    command = RegistrationCommands({}).table()["register"]

    async def collect() -> None:
        async for _ in command({"upstream": "emsp"}):
            pass

    with pytest.raises(CommandError, match="there are: none"):
        run_virtual(collect())


def test_a_hub_is_shown() -> None:
    """Whoever stands behind it is listed with it."""
    bench = Bench()
    bench.site.partner.changes = {"hub_party_id": "DEHUB"}
    assert bench.run("register")["hub"] == "DE*HUB"


def test_description_holds_no_token() -> None:
    """Everything but the secrets."""
    bench = Bench()
    bench.run("register")
    registration = bench.site.registrar.registration
    assert registration is not None
    role = PartyRole(role=Role.EMSP, party=Party("NL", "TNM"), name="Example Mobility")
    assert registration.their_roles == (role,)
    shown = repr(describe(registration))
    assert str(bench.site.shown) not in shown
    assert str(bench.site.partner.token_for_us) not in shown
    assert state_of(registration) is State.REGISTERED
    assert state_of(None) is None


def test_a_problem_is_told_as_it_is_whatever_is_in_its_words() -> None:
    """A path may hold braces, which mean nothing here."""
    bench = Bench()
    bench.site.registrar.backend.memory.problem = "/srv/{0}/{name}: shut"
    bench.port.note()
    assert bench.told == "/srv/{0}/{name}: shut; run: rfid-agent register emsp"
