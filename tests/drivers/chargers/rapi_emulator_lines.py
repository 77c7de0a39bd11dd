"""Lines to an emulated controller: in memory, on a pty, on TCP; each may be bad."""

from __future__ import annotations

import asyncio
import os
import pty
import threading
import tty
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeVar

from drivers.errors import DeviceGoneError
from tests.drivers.chargers.rapi_emulator import Build, Emulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

T = TypeVar("T")

#: Turns what the controller says into the pieces that arrive, each by itself.
Mangle = Callable[[bytes], list[bytes]]


def whole(line: bytes) -> list[bytes]:
    """Leave it as it is."""
    return [line]


def byte_by_byte(line: bytes) -> list[bytes]:
    """Let it trickle."""
    return [bytes([byte]) for byte in line]


class MemoryLine:
    """A line without a device, for virtual time; what is said arrives `delay_s` later.

    The emulator runs on the same loop.
    """

    def __init__(self, build: Build | None = None, *, delay_s: float = 0.001) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay_s = delay_s
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._under_way: list[bytes] = []
        self.mangle: Mangle = whole
        self.is_cut = False
        #: How often it was opened, and how often that was tried.
        self.opened = self.tries = 0
        self.emulator = Emulator(self._loop, self.say, build or Build())
        #: Who is at the other end.
        self.receive: Callable[[bytes], object] = self.emulator.receive

    @asynccontextmanager
    async def open(self, url: str, baudrate: int) -> AsyncIterator[Self]:
        """Stand in for SerialPort."""
        del url, baudrate
        self.tries += 1
        if self.is_cut:
            raise DeviceGoneError("there is no such line")
        self.opened += 1
        self._pieces = asyncio.Queue()
        yield self

    async def read(self) -> bytes:
        """Wait for the next piece."""
        piece = await self._pieces.get()
        if piece is None:
            raise DeviceGoneError("the line was cut")
        return piece

    async def write(self, data: bytes) -> None:
        """Send it on its way."""
        if self.is_cut:
            raise DeviceGoneError("the line was cut")
        self._loop.call_later(self._delay_s, self.receive, data)

    def cut(self) -> None:
        """Unplug it."""
        self.is_cut = True
        self._pieces.put_nowait(None)

    def mend(self) -> None:
        """Plug it in again."""
        self.is_cut = False

    def say(self, line: bytes) -> None:
        """Have it arrive, mangled as it may be."""
        # Timers of one moment fire in any order; a line keeps it.
        self._under_way += self.mangle(line)
        self._loop.call_later(self._delay_s, self._arrive)

    def _arrive(self) -> None:
        for piece in self._under_way:
            self._pieces.put_nowait(piece)
        self._under_way.clear()


class PtyLine:
    """A pty at a path of its own, plugged in and out; runs on the current loop."""

    def __init__(self, path: Path, build: Build | None = None) -> None:
        self.url = str(path)
        self.mangle: Mangle = whole
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._ends: tuple[int, int] | None = None
        self.emulator = Emulator(self._loop, self._say, build or Build())
        self.plug_in()

    def plug_in(self) -> None:
        """Let the port be there."""
        # Ours of the other end, too: with nobody there, this end would fail.
        self._ends = here, there = pty.openpty()
        tty.setraw(there)
        os.set_blocking(here, False)
        self._path.symlink_to(os.ttyname(there))
        self._loop.add_reader(here, self._receive, here)

    def unplug(self) -> None:
        """Let the port be gone."""
        if self._ends is None:
            return
        self._path.unlink()
        self._loop.remove_reader(self._ends[0])
        for end in self._ends:
            os.close(end)
        self._ends = None

    async def close(self) -> None:
        """Unplug it for good."""
        self.unplug()

    def _receive(self, here: int) -> None:
        with suppress(BlockingIOError):
            self.emulator.receive(os.read(here, 4096))

    def _say(self, line: bytes) -> None:
        if self._ends is None:
            return
        for piece in self.mangle(line):
            with suppress(BlockingIOError):  # Nobody has read for long.
                os.write(self._ends[0], piece)


class TcpLine:
    """A serial server on loopback; runs on the current loop."""

    def __init__(self, build: Build | None = None) -> None:
        self.mangle: Mangle = whole
        self.emulator = Emulator(
            asyncio.get_running_loop(), self._say, build or Build()
        )
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self) -> None:
        """Listen; `url` says where."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        """Where it is."""
        assert self._server is not None
        return f"socket://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def unplug(self) -> None:
        """Drop the connection; the next one is taken."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    def plug_in(self) -> None:
        """Do nothing: it listens all the time."""

    async def close(self) -> None:
        """Listen no more."""
        self.unplug()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writer = writer
        with suppress(OSError):
            while data := await reader.read(4096):
                self.emulator.receive(data)
        writer.transport.abort()

    def _say(self, line: bytes) -> None:
        if self._writer is not None:
            for piece in self.mangle(line):
                self._writer.write(piece)


async def make_line(kind: str, folder: Path, build: Build) -> PtyLine | TcpLine:
    """Put a controller on a "pty" in a folder, or behind a serial server."""
    if kind == "pty":
        return PtyLine(folder / "evse", build)
    line = TcpLine(build)
    await line.serve()
    return line


class EmulatorThread:
    """A line that runs beside tests without a loop; a context manager."""

    def __init__(
        self, line: Callable[[], Coroutine[None, None, PtyLine | TcpLine]]
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._make = line

    def __enter__(self) -> Self:
        self._thread.start()
        self.line = self._run(self._make())
        self.url = self.line.url
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._run(self.line.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, act: Callable[[Emulator], T]) -> T:
        """Do something to the emulator, or ask it."""

        async def main() -> T:
            return act(self.line.emulator)

        return self._run(main())

    def unplug(self) -> None:
        """Pull the plug."""
        self.do(lambda _: self.line.unplug())

    def plug_in(self) -> None:
        """Put it back."""
        self.do(lambda _: self.line.plug_in())

    def _run(self, main: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(main, self._loop).result(10)
