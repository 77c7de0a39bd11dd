"""Chargers and a meter, with their other ends played here."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.drivers import fakes, metered
from benchmarks.drivers.peers import DescriptorPeer, Stamp
from benchmarks.drivers.subject import Subject, after
from drivers.chargers.command import CommandCharger
from drivers.chargers.modbus import ModbusCharger
from drivers.chargers.openevse import OpenEvseCharger
from drivers.chargers.simulated import SimulatedCharger
from tests.drivers.chargers.rapi_emulator_lines import EmulatorThread, PtyLine
from tests.drivers.modbus.evse import CONNECTED, READY
from tests.drivers.modbus.server import METER_ID, Station, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from pathlib import Path

_UP: Final = "ChargerUp"
_CHANGES: Final = ("Connected", "Disconnected")
_LOOKS: Final = 60  # Each change waits for one
_LOOK_OFTEN: Final = {"poll_every": "PT0.002S", "pause": "PT0S"}
_CHARGER: Final = {"limit_amps": 16}


def subjects(directory: Path) -> list[AbstractContextManager[Subject]]:
    """All of them, each made when its context is entered."""
    directory.mkdir()
    return [
        _simulated(directory),
        _openevse(directory),
        _modbus("tcp", "modbus TCP"),
        _modbus("rtu", "modbus RTU"),
        _meter(),
        _command(directory),
        _gpio(),
    ]


@contextmanager
def _simulated(directory: Path) -> Iterator[Subject]:
    path = directory / "control"
    os.mkfifo(path, 0o600)
    with closing(os.fdopen(os.open(path, os.O_RDWR), "wb", buffering=0)) as ours:
        peer = DescriptorPeer(ours.fileno())
        lines = (b"plug\n", b"unplug\n")
        yield Subject(
            what="charger simulated",
            driver=SimulatedCharger,
            options={"control": str(path), "log": str(directory / "log.jsonl")},
            ready=_UP,
            sample=after(
                peer.stamp, lambda number: peer.say(lines[number % 2]), *_CHANGES
            ),
            note="a line of its log comes before",
        )


@contextmanager
def _openevse(directory: Path) -> Iterator[Subject]:
    stamp = Stamp()

    async def plug_in() -> PtyLine:
        line = PtyLine(directory / "openevse")

        def look(said: bytes) -> list[bytes]:
            stamp.look(said)
            return [said]

        line.mangle = look
        return line

    with EmulatorThread(plug_in) as emulator:

        def change(number: int) -> None:
            stamp.expect(b"$AT")
            emulator.do(lambda evse: evse.unplug() if number % 2 else evse.plug())

        yield Subject(
            what="charger openevse",
            driver=OpenEvseCharger,
            options={"port": emulator.url},
            ready=_UP,
            idles="asks every 5 s",
            sample=after(stamp, change, *_CHANGES),
            samples=_LOOKS,
            path="$AT to event",
            note="two questions for the register come before",
        )


class _Served:
    """A Modbus station that answers in a thread; a context manager."""

    def __init__(self, kind: str) -> None:
        self.stamp = Stamp()
        self._kind = kind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._run(self._enter())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._serving.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _enter(self) -> str:
        self.station = _StampedStation(self.stamp)
        self._serving: AbstractAsyncContextManager[str] = serve(
            self.station, self._kind
        )
        return await self._serving.__aenter__()

    def _run(self, main: Any) -> Any:  # noqa: ANN401 - whatever it returns
        return asyncio.run_coroutine_threadsafe(main, self._loop).result(10)


class _StampedStation(Station):
    """A station that notes its answers."""

    def __init__(self, stamp: Stamp) -> None:
        super().__init__()
        self._stamp = stamp

    def _trace(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - the library's own
        if sending:
            self._stamp.look(data)
        return super()._trace(sending, data)


@contextmanager
def _modbus(kind: str, name: str) -> Iterator[Subject]:
    with _Served(kind) as served:

        def change(number: int) -> None:
            # Function 3, two bytes: the state.
            state = READY if number % 2 else CONNECTED
            served.stamp.expect(bytes([3, 2, 0, state]))
            served.station.evse.plugged = state == CONNECTED

        yield Subject(
            what=f"charger {name}",
            driver=ModbusCharger,
            options=_CHARGER | {"port": served.port},
            busy=_LOOK_OFTEN,
            ready=_UP,
            idles="looks every second, two registers",
            sample=after(served.stamp, change, *_CHANGES),
            samples=_LOOKS,
            path="answer to event",
        )


@contextmanager
def _meter() -> Iterator[Subject]:
    with _Served("rtu") as served:
        served.station.evse.plugged = True  # Without a vehicle it is not read

        def count(number: int) -> None:
            kwh = 2.0 + number
            served.stamp.expect(bytes([4, 4]) + struct.pack(">f", kwh))
            served.station.evse.kwh = kwh

        yield Subject(
            what="meter modbus RTU",
            opener=metered.metered,
            options={
                "charger": _CHARGER | {"port": served.port},
                "meter": {"port": served.port, "device_id": METER_ID},
            },
            busy={
                "meter": _LOOK_OFTEN | {"port": served.port, "device_id": METER_ID},
            },
            ready=_UP,
            idles="with its charger, looks every second; reads every 5 s",
            sample=after(served.stamp, count, "Meter"),
            samples=_LOOKS,
            path="answer to event",
        )


@contextmanager
def _command(directory: Path) -> Iterator[Subject]:
    stamp = Stamp()
    path = directory / "program.sock"
    lines = (b'{"event":"connected"}\n', b'{"event":"disconnected"}\n')
    program = [sys.executable, "-m", "benchmarks.drivers.program", str(path)]
    with socket.socket(socket.AF_UNIX) as server, closing(_Links(server)) as links:
        server.bind(str(path))
        server.listen()

        def speak(number: int) -> None:
            links.now.sendall(lines[number % 2])
            stamp.at_ns = int.from_bytes(links.now.recv(8))

        yield Subject(
            what="charger command",
            driver=CommandCharger,
            options={"command": program},
            ready=_UP,
            on_ready=links.accept,
            idles="asks its program every 3.3 s",
            sample=after(stamp, speak, *_CHANGES),
        )


class _Links:
    """The connection of the program that runs now."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.now = socket.socket(socket.AF_UNIX)

    def accept(self) -> None:
        """Take the next one; it has connected already."""
        self.close()
        self.now, _ = self._server.accept()

    def close(self) -> None:
        """Hang up."""
        self.now.close()


@contextmanager
def _gpio() -> Iterator[Subject]:
    theirs, ours = os.pipe()
    peer = DescriptorPeer(ours)

    def change(number: int) -> None:
        peer.stamp.note()
        peer.write(b"0" if number % 2 else b"1")

    try:
        yield Subject(
            what="charger gpio",
            opener=fakes.gpio,
            options={
                "descriptor": theirs,
                "chip": "pinctrl",
                "relay": {"line": 17},
                "vehicle": {"line": 27},
            },
            pass_fds=(theirs,),
            ready=_UP,
            sample=after(peer.stamp, change, *_CHANGES),
            path="edge to event",
            note="a chip in memory, its edges through a pipe",
        )
    finally:
        os.close(theirs)
        os.close(ours)
