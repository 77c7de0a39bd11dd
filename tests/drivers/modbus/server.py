"""The library's own server before a simulated controller: on TCP, and on a pty."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.drivers.modbus.evse import AMPS, TOTAL, SimpleEvse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from pymodbus.constants import ExcCodes

EVSE_ID, METER_ID = 1, 2


class Station:
    """A controller with id 1 and its meter with id 2; what is on the line is counted.

    The coil 7 is a switch beside it, for profiles that have one.
    """

    def __init__(self) -> None:
        self.evse = SimpleEvse()
        self.coil = False
        #: Nothing is answered any more; nor, with `obeys`, is anything done.
        self.is_silent = False
        #: How many answers are to be lost from now on.
        self.lose = 0
        #: How many writes are to be obeyed without an answer.
        self.lose_writes = 0
        #: How long bytes take on the pty, one way.
        self.delay_s = 0.0
        self.requests = 0
        self.address = ""
        self._server: ModbusTcpServer | ModbusSerialServer | None = None

    def devices(self) -> list[SimDevice]:
        """Describe the registers to the library."""

        def words(address: int, count: int) -> list[SimData]:
            return [SimData(address, count=count, datatype=DataType.REGISTERS)]

        bits = [SimData(0, count=16, values=False, datatype=DataType.BITS)]
        return [
            SimDevice(
                EVSE_ID,
                (bits, bits, words(AMPS, 3), words(0, 1)),
                action=self._on_evse,
            ),
            SimDevice(
                METER_ID,
                (bits, bits, words(0, 1), words(TOTAL, 2)),
                action=self._on_meter,
            ),
        ]

    @asynccontextmanager
    async def serve_tcp(
        self, port: int = 0, framer: FramerType = FramerType.SOCKET
    ) -> AsyncIterator[None]:
        """Answer on TCP; `address` says where."""
        server = ModbusTcpServer(
            self.devices(),
            framer=framer,
            address=("127.0.0.1", port),
            trace_packet=self._trace,
        )
        await server.serve_forever(background=True)
        assert isinstance(server.transport, asyncio.Server)
        name = server.transport.sockets[0].getsockname()
        self.address = f"127.0.0.1:{name[1]}"
        self._server = server
        try:
            yield
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]  # the library's
            await asyncio.sleep(0)

    @asynccontextmanager
    async def serve_pty(self) -> AsyncIterator[None]:
        """Answer on a pty; `address` is its path."""
        async with self._wire() as (ours, theirs):
            server = ModbusSerialServer(
                self.devices(),
                framer=FramerType.RTU,
                port=theirs,
                baudrate=9600,
                trace_packet=self._trace,
            )
            await server.serve_forever(background=True)
            self.address = ours
            self._server = server
            try:
                yield
            finally:
                await server.shutdown()  # type: ignore[no-untyped-call]  # the library's
                await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Cut all connections; new ones are taken."""
        assert self._server is not None
        for connection in list(self._server.active_connections.values()):
            connection.close()

    @asynccontextmanager
    async def _wire(self) -> AsyncIterator[tuple[str, str]]:
        """Connect two ptys; give both paths."""
        loop = asyncio.get_running_loop()
        ends = [pty.openpty(), pty.openpty()]

        def write(target: int, data: bytes) -> None:
            with suppress(OSError):
                os.write(target, data)

        def pass_on(source: int, target: int) -> None:
            with suppress(OSError):
                loop.call_later(self.delay_s, write, target, os.read(source, 4096))

        for (here, there), (other, _) in (ends, ends[::-1]):
            tty.setraw(there)
            os.set_blocking(here, False)
            loop.add_reader(here, pass_on, here, other)
        try:
            yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
        finally:
            for here, there in ends:
                loop.remove_reader(here)
                os.close(here)
                os.close(there)

    def _trace(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - the library's own
        if not sending:
            return data
        self.requests += 1
        if self.lose:
            self.lose -= 1
            return b""
        return b"" if self.is_silent else data

    async def _on_evse(  # noqa: PLR0917 - the library's own
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        del count
        if function in (1, 2, 5):
            if values is not None:
                self.coil = bool(values[0])
            return None
        if values is not None:
            if self.lose_writes:
                self.lose_writes -= 1
                self.lose += 1
            for offset, value in enumerate(values):
                self.evse.write(address + offset, int(value))
            # What the library puts there afterwards is replaced by the next reading.
        for register, word in self.evse.holding().items():
            registers[register - start] = word
        return None

    async def _on_meter(  # noqa: PLR0917 - the library's own
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        del function, address, count, values
        for register, word in self.evse.input().items():
            if register >= start and len(registers) > register - start:
                registers[register - start] = word
        return None


@asynccontextmanager
async def serve(station: Station, kind: str) -> AsyncIterator[str]:
    """Run the server; give the port for a configuration."""
    if kind == "rtu":
        async with station.serve_pty():
            yield station.address
    elif kind == "tcp":
        async with station.serve_tcp():
            yield station.address
    else:
        async with station.serve_tcp(framer=FramerType.RTU):
            yield f"socket://{station.address}"


def run(main: Coroutine[None, None, None]) -> None:
    """Run a test's coroutine; a hang fails."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await main

    asyncio.run(bounded())
