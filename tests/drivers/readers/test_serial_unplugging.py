"""Serial readers that are torn off a hundred times in mid-use, and found again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError
from drivers.readers.base import CardArrived, ReaderUp
from drivers.readers.formats import em4100, rdm6300
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from tests.drivers.pipes import open_files, run
from tests.drivers.readers.modules import Emulator, Sl032Emulator, Twn4Emulator
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.serial_bench import Pty

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

    from drivers.readers.base import ReaderEvent

TIMES = 100
DEADLINE_S = 60.0  # For all of them, on a busy machine


class Rdm6300Emulator(Emulator):
    """A reader that hears nothing, and tells of its card when it is told to."""

    def _next_question(self) -> bytes | None:
        return None

    def _answer(self, question: bytes) -> Iterator[bytes]:
        raise NotImplementedError

    @property
    def report(self) -> bytes:
        """What it sends for the card that is held to it."""
        return em4100.build(self.card, rdm6300.TAIL)


EMULATORS: dict[Format, Callable[[], Emulator]] = {
    Format.RDM6300: Rdm6300Emulator,
    Format.SL032: Sl032Emulator,
    Format.TWN4: Twn4Emulator,
    Format.TWN4_ASCII: lambda: Twn4Emulator(ascii_hex=True),
    Format.PN532: Pn532Emulator,
}


def make_reader(kind: Format, port: str) -> SerialReader:
    """Configure a reader that asks as often as it can."""
    return SerialReader(
        SerialReaderConfig(port=port, format=kind, poll_every=timedelta(milliseconds=1))
    )


def make_device(kind: Format, number: int) -> Emulator:
    """Make the device, with a card of this number on it."""
    device = EMULATORS[kind]()
    length = 5 if kind is Format.RDM6300 else 7
    device.card = b"\x04" + number.to_bytes(length - 1)
    return device


async def see_card(events: AsyncGenerator[ReaderEvent], uid: bytes) -> None:
    """Wait for its arrival; what was there before it may leave first."""
    event = await anext(events)
    while not isinstance(event, CardArrived):
        event = await anext(events)
    assert event.uid == uid


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop work until it is so."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never was")


@pytest.mark.parametrize("kind", EMULATORS)
def test_a_terminal_that_is_torn_off(kind: Format, tmp_path: Path) -> None:
    """Opened, read, torn off, missed and opened again by its name: nothing is left."""
    link = tmp_path / "usb-reader"

    async def main() -> None:
        reader = make_reader(kind, str(link))
        files, threads = open_files(), threading.active_count()
        for number in range(TIMES):
            device = make_device(kind, number)
            with Pty(device) as pty:
                link.symlink_to(pty.path)
                events = reader.events()
                assert isinstance(await anext(events), ReaderUp)
                if isinstance(device, Rdm6300Emulator):
                    pty.send(device.report)
                await see_card(events, device.card)
                pty.unplug()
                with pytest.raises(DeviceGoneError):
                    await anext(events)
                link.unlink()
                with pytest.raises(DeviceGoneError, match="usb-reader"):
                    await anext(reader.events())
            assert open_files() == files
        assert threading.active_count() <= threads

    run(main(), DEADLINE_S)


class SerialServer:
    """A serial server with one device and one client."""

    def __init__(self) -> None:
        self.device: Emulator = Rdm6300Emulator()
        self.client: asyncio.StreamWriter | None = None

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass bytes to the device, and its answers back."""
        self.client = writer
        with contextlib.suppress(OSError):
            while data := await reader.read(1000):
                for answer in self.device.hear(data):
                    writer.write(answer)
        writer.transport.abort()
        self.client = None

    async def break_off(self) -> None:
        """Lose the connection."""
        assert self.client is not None
        self.client.transport.abort()
        await until(lambda: self.client is None)


@pytest.mark.parametrize("kind", EMULATORS)
def test_a_serial_server_that_breaks_off(kind: Format) -> None:
    """Its reader works through a socket, is gone with it, and is there again."""

    async def main() -> None:
        server = SerialServer()
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        async with listener:
            host, port = listener.sockets[0].getsockname()
            reader = make_reader(kind, f"socket://{host}:{port}")
            files, threads = open_files(), threading.active_count()
            for number in range(TIMES):
                server.device = device = make_device(kind, number)
                events = reader.events()
                assert isinstance(await anext(events), ReaderUp)
                if isinstance(device, Rdm6300Emulator):
                    await until(lambda: server.client is not None)
                    assert server.client is not None
                    server.client.write(device.report)
                await see_card(events, device.card)
                await server.break_off()
                with pytest.raises(DeviceGoneError, match="socket://"):
                    await anext(events)
                await until(lambda: open_files() == files)
            assert threading.active_count() <= threads

    run(main(), DEADLINE_S)
