"""A backend that calls us: which tokens it may show, and what it may change."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from agent.errors import (
    AgentError,
    CredentialsError,
    StoreFailedError,
    TransientUpstreamError,
)
from agent.ocpi.discovery import discover
from agent.ocpi.memory import State
from agent.ocpi.probing import ProbingClient
from agent.ocpi.server.ports import Access, CredentialsRefusedError
from agent.ocpi.urls import is_same_origin, resolve_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from agent.ocpi.authorization import CredentialsToken
    from agent.ocpi.credentials import Credentials
    from agent.ocpi.memory import Registration
    from agent.ocpi.quirks import Quirk
    from agent.ocpi.registration import Registrar
    from agent.ocpi.station import Source, StationIdentity

_LOGGER = logging.getLogger(__name__)

_CLIENT_ERROR: Final = 2000
_INVALID: Final = 2001
_SERVER_ERROR: Final = 3000
_CANNOT_USE_API: Final = 3001
_UNSUPPORTED_VERSION: Final = 3002
_NO_MATCHING_ENDPOINTS: Final = 3003


class Guest:
    """One backend as the server sees it; `on_changed` hears of new tokens, or none."""

    def __init__(
        self, registrar: Registrar, on_changed: Callable[[], None] = lambda: None
    ) -> None:
        self._registrar = registrar
        self._backend = registrar.backend
        self._upstream = registrar.backend.upstream
        self._on_changed = on_changed
        #: Which of their tokens they have used last, in this run.
        self._shown: CredentialsToken | None = None
        self.name = self._upstream.name

    @property
    def station(self) -> StationIdentity:
        """Who we are to them."""
        return self._upstream.station

    @property
    def quirks(self) -> Collection[Quirk]:
        """What they want otherwise than OCPI says."""
        return self._upstream.quirks

    @property
    def versions(self) -> Sequence[str]:
        """The versions we serve to them."""
        return self._upstream.wanted().versions

    def source(self) -> Source:
        """Whose words their pushes are."""
        return self._backend.source()

    def recognize(self, token: str) -> Access | None:
        """Say what this token opens; every one is compared, in constant time."""
        registration = self._registrar.registration
        if registration is None:
            return None
        given = token.encode()
        matching = [
            known
            for known in registration.tokens_for_them()
            if hmac.compare_digest(known.value.encode(), given)
        ]
        if not matching:
            return None
        if registration.state is State.REGISTERING:
            return Access.SETUP
        self._note_use(registration, matching[0])
        return Access.FULL

    def _note_use(self, registration: Registration, token: CredentialsToken) -> None:
        """Retire the previous token once its successor has been shown."""
        self._shown = token
        is_present = token.value == registration.our_token_for_them.value
        if registration.our_previous_token_for_them is None or not is_present:
            return
        memory = self._backend.memory
        now = replace(registration, our_previous_token_for_them=None)
        try:
            memory.keep(now)
        except StoreFailedError as err:
            # It is retired until the next start, and no reason to turn them away.
            memory.hold(now)
            _LOGGER.warning("%s: an old token is still kept: %s", self.name, err)

    def credentials(self) -> Credentials:
        """What we gave them."""
        registration = self._registrar.registration
        if registration is None:
            raise CredentialsRefusedError(_CLIENT_ERROR, "not registered")
        return self._registrar.credentials(registration.our_token_for_them)

    async def replace(self, credentials: Credentials, version: str) -> Credentials:
        """Take their new token, after a look at what they serve; answer with ours."""
        changing, shown = self._registrar.changing, self._shown
        if changing.locked():
            # We would wait for each other: they, before they answer our own request.
            raise CredentialsRefusedError(
                _SERVER_ERROR, "tokens are being exchanged already; try again later"
            )
        async with changing:
            await self._look(credentials, version)
            registration = self._registrar.registration
            if registration is None or not registration.is_usable:
                raise CredentialsRefusedError(_CLIENT_ERROR, "not registered any more")
            ours = self._registrar.new_token()
            try:
                self._registrar.accept(credentials, version, ours, shown)
            except StoreFailedError as err:
                raise CredentialsRefusedError(
                    _SERVER_ERROR, "the new credentials cannot be kept now"
                ) from err
        self._on_changed()
        return self._registrar.credentials(ours)

    async def _look(self, credentials: Credentials, version: str) -> None:
        """Try the new token where they say they are, as OCPI demands."""
        url = resolve_url(credentials.url, "")
        if url is None or not is_same_origin(url, self._upstream.origin):
            raise CredentialsRefusedError(
                _INVALID, "url: expected the server that this station is configured for"
            )
        client = self._backend.open_client(credentials.token)
        wanted = replace(self._upstream.wanted(version), tokens=False)
        try:
            found = await discover(ProbingClient(client), str(url), wanted)
        except (TransientUpstreamError, CredentialsError) as err:
            raise CredentialsRefusedError(
                _CANNOT_USE_API, f"your API cannot be used with this token: {err}"
            ) from err
        except AgentError as err:
            raise CredentialsRefusedError(_UNSUPPORTED_VERSION, str(err)) from err
        finally:
            await client.close()
        if found.tokens is None and self._upstream.has_tokens:
            raise CredentialsRefusedError(
                _NO_MATCHING_ENDPOINTS, "expected an endpoint tokens, as sender"
            )

    async def end(self) -> None:
        """Let them go; the operator is told. StoreFailedError if it cannot be kept."""
        registration = self._registrar.registration
        if registration is None:
            return
        ended = replace(registration, state=State.ENDED)
        # Whatever becomes of the file, their token is worth nothing from now on.
        self._backend.memory.hold(ended)
        self._backend.renew()
        self._on_changed()
        self._backend.memory.keep(ended)
