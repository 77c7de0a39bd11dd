"""Finding out how a server wants the credentials token written.

The versions disagree on Base64 and servers disagree with the versions, separately
for the versions URL, the version details and the modules of a version.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.ocpi.envelope import is_success, suggests_other_encoding

if TYPE_CHECKING:
    from agent.ocpi.authorization import Encoding
    from agent.ocpi.transport import Call, OcpiClient, Response

_LOGGER = logging.getLogger(__name__)


class ProbingClient:
    """Tries the other encoding once per request until one has worked in a scope.

    From then on that one stays: a later 401 means a bad token, not a bad encoding.
    """

    def __init__(self, client: OcpiClient) -> None:
        self._client = client
        self._settled: dict[str, Encoding] = {}

    async def ask(self, call: Call, scope: str, first: Encoding) -> Response:
        """Send `call`, starting with the encoding `first` while nothing is settled."""
        if (settled := self._settled.get(scope)) is not None:
            return await self._client.send(call, settled)
        response = await self._client.send(call, first)
        if suggests_other_encoding(response):
            second = await self._client.send(call, first.other)
            if not suggests_other_encoding(second):
                response = second
        if is_success(response):
            self._settle(scope, response.encoding, first)
        return response

    def _settle(self, scope: str, encoding: Encoding, expected: Encoding) -> None:
        self._settled[scope] = encoding
        if encoding is not expected:
            _LOGGER.info("%s: the backend reads our token %s", scope, encoding.value)
