"""Finding out how a server wants the credentials token written.

The versions disagree on Base64 and servers disagree with the versions, separately
for the versions URL, the version details and the modules of a version.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from agent.ocpi.envelope import (
    Judgement,
    is_success,
    judge,
    read_envelope,
    suggests_other_encoding,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.ocpi.authorization import Encoding
    from agent.ocpi.transport import Call, OcpiClient, Response

_LOGGER = logging.getLogger(__name__)

_UNAUTHORIZED: Final = (401, 403)
_NOT_FOUND: Final = 404


class ProbingClient:
    """Tries the other encoding once per request until one has worked in a scope.

    From then on that one stays: a later 401 means a bad token, not a bad encoding.
    The encodings in `known` worked before this start: each is doubted until it has
    worked again, or until the other one has been refused as well. `on_settled` is
    told all that is settled whenever that has changed.
    """

    def __init__(
        self,
        client: OcpiClient,
        known: Mapping[str, Encoding] | None = None,
        on_settled: Callable[[Mapping[str, Encoding]], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._settled = dict(known or {})
        self._doubted = set(self._settled)
        self._on_settled = on_settled

    def forget(self) -> None:
        """Find out everything again: the token, or who reads it, is another one."""
        if self._settled:
            self._settled.clear()
            self._on_settled({})

    async def ask(self, call: Call, scope: str, first: Encoding) -> Response:
        """Send `call`, starting with the encoding `first` while nothing is settled."""
        settled = self._settled.get(scope)
        response = await self._client.send(call, settled or first)
        if settled is not None and scope not in self._doubted:
            return response
        if not suggests_other_encoding(response):
            if is_success(response):
                self._settle(scope, response.encoding, first)
            return response
        second = await self._client.send(call, response.encoding.other)
        if suggests_other_encoding(second):
            self._doubted.discard(scope)
            # A token that has worked elsewhere is not what is wrong.
            return response if self._settled else _plainer(response, second)
        if _knows_us(second):
            self._settle(scope, second.encoding, first)
            return second
        # What a server makes of a spelling that it cannot read tells nothing.
        return response if response.status in _UNAUTHORIZED else second

    def _settle(self, scope: str, encoding: Encoding, expected: Encoding) -> None:
        self._doubted.discard(scope)
        if self._settled.get(scope) is encoding:
            return
        self._settled[scope] = encoding
        if encoding is not expected:
            _LOGGER.info("%s: the backend reads our token %s", scope, encoding.value)
        self._on_settled(dict(self._settled))


def _plainer(first: Response, second: Response) -> Response:
    """Choose among two refusals the one that names the token as what is wrong.

    A spelling that a server cannot read may look to it like trouble of its own.
    """
    is_vague = first.status not in _UNAUTHORIZED and second.status in _UNAUTHORIZED
    return second if is_vague else first


def _knows_us(response: Response) -> bool:
    """Whether the token was accepted, though the other spelling was not.

    Not every refusal says so: a server may find the spelling itself malformed.
    """
    envelope = read_envelope(response.body)
    verdict = judge(response.status, envelope.status_code if envelope else None)
    if verdict is Judgement.REFUSED:
        return response.status < 300 or response.status == _NOT_FOUND  # noqa: PLR2004 - 2xx
    return verdict is Judgement.SUCCESS
