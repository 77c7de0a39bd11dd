"""Serial readers that never stop talking: cards are found, and others go on."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.readers.base import CardArrived, ReaderUp
from drivers.readers.formats import dialogue, em4100, id12, rdm6300
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from drivers.serial_line import READ_BYTES
from tests.drivers.pipes import open_files

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CHUNKS = 16
CHUNK_BYTES = 2**15
DEADLINE_S = 60.0
CARD = bytes.fromhex("62E3086CED")
#: What never ends, and what a card looks like behind it.
HEARD = [
    (Format.RDM6300, b"\x02A", em4100.build(CARD, rdm6300.TAIL)),
    (Format.ID12, b"\x02", em4100.build(CARD, id12.TAIL)),
    (Format.ASCII, b"62E3086CED", b"\r\n62E3086CED\r\n"),
    (Format.WIEGAND, b"62E3086C", b"\r62E3086C\r"),
]


async def serve(
    talk: Callable[[asyncio.StreamWriter], Awaitable[None]],
    use: Callable[[str], Awaitable[None]],
) -> None:
    """Run a serial server with a talkative device; nothing may stay open."""

    async def serve_one(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            await talk(writer)
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    async with server, asyncio.timeout(DEADLINE_S):
        host, port = server.sockets[0].getsockname()
        files = open_files()
        await use(f"socket://{host}:{port}")
        while open_files() > files:  # noqa: ASYNC110 - the server's end closes late
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("kind", "noise", "card"), HEARD)
def test_a_card_behind_all_that_noise(kind: Format, noise: bytes, card: bytes) -> None:
    """It arrives, and the loop had time for others all along."""
    turns = 0

    async def talk(writer: asyncio.StreamWriter) -> None:
        for _ in range(CHUNKS):
            writer.write(noise * (CHUNK_BYTES // len(noise)))
            await writer.drain()
        writer.write(card)
        await writer.drain()

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def use(url: str) -> None:
        counting = asyncio.create_task(count_turns())
        config = SerialReaderConfig(port=url, format=kind)
        async with aclosing(SerialReader(config).events()) as events:
            # Such noise makes it doubt, and say so.
            while isinstance(event := await anext(events), ReaderUp):
                pass
        assert isinstance(event, CardArrived)
        assert event.uid == CARD[: len(event.uid)]
        counting.cancel()
        assert turns >= CHUNKS * CHUNK_BYTES // READ_BYTES

    asyncio.run(serve(talk, use))


@pytest.mark.parametrize(
    "kind", [Format.TWN4, Format.TWN4_ASCII, Format.SL032, Format.PN532]
)
def test_a_module_that_never_stops_does_not_start(
    kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After all tries it is a failure, of which the message tells the cause."""
    monkeypatch.setattr(dialogue, "ANSWER_S", 0.05)
    monkeypatch.setattr(dialogue, "SETTLE_S", 0.05)

    async def talk(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"\x00\xff\xbd7" * 4096)
            await writer.drain()
            await asyncio.sleep(0.001)

    async def use(url: str) -> None:
        config = SerialReaderConfig(
            port=url, format=kind, poll_every=timedelta(milliseconds=1)
        )
        with pytest.raises(TransientDeviceError, match="no valid answer in"):
            await anext(SerialReader(config).events())

    asyncio.run(serve(talk, use))
