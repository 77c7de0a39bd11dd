"""Talking to a backend about credentials (OCPI 2.2.1 credentials); keeps nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Self

from msgspec import Raw
from msgspec.structs import replace

from agent.errors import (
    CredentialsError,
    HandshakeError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.discovery import discover
from agent.ocpi.envelope import open_envelope, unwrap_single
from agent.ocpi.probing import ProbingClient
from agent.ocpi.transport import Call
from agent.ocpi.wire import SUPPORTED

if TYPE_CHECKING:
    from types import TracebackType

    from agent.ocpi.authorization import CredentialsToken
    from agent.ocpi.backend import Backend
    from agent.ocpi.credentials import Credentials
    from agent.ocpi.discovery import Endpoints
    from agent.ocpi.transport import Response

_LOGGER = logging.getLogger(__name__)

_NOT_REGISTERED: Final = (401, 403, 404, 405)
_METHOD_NOT_ALLOWED: Final = 405
_CANNOT_REACH_US: Final = (3000, 3001)
_HINTS: Final[dict[int | None, str]] = {
    3002: "; name another version in [[upstream]]",
    3003: "; they miss a module that a station does not have: ask their operator",
}


class Handshake:
    """One conversation under one token; to be used as a context."""

    def __init__(self, backend: Backend, token: CredentialsToken) -> None:
        self._upstream = backend.upstream
        self._name = backend.upstream.name
        self._client = backend.open_client(token)
        self._probing = ProbingClient(self._client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def find(self) -> Endpoints:
        """Look where to register, in the newest version that both sides speak.

        Raise HandshakeError, or TransientUpstreamError; nothing has been told then.
        """
        upstream = self._upstream
        try:
            endpoints = await discover(
                self._probing, upstream.versions_url, upstream.wanted()
            )
        except CredentialsError as err:
            raise HandshakeError(f"{err}. {ask_for_another(self._name)}") from err
        except RefusedUpstreamError as err:
            raise HandshakeError(f"{err}. Nothing has changed here.") from err
        if endpoints.credentials is None:
            raise HandshakeError(
                f"{self._name}: OCPI {endpoints.version} is offered without a "
                "credentials endpoint, so nobody can register there; use the token "
                "for good, with handshake = false"
            )
        return endpoints

    async def tell(
        self, method: str, endpoints: Endpoints, ours: Credentials
    ) -> Credentials:
        """Send our credentials and return theirs.

        Raise HandshakeError if it is not known what became of them; what a refusal
        means; and ValueError, before anything is sent, for what cannot be written.
        """
        wire = SUPPORTED[endpoints.version]
        call = Call(
            method=method,
            url=endpoints.credentials or "",
            body=wire.encode_credentials(ours),
            private=ours.token.spellings(),
        )
        try:
            data = open_envelope(await self._ask(endpoints, call))
        except TransientUpstreamError as err:
            words = self._after_silence(str(err), ours.url)
            raise HandshakeError(f"{err}. {words}") from err
        try:
            return wire.decode_credentials(unwrap_single(data) or Raw())
        except ValueError as err:
            raise HandshakeError(
                f"{call.name}: the credentials in the answer cannot be read: {err}. "
                f"{self._after_silence('', ours.url)}"
            ) from err

    async def say_goodbye(self, version: str | None) -> None:
        """Unregister; whoever does not know us any more needs no telling.

        Raise the agent's upstream errors but for CredentialsError.
        """
        upstream = self._upstream
        # Whatever else it lacks by now, its credentials are all we need.
        wanted = replace(upstream.wanted(version), tokens=False)
        try:
            endpoints = await discover(self._probing, upstream.versions_url, wanted)
        except CredentialsError:
            _LOGGER.info("%s: did not know us any more", self._name)
            return
        if endpoints.credentials is None:
            return
        call = Call(method="DELETE", url=endpoints.credentials)
        response = await self._ask(endpoints, call)
        if response.status in _NOT_REGISTERED:
            _LOGGER.info("%s: did not know us any more", self._name)
        else:
            open_envelope(response)

    async def _ask(self, endpoints: Endpoints, call: Call) -> Response:
        scope = f"{endpoints.version} modules"
        return await self._probing.ask(call, scope, endpoints.encoding)

    def _after_silence(self, words: str, our_versions_url: str) -> str:
        reach = (
            f"Perhaps they could not reach {our_versions_url}. "
            if any(f"OCPI {code}" in words for code in _CANNOT_REACH_US)
            else ""
        )
        return (
            f"{reach}The backend may have registered us all the same: try the same "
            "command again; if it then does not accept the token, ask its operator "
            f"for a new one and run: rfid-agent register --again {self._name}"
        )


def ask_for_another(name: str) -> str:
    """Say how to go on when the token for registering is of no use any more."""
    return (
        f"Ask the operator of {name} for a new token for registering, put it where the "
        f"configuration says, and run: rfid-agent register --again {name}"
    )


def explain_refusal(err: RefusedUpstreamError | CredentialsError, name: str) -> str:
    """Say what a refusal of our credentials asks of a person."""
    if isinstance(err, CredentialsError):
        return f"{err}. {ask_for_another(name)}"
    if err.http_status == _METHOD_NOT_ALLOWED:
        return (
            f"{err}: the two sides disagree on whether we are registered. Have the "
            f"operator of {name} remove our registration and hand out a new token, "
            f"then run: rfid-agent register --again {name}"
        )
    return f"{err}. Nothing has changed here{_HINTS.get(err.ocpi_status, '')}."
