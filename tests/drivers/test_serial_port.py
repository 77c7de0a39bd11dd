"""Open serial lines: every byte once, and every way in which they fail."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from drivers import serial_port
from drivers.errors import DeviceGoneError, TransientDeviceError
from drivers.serial_line import READ_BYTES
from drivers.serial_port import SerialPort
from tests.drivers.pipes import open_files, run
from tests.drivers.serial_bench import EVERY_BYTE, Pty, read_all

if TYPE_CHECKING:
    from pathlib import Path


def test_bytes_pass_unchanged_both_ways() -> None:
    """No byte means anything to the terminal in between, and none is echoed."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                pty.send(EVERY_BYTE)
                assert await read_all(port, 256) == EVERY_BYTE
                asyncio.get_running_loop().remove_reader(pty.master)
                await port.write(EVERY_BYTE)
                assert os.read(pty.master, 1000) == EVERY_BYTE
                pty.send(b"next")
                assert await port.read() == b"next"

    run(main())


def test_a_link_by_id_is_as_good_as_the_path(tmp_path: Path) -> None:
    """Udev's links work, and the line keeps the name that it was configured with."""

    async def main() -> None:
        with Pty() as pty:
            link = tmp_path / "usb-FTDI_RDM6300-if00-port0"
            link.symlink_to(pty.path)
            async with SerialPort(str(link)) as port:
                assert port.name == str(link)
                pty.send(b"hello")
                assert await port.read() == b"hello"

    run(main())


def test_a_read_takes_what_is_there() -> None:
    """One call returns at most READ_BYTES and waits for no more than one byte."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                pty.send(b"x" * (READ_BYTES - 1))
                assert 0 < len(await port.read()) <= READ_BYTES

    run(main())


def test_a_cancelled_read_loses_nothing() -> None:
    """Bytes that come while the reading task is cancelled are read by the next."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                for size in range(1, 20):
                    reading = asyncio.create_task(port.read())
                    await asyncio.sleep(0)
                    pty.send(b"c" * size)
                    for _ in range(size % 4):  # Before, during and after it is woken
                        await asyncio.sleep(0)
                    reading.cancel()
                    (result,) = await asyncio.gather(reading, return_exceptions=True)
                    data = result if isinstance(result, bytes) else b""
                    data += await read_all(port, size - len(data))
                    assert data == b"c" * size

    run(main())


def test_a_waiting_read_does_not_keep_the_loop_busy() -> None:
    """The watcher is gone as soon as a read is over."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                assert isinstance(port._line, serial_port._Tty)
                fd = port._line._fd
                pty.send(b"twice")
                await port.read()
                assert not loop.remove_reader(fd)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0):
                        await port.read()
                assert not loop.remove_reader(fd)

    run(main())


def test_a_large_write_waits_for_the_device() -> None:
    """What does not fit at once follows when there is room."""
    data = EVERY_BYTE * 1000

    async def main() -> None:
        with Pty() as pty:
            asyncio.get_running_loop().remove_reader(pty.master)
            async with SerialPort(pty.path) as port:
                writing = asyncio.create_task(port.write(data))
                came = b""
                os.set_blocking(pty.master, False)
                while len(came) < len(data):
                    await asyncio.sleep(0)
                    try:
                        came += os.read(pty.master, 65_536)
                    except BlockingIOError:
                        continue
                await writing
                assert came == data

    run(main())


def test_a_write_that_nobody_takes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that takes no bytes is a failure after the time that it has."""
    monkeypatch.setattr(serial_port, "WRITE_TIMEOUT_S", 0.05)

    async def main() -> None:
        before = open_files()
        with Pty() as pty:
            asyncio.get_running_loop().remove_reader(pty.master)
            async with SerialPort(pty.path) as port:
                with pytest.raises(TransientDeviceError, match=r"took no bytes for"):
                    await port.write(b"x" * 1_000_000)
        assert open_files() == before

    run(main())


def test_unplugging_ends_a_waiting_read() -> None:
    """A read that waits hears that the device is gone, and so does every later one."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                reading = asyncio.create_task(port.read())
                await asyncio.sleep(0)
                pty.unplug()
                with pytest.raises(DeviceGoneError, match=pty.path):
                    await reading
                with pytest.raises(DeviceGoneError):
                    await port.read()
                with pytest.raises(DeviceGoneError):
                    await port.write(b"x")

    run(main())
