"""What a request brings along: JSON of a bounded size, within a deadline."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw
from starlette.requests import ClientDisconnect

from agent.ocpi.envelope import UNREADABLE
from agent.ocpi.server.answers import CLIENT_ERROR, INVALID, RequestError

if TYPE_CHECKING:
    from starlette.requests import Request

    from agent.ocpi.server.options import Limits

_JSON: Final = "application/json"


class Body:
    """The body of one request; nothing of it is read before it is asked for."""

    def __init__(self, request: Request, max_bytes: int, limits: Limits) -> None:
        self._request = request
        self._max_bytes = max_bytes
        self._limits = limits
        headers = request.headers
        self._length = _read_length(headers.get("content-length"))
        self._is_awaited = self._length > 0 or "transfer-encoding" in headers
        # The first look at the body tells such a client to send it.
        self._is_held_back = "expect" in headers

    async def read_object(self) -> Raw:
        """Take a JSON object; raise RequestError for anything else."""
        self._check_type()
        content = await self._read()
        try:
            value = msgspec.json.decode(content)
        except UNREADABLE as err:
            raise _bad("expected JSON, got something else") from err
        if not isinstance(value, dict):
            raise RequestError(INVALID, "expected a JSON object, got another value")
        return Raw(content)

    async def finish(self) -> bool:
        """Let a short rest come in; say whether nothing is left of the body.

        Whoever is cut off while sending may never see the answer.
        """
        if self._is_held_back:
            return not self._is_awaited
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(self._limits.unread):
                await self._drop()
        return not self._is_awaited

    def _check_type(self) -> None:
        headers = self._request.headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _JSON:
            raise _bad(f"Content-Type: expected {_JSON}")
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _bad("Content-Encoding: expected none")

    async def _read(self) -> bytes:
        if self._length > self._max_bytes:
            raise self._too_large()
        content = bytearray()
        try:
            async with asyncio.timeout(self._limits.body):
                while self._is_awaited:
                    content += await self._receive()
                    if len(content) > self._max_bytes:
                        raise self._too_large()
        except TimeoutError as err:
            raise RequestError(
                CLIENT_ERROR,
                f"the body did not arrive within {self._limits.body:g} s",
                http_status=408,
            ) from err
        return bytes(content)

    async def _drop(self) -> None:
        left = self._limits.unread_bytes
        while self._is_awaited and left > 0:
            left -= len(await self._receive())

    async def _receive(self) -> bytes:
        self._is_held_back = False
        message = await self._request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        self._is_awaited = bool(message.get("more_body", False))
        content: bytes = message.get("body", b"")
        return content

    def _too_large(self) -> RequestError:
        return RequestError(
            CLIENT_ERROR,
            f"expected at most {self._max_bytes} bytes",
            http_status=413,
        )


def _read_length(value: str | None) -> int:
    """Read what the server's parser has checked."""
    return int(value) if value else 0


def _bad(message: str) -> RequestError:
    return RequestError(CLIENT_ERROR, message, http_status=400)
