"""An OCPI 2.2.1 backend on loopback that sends whatever bytes a test makes up."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from tests.agent.ocpi.peer import DETAILS, TOKENS, VERSIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

_HOST: Final = "127.0.0.1"


@dataclass
class Reply:
    """What is sent: `headers` line by line, then the body piece by piece.

    `length` is what the server claims; None claims nothing, and the end of the body is
    the end of the connection, as it is when the reply `is_cut`. `after_body` is called
    then, and the rest is silence.
    """

    body: Iterable[bytes] = ()
    status: int = 200
    headers: tuple[str, ...] = ()
    content_type: str = "application/json"
    length: int | None = None
    is_cut: bool = False
    after_body: Callable[[], object] | None = None

    @classmethod
    def of(cls, data: object, *headers: str, **more: Any) -> Reply:  # noqa: ANN401 - fields
        """Answer as the book says."""
        return cls.raw(json.dumps(data).encode(), *headers, **more)

    @classmethod
    def raw(cls, data: bytes, *headers: str, **more: Any) -> Reply:  # noqa: ANN401 - fields
        """Answer success with `data` as it stands."""
        body = b'{"status_code":1000,"data":' + data + b"}"
        length = more.pop("length", len(body))
        return cls([body], headers=headers, length=length, **more)


@dataclass
class RawServer:
    """Serves versions and details by the book, and the list by `reply` to a query."""

    reply: Callable[[dict[str, str]], Reply]
    queries: list[dict[str, str]] = field(default_factory=list)
    sent_bytes: int = 0
    url: str = ""

    @property
    def versions_url(self) -> str:
        """The URL an operator would be given."""
        return self.url + VERSIONS

    @property
    def tokens_url(self) -> str:
        """Where the list is."""
        return self.url + TOKENS

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until the context is left."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                while await self._answer(reader, writer):
                    pass
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # The client has had enough.
            except asyncio.CancelledError:
                pass  # The test is over.
            finally:
                tasks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(serve, _HOST, 0)
        self.url = f"http://{_HOST}:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; say whether the connection is good for another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        parts = urlsplit(head.split(" ")[1])
        reply = self._choose(parts.path, dict(parse_qsl(parts.query)))
        lines = [f"HTTP/1.1 {reply.status} X", f"Content-Type: {reply.content_type}"]
        if reply.length is not None:
            lines.append(f"Content-Length: {reply.length}")
        lines += reply.headers
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        for piece in reply.body:
            writer.write(piece)
            await writer.drain()
            self.sent_bytes += len(piece)
        if reply.after_body is not None:
            reply.after_body()
            await reader.read()
        return reply.length is not None and not reply.is_cut

    def _choose(self, path: str, query: dict[str, str]) -> Reply:
        if path == VERSIONS:
            return Reply.of([{"version": "2.2.1", "url": self.url + DETAILS}])
        if path == DETAILS:
            tokens = {"identifier": "tokens", "role": "SENDER", "url": self.tokens_url}
            return Reply.of({"version": "2.2.1", "endpoints": [tokens]})
        self.queries.append(query)
        return self.reply(query)
