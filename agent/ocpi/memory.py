"""What must be known of a connection after a restart: its registration and habits."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agent.errors import AgentError, ConfigError, StoreFailedError
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.credentials import PartyRole, Role
from agent.ocpi.envelope import UNREADABLE
from agent.ocpi.station import Party  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOGGER = logging.getLogger(__name__)


class State(StrEnum):
    """How far the handshake with a backend has come."""

    #: We have told, or may have told, the backend our token, and know no answer.
    REGISTERING = "registering"
    REGISTERED = "registered"
    #: Registered, and a request for new tokens is under way or was lost.
    ROTATING = "rotating"
    #: The backend has ended the registration.
    ENDED = "ended"


class Registration(Struct, frozen=True, kw_only=True):
    """The tokens of both directions (OCPI 2.2.1 credentials), by who uses them.

    `serial` is another one after each exchange of tokens.
    `our_next_token_for_them` is told in a request that is not answered yet, and
    `our_previous_token_for_them`, the one they used before, counts until they have used
    the present one.
    """

    state: State
    version: str
    serial: str = ""
    our_token_for_them: CredentialsToken
    our_next_token_for_them: CredentialsToken | None = None
    our_previous_token_for_them: CredentialsToken | None = None
    their_token_for_us: CredentialsToken | None = None
    their_roles: tuple[PartyRole, ...] = ()
    hub: Party | None = None

    @property
    def their_hub(self) -> Party | None:
        """The hub that they say they are: by a field of its own, or by a role."""
        return self.hub or next(iter(self.parties(Role.HUB)), None)

    def parties(self, role: Role) -> list[Party]:
        """Name who they are in this role."""
        return [one.party for one in self.their_roles if one.role is role]

    @property
    def is_usable(self) -> bool:
        """Whether requests can be made under it."""
        return self.state in (State.REGISTERED, State.ROTATING)

    def tokens_for_them(self) -> tuple[CredentialsToken, ...]:
        """Every token that they may show us now."""
        if self.state is State.ENDED:
            return ()
        tokens = (
            self.our_token_for_them,
            self.our_next_token_for_them,
            self.our_previous_token_for_them,
        )
        return tuple(token for token in tokens if token is not None)


class Remembered(Struct, frozen=True, kw_only=True):
    """What one connection's file holds; it is about the backend at `versions_url`."""

    versions_url: str
    registration: Registration | None = None
    encodings: dict[str, Encoding] = {}


class File(Protocol):
    """A small file that is replaced as a whole, durably, and read by its owner only."""

    def read(self) -> bytes | None:
        """Return what it holds, None if there is none; ConfigError if it is shut."""

    def write(self, data: bytes) -> None:
        """Replace what it holds; raise StoreFailedError if that cannot be."""


class Memory:
    """One connection's file as values; without a file it forgets at the end.

    What it says of a backend at another URL counts for nothing, and neither does a
    damaged or shut file: cards are decided without it. `problem` says so, for a person.
    It stays as it is until there is something better to keep.
    """

    def __init__(self, versions_url: str, file: File | None = None) -> None:
        self._file = file
        self._held = Remembered(versions_url=versions_url)
        #: Why a file that is there is of no use; empty if all is well.
        self.problem = ""
        #: What the file held when it was last looked at.
        self._seen: bytes | None = None
        try:
            self._seen = None if file is None else file.read()
            held = None if self._seen is None else _decode(self._seen)
        except ConfigError as err:
            held, self.problem = None, str(err)
        if held is not None and held.versions_url == versions_url:
            self._held = held
        elif held is not None and held.registration is not None:
            self.problem = "this station registered at another versions_url"
        if self.problem:
            _LOGGER.warning("%s: %s", versions_url, self.problem)

    @property
    def registration(self) -> Registration | None:
        """The registration as it stands."""
        return self._held.registration

    @property
    def encodings(self) -> Mapping[str, Encoding]:
        """How the backend has been found to read our token, by scope."""
        return self._held.encodings

    @property
    def their_token_for_us(self) -> CredentialsToken | None:
        """What we show them, None unless registered."""
        registration = self.registration
        if registration is None or not registration.is_usable:
            return None
        return registration.their_token_for_us

    @property
    def registered_version(self) -> str | None:
        """The version that was agreed on, None unless registered."""
        registration = self.registration
        return registration.version if registration and registration.is_usable else None

    @property
    def their_party(self) -> Party | None:
        """The hub, or the only eMSP, that the backend says it is."""
        registration = self.registration
        if registration is None:
            return None
        emsps = registration.parties(Role.EMSP)
        return registration.their_hub or (emsps[0] if len(emsps) == 1 else None)

    def is_emsp(self, party: Party) -> bool:
        """Whether the backend says that it is this eMSP, with no hub between."""
        registration = self.registration
        if registration is None or registration.their_hub is not None:
            return False
        return any(party.is_same(one) for one in registration.parties(Role.EMSP))

    def keep(self, registration: Registration | None) -> None:
        """Make a registration durable; raise StoreFailedError if that fails."""
        self._write(replace(self._held, registration=registration))
        self.problem = ""

    def hold(self, registration: Registration | None) -> None:
        """Use a registration until the next start, though it could not be kept."""
        self._held = replace(self._held, registration=registration)

    def note_encodings(self, encodings: Mapping[str, Encoding]) -> None:
        """Keep what was found out; if that fails, it can be found out again.

        What another process has written meanwhile is left alone: that may be the
        daemon's new tokens, while a command only looks whether the backend is there.
        """
        held = replace(self._held, encodings=dict(encodings))
        try:
            if self._file is not None and self._file.read() != self._seen:
                self._held = held
            else:
                self._write(held)
        except (ConfigError, StoreFailedError) as err:
            _LOGGER.warning("how a backend reads our token cannot be kept: %s", err)

    def _write(self, held: Remembered) -> None:
        if self._file is not None:
            data = msgspec.json.encode(held, enc_hook=_reveal)
            self._file.write(data)
            self._seen = data
        self._held = held


def _reveal(value: object) -> str:
    if isinstance(value, CredentialsToken):
        return value.value
    raise TypeError(f"cannot keep a {type(value).__name__}")


def _decode(data: bytes) -> Remembered:
    def read_token(kind: type, value: Any) -> Any:  # noqa: ANN401 - msgspec's hook
        if kind is CredentialsToken and isinstance(value, str):
            return CredentialsToken(value)
        raise TypeError(f"cannot read a {kind.__name__}")

    try:
        return msgspec.json.decode(data, type=Remembered, dec_hook=read_token)
    except (msgspec.DecodeError, AgentError, *UNREADABLE) as err:
        # Not what the error says: it may quote what was read, which is secret.
        raise ConfigError(
            "the file of this connection is damaged; if there was a registration in "
            "it, the backend's operator has to hand out a new token"
        ) from err
