"""Servers that are opened only, and the certificate of this machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace

from agent.errors import ConfigError
from agent.ocpi.server import OcpiServer, ServerOptions
from tests.agent.ocpi.server.hosting import PUBLIC, FakePeer, MemoryBook, MemorySessions
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

    import trustme

OPTIONS = ServerOptions(public_url=PUBLIC, listen="127.0.0.1:0")


class Files(NamedTuple):
    """A certificate for this machine."""

    ca: trustme.CA
    chain: Path
    key: Path


def with_tls(files: Files, listen: str = "127.0.0.1:0") -> ServerOptions:
    """Serve TLS with this certificate."""
    return replace(OPTIONS, listen=listen, certificate=files.chain, key=files.key)


def server_of(options: ServerOptions) -> OcpiServer:
    """Make a server that nobody has opened yet."""
    return OcpiServer(
        options, [FakePeer()], MemoryBook(), MemorySessions(), clock=FakeClock()
    )


def open_and_close(options: ServerOptions) -> None:
    """Open a server and close it."""

    async def main() -> None:
        async with server_of(options).open():
            pass

    asyncio.run(main())


def complaint(options: ServerOptions) -> str:
    """Say why a server cannot be opened."""
    with pytest.raises(ConfigError) as caught:
        open_and_close(options)
    return str(caught.value)
