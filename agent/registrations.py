"""The registrations of this station with its backends: health, and commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from agent.control import CommandError
from agent.ocpi.memory import Registration, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agent.control import Command
    from agent.health import Health
    from agent.ocpi.registration import Registrar


class Worker(Protocol):
    """What is told that the tokens are others now."""

    name: str

    def start_anew(self) -> None:
        """Use new tokens at once, for whatever has been waiting."""


class RegistrationPort:
    """One backend's registration as the station's owner sees it."""

    def __init__(self, upstream: Worker, registrar: Registrar, health: Health) -> None:
        self.upstream = upstream
        self.registrar = registrar
        self._health = health
        self.note()

    def note(self) -> None:
        """Tell how it stands; a registration that is not whole is a problem."""
        name = self.upstream.name
        part = f"registration with {name}"
        if problem := self.registrar.backend.memory.problem:
            self._health.bad(part, f"{problem}; run: rfid-agent register {name}")
        elif advice := _ADVICE.get(state_of(self.registrar.registration)):
            self._health.bad(part, advice.format(name=name))
        else:
            self._health.good(part)

    def on_changed(self) -> None:
        """Go on with new tokens, or without any."""
        self.note()
        self.upstream.start_anew()


def state_of(registration: Registration | None) -> State | None:
    """How far it has come, None at the beginning."""
    return registration.state if registration else None


_ADVICE = {
    None: "not registered yet; run: rfid-agent register {name}",
    State.REGISTERING: (
        "began, and its end is not known; run again: rfid-agent register {name}"
    ),
    State.ROTATING: (
        "new tokens were asked for, and the answer is not known; run again: "
        "rfid-agent rotate-credentials {name}"
    ),
    State.ENDED: (
        "was ended by the backend; ask its operator for a new token, then run: "
        "rfid-agent register {name}"
    ),
}


class RegistrationCommands:
    """What the command line asks about registrations."""

    def __init__(self, ports: Mapping[str, RegistrationPort]) -> None:
        self._ports = ports

    def table(self) -> dict[str, Command]:
        """Every command by its name on the wire."""
        return {
            "register": self.register,
            "rotate-credentials": self.rotate,
            "unregister": self.unregister,
        }

    async def register(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Register with a backend."""
        port = self._find(request)
        try:
            done = await port.registrar.register(again=bool(request.get("again")))
        finally:
            port.on_changed()
        yield describe(done)

    async def rotate(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Exchange the tokens of both sides for new ones."""
        port = self._find(request)
        try:
            done = await port.registrar.rotate()
        finally:
            port.on_changed()
        yield describe(done)

    async def unregister(self, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Leave a backend."""
        port = self._find(request)
        await port.registrar.unregister(forget=bool(request.get("forget")))
        port.on_changed()
        yield {}

    def _find(self, request: dict[str, Any]) -> RegistrationPort:
        name = str(request.get("upstream"))
        if name not in self._ports:
            known = ", ".join(self._ports) or "none"
            raise CommandError(
                f"no upstream with handshake = true is called {name!r}; there are: "
                f"{known}"
            )
        return self._ports[name]


def describe(registration: Registration) -> dict[str, Any]:
    """Show a registration without its tokens."""
    return {
        "state": registration.state.value,
        "version": registration.version,
        "parties": [
            {"role": one.role.value, "party": str(one.party), "name": one.name}
            for one in registration.their_roles
        ],
        "hub": str(registration.hub) if registration.hub else None,
    }
