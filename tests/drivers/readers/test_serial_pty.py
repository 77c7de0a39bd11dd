"""The serial reader on real terminals and sockets: plugged, unplugged, and no leak."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError
from drivers.readers.base import CardArrived, ReaderUp, Technology
from drivers.readers.formats import em4100, rdm6300
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from tests.drivers.pipes import open_files, run
from tests.drivers.readers.modules import (
    Emulator,
    Sl032Emulator,
    Twn4Emulator,
)
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.serial_bench import Pty

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CARD = bytes.fromhex("62E3086CED")
UID = bytes.fromhex("04A1B2C3D4E5F6")
FRAME = em4100.build(CARD, rdm6300.TAIL)

EMULATORS: list[tuple[Format, Callable[[], Emulator]]] = [
    (Format.SL032, Sl032Emulator),
    (Format.TWN4, Twn4Emulator),
    (Format.TWN4_ASCII, lambda: Twn4Emulator(ascii_hex=True)),
    (Format.PN532, Pn532Emulator),
]
modules = pytest.mark.parametrize(
    ("kind", "emulator"), EMULATORS, ids=[kind.value for kind, _ in EMULATORS]
)


def is_card(event: object, uid: bytes, technology: Technology) -> bool:
    """Whether this is that card's arrival; real time is not looked at."""
    return (
        isinstance(event, CardArrived)
        and event.uid == uid
        and event.technology is technology
    )


def test_a_card_through_a_real_terminal() -> None:
    """Bytes of a frame that come one by one are a card."""

    async def main() -> None:
        with Pty() as pty:
            config = SerialReaderConfig(port=pty.path, format=Format.RDM6300)
            async with aclosing(SerialReader(config).events()) as events:
                assert await anext(events) == ReaderUp(f"rdm6300 reader at {pty.path}")
                for byte in FRAME:
                    pty.send(bytes([byte]))
                    await asyncio.sleep(0)
                assert is_card(await anext(events), CARD, Technology.EM4100)

    run(main())


def test_a_hundred_unplugged_readers_leave_nothing_behind(tmp_path: Path) -> None:
    """One reader is opened, read, torn off and opened again, at the same name."""
    link = tmp_path / "usb-reader"

    async def main() -> None:
        files, threads = open_files(), threading.active_count()
        reader = SerialReader(SerialReaderConfig(port=str(link), format=Format.RDM6300))
        for number in range(100):
            card = number.to_bytes(5)
            with Pty() as pty:
                link.symlink_to(pty.path)
                events = reader.events()
                assert isinstance(await anext(events), ReaderUp)
                pty.send(em4100.build(card, rdm6300.TAIL))
                while not is_card(await anext(events), card, Technology.EM4100):
                    pass
                pty.unplug()
                with pytest.raises(DeviceGoneError):
                    await anext(events)
                link.unlink()
                with pytest.raises(DeviceGoneError, match="usb-reader"):
                    await anext(reader.events())
        assert open_files() == files
        assert threading.active_count() <= threads

    run(main())


@pytest.mark.parametrize(
    ("kind", "emulator"), EMULATORS, ids=[kind.value for kind, _ in EMULATORS]
)
def test_modules_through_a_real_terminal(
    kind: Format, emulator: Callable[[], Emulator]
) -> None:
    """Each module answers, finds a card, is unplugged and plugged in again."""

    async def main() -> None:
        files = open_files()
        for _ in range(3):
            device = emulator()
            device.card = UID
            with Pty(device) as pty:
                config = SerialReaderConfig(port=pty.path, format=kind)
                events = SerialReader(config).events()
                up = await anext(events)
                assert isinstance(up, ReaderUp)
                assert up.device.endswith(f" at {pty.path}")
                assert is_card(await anext(events), UID, Technology.ISO14443)
                pty.unplug()
                with pytest.raises(DeviceGoneError):
                    await anext(events)
        assert open_files() == files

    run(main())


@pytest.mark.parametrize(
    ("kind", "emulator"), EMULATORS, ids=[kind.value for kind, _ in EMULATORS]
)
def test_modules_behind_a_serial_server(
    kind: Format, emulator: Callable[[], Emulator]
) -> None:
    """A module works through a socket, and is gone with the connection."""

    async def main() -> None:
        device = emulator()
        device.card = UID
        hang_up = asyncio.Event()

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            talking = asyncio.create_task(talk(reader, writer))
            await hang_up.wait()
            talking.cancel()
            writer.transport.abort()

        async def talk(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            while data := await reader.read(1000):
                for answer in device.hear(data):
                    writer.write(answer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            url = f"socket://{host}:{port}"
            events = SerialReader(SerialReaderConfig(port=url, format=kind)).events()
            assert isinstance(await anext(events), ReaderUp)
            assert is_card(await anext(events), UID, Technology.ISO14443)
            hang_up.set()
            with pytest.raises(DeviceGoneError, match="socket://"):
                await anext(events)

    run(main())


def test_a_reader_can_be_stopped_while_it_waits() -> None:
    """The shutdown does not wait for a card, and closes the port."""

    async def read_all(path: str) -> None:
        config = SerialReaderConfig(port=path, format=Format.RDM6300)
        async with aclosing(SerialReader(config).events()) as events:
            async for _ in events:
                pass

    async def main() -> None:
        files = open_files()
        with Pty() as pty:
            reading = asyncio.create_task(read_all(pty.path))
            for _ in range(5):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        assert open_files() == files

    run(main())
