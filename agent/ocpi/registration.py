"""Registering with a backend, renewing tokens, and leaving: what is kept, and when.

What we are about to tell is durable before it is told, so that after a lost answer it
is known what may be in force. Where only a person can go on, HandshakeError says how.
The backend may change the registration while we wait for its answer: see Guest.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from agent.errors import (
    CredentialsError,
    HandshakeError,
    RefusedUpstreamError,
    StoreFailedError,
    TransientUpstreamError,
)
from agent.ocpi.authorization import CredentialsToken
from agent.ocpi.credentials import Credentials, PartyRole, Role
from agent.ocpi.handshake import Handshake, ask_for_another, explain_refusal
from agent.ocpi.memory import Registration, State
from agent.ocpi.urls import join_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.ocpi.backend import Backend

_LOGGER = logging.getLogger(__name__)

_TOKEN_BYTES: Final = 32


def make_token() -> CredentialsToken:
    """Make a credentials token that nobody can guess."""
    return CredentialsToken(secrets.token_urlsafe(_TOKEN_BYTES))


class Registrar:
    """Keeps one backend's registration; what it has changed is in force at once.

    `public_url` is where we can be reached, `invitation` reads the token that the
    backend's operator has handed out for registering. `changing` is held while tokens
    are exchanged, by whichever side has begun.
    """

    def __init__(
        self,
        backend: Backend,
        public_url: str,
        invitation: Callable[[], CredentialsToken],
        *,
        new_token: Callable[[], CredentialsToken] = make_token,
    ) -> None:
        self.backend = backend
        self.versions_url = join_url(public_url, "versions")
        self._name = backend.upstream.name
        self._invitation = invitation
        self.new_token = new_token
        self.changing = asyncio.Lock()

    @property
    def registration(self) -> Registration | None:
        """The registration as it stands."""
        return self.backend.memory.registration

    def credentials(self, token: CredentialsToken) -> Credentials:
        """Who we are, with this token for them."""
        station = self.backend.upstream.station
        role = PartyRole(
            role=Role.CPO,
            party=station.party,
            name=station.name or str(station.party),
            website=station.website,
        )
        return Credentials(token=token, url=self.versions_url, roles=(role,))

    # ---- our part --------------------------------------------------------------------

    async def register(self, *, again: bool = False) -> Registration:
        """Register; `again` replaces a registration by a new invitation.

        Raise HandshakeError; TransientUpstreamError, ConfigError or StoreFailedError
        when nothing has been told.
        """
        async with self.changing:
            before = self.registration
            if before is not None and before.is_usable and not again:
                raise HandshakeError(
                    f"already registered with {self._name}, OCPI {before.version}; "
                    "to change the tokens: rfid-agent rotate-credentials "
                    f"{self._name}; to begin anew with a new token from its operator: "
                    f"rfid-agent register --again {self._name}"
                )
            return await self._exchange("POST", self._invitation())

    async def rotate(self) -> Registration:
        """Exchange both tokens for new ones, and agree on the newest version anew.

        Raise as `register` does.
        """
        async with self.changing:
            token = self.backend.memory.their_token_for_us
            if token is None:
                raise HandshakeError(
                    f"not registered with {self._name}; run: rfid-agent register "
                    f"{self._name}"
                )
            return await self._exchange("PUT", token)

    async def unregister(self, *, forget: bool = False) -> None:
        """Leave; `forget` without telling the backend, which may be gone.

        Raise HandshakeError if it cannot be told, and then we are still registered.
        """
        async with self.changing:
            memory = self.backend.memory
            token = memory.their_token_for_us
            if token is not None and not forget:
                try:
                    async with Handshake(self.backend, token) as handshake:
                        await handshake.say_goodbye(memory.registered_version)
                except (TransientUpstreamError, RefusedUpstreamError) as err:
                    raise HandshakeError(
                        f"{err}. Still registered; to leave without telling the "
                        f"backend: rfid-agent unregister --forget {self._name}"
                    ) from err
            memory.keep(None)
            self.backend.renew()
            _LOGGER.info("%s: no longer registered", self._name)

    async def _exchange(self, method: str, token: CredentialsToken) -> Registration:
        """Tell our new token under their present one, and take theirs."""
        async with Handshake(self.backend, token) as handshake:
            endpoints = await handshake.find()
            before = self.registration
            ours = self._prepare(endpoints.version)
            try:
                theirs = await handshake.tell(method, endpoints, self.credentials(ours))
            except (RefusedUpstreamError, CredentialsError) as err:
                self._undo(before)
                raise HandshakeError(explain_refusal(err, self._name)) from err
            except ValueError as err:
                self._undo(before)
                raise HandshakeError(
                    f"OCPI {endpoints.version} cannot tell who we are: {err}; change "
                    "the configuration"
                ) from err
        return self._conclude(theirs, endpoints.version, ours)

    def _prepare(self, version: str) -> CredentialsToken:
        """Make durable what we are about to tell: they may call us with it at once."""
        before = self.registration
        if before is None or before.state is State.ENDED:
            ours = self.new_token()
        elif before.is_usable:
            ours = before.our_next_token_for_them or self.new_token()
            self.backend.memory.keep(
                replace(before, state=State.ROTATING, our_next_token_for_them=ours)
            )
            return ours
        else:
            # They may have it already, if only the answer was lost.
            ours = before.our_token_for_them
        self.backend.memory.keep(
            Registration(
                state=State.REGISTERING, version=version, our_token_for_them=ours
            )
        )
        return ours

    def _undo(self, before: Registration | None) -> None:
        """Go back after a refusal, but not behind what the backend did meanwhile."""
        now = self.registration
        if now is not None and before is not None and before.is_usable:
            if not now.is_usable:
                return
            before = replace(
                now,
                state=before.state,
                our_next_token_for_them=before.our_next_token_for_them,
            )
        try:
            self.backend.memory.keep(before)
        except StoreFailedError as err:
            # The file tells of a request without an answer, which does no harm.
            _LOGGER.warning("%s: a refusal cannot be kept: %s", self._name, err)

    def _conclude(
        self, theirs: Credentials, version: str, ours: CredentialsToken
    ) -> Registration:
        """Put the outcome of our own request in force."""
        now = self.registration
        if now is not None and now.state is State.ENDED:
            raise HandshakeError(
                f"{self._name} ended the registration while tokens were exchanged. "
                f"{ask_for_another(self._name)}"
            )
        shown = now.our_token_for_them if now is not None and now.is_usable else None
        try:
            return self.accept(theirs, version, ours, shown)
        except StoreFailedError as err:
            self.backend.memory.hold(_registration(theirs, version, ours, shown))
            self.backend.renew()
            raise HandshakeError(
                f"registered, but that cannot be kept: {err}. It is lost with the next "
                "restart; make room before, and run: rfid-agent rotate-credentials "
                f"{self._name}"
            ) from err

    def accept(
        self,
        theirs: Credentials,
        version: str,
        ours: CredentialsToken,
        shown: CredentialsToken | None,
    ) -> Registration:
        """Put new tokens of both sides in force.

        `shown` is what they have used so far, and may use yet. Raise StoreFailedError,
        and then nothing has changed.
        """
        registration = _registration(theirs, version, ours, shown)
        self.backend.memory.keep(registration)
        self.backend.renew()
        _LOGGER.info("%s: registered, OCPI %s", self._name, version)
        return registration


def _registration(
    theirs: Credentials,
    version: str,
    ours: CredentialsToken,
    shown: CredentialsToken | None,
) -> Registration:
    return Registration(
        state=State.REGISTERED,
        version=version,
        serial=secrets.token_hex(4),
        our_token_for_them=ours,
        our_previous_token_for_them=shown,
        their_token_for_us=theirs.token,
        their_roles=theirs.roles,
        hub=theirs.hub,
    )
