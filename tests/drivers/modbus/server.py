"""The library's own server before a simulated controller: on TCP, and on a pty."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.modbus.address import DeviceAddress
from tests.drivers.modbus.evse import AMPS, CONFIG, OUTPUT, TOTAL, SimpleEvse
from tests.drivers.modbus.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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
        #: What becomes of an answer, whole frames.
        self.mangle: Callable[[bytes], bytes] = bytes
        #: How many writes are to be obeyed without an answer.
        self.lose_writes = 0
        #: How long bytes take on the pty, one way.
        self.delay_s = 0.0
        self.requests = 0
        self.address = ""
        self.wire: Wire
        self._framer = FramerType.SOCKET
        self._server: ModbusTcpServer | ModbusSerialServer | None = None

    def devices(self) -> list[SimDevice]:
        """Describe the registers to the library."""

        def words(address: int, count: int) -> list[SimData]:
            return [SimData(address, count=count, datatype=DataType.REGISTERS)]

        bits = [SimData(0, count=16, values=False, datatype=DataType.BITS)]
        return [
            SimDevice(
                EVSE_ID,
                (
                    bits,
                    bits,
                    words(AMPS, OUTPUT - AMPS + 1) + words(CONFIG, 1),
                    words(0, 1),
                ),
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
        self._framer = framer
        await self._listen(port)
        try:
            yield
        finally:
            await self._stop()

    @asynccontextmanager
    async def serve_pty(self) -> AsyncIterator[None]:
        """Answer on a pty; `address` is its path, `wire` what it hangs on."""
        self.wire = Wire(lambda: self.delay_s)
        self._server = ModbusSerialServer(
            self.devices(),
            framer=FramerType.RTU,
            port=self.wire.theirs,
            baudrate=9600,
            trace_packet=self._trace,
        )
        try:
            await self._server.serve_forever(background=True)
            self.address = str(self.wire.path)
            yield
        finally:
            await self._stop()
            self.wire.close()

    def hang_up(self) -> None:
        """Cut all connections; new ones are taken."""
        assert self._server is not None
        for connection in list(self._server.active_connections.values()):
            connection.close()

    async def go_away(self) -> None:
        """Unplug the pty, or listen no more on TCP."""
        if isinstance(self._server, ModbusSerialServer):
            self.wire.unplug()
        else:
            await self._stop()

    async def come_back(self) -> None:
        """Undo that: the same path, or the same port."""
        if self._server is not None:
            self.wire.plug_in()
        else:
            await self._listen(int(self.address.rpartition(":")[2]))

    async def _listen(self, port: int) -> None:
        server = self._server = ModbusTcpServer(
            self.devices(),
            framer=self._framer,
            address=("127.0.0.1", port),
            trace_packet=self._trace,
        )
        await server.serve_forever(background=True)
        assert isinstance(server.transport, asyncio.Server)
        name = server.transport.sockets[0].getsockname()
        self.address = f"127.0.0.1:{name[1]}"

    async def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]  # the library's
            await asyncio.sleep(0)

    def _trace(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - the library's own
        if not sending:
            return data
        self.requests += 1
        if self.lose:
            self.lose -= 1
            return b""
        return b"" if self.is_silent else self.mangle(data)

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
        _fill(registers, start, self.evse.holding())
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
        _fill(registers, start, self.evse.input())
        return None


def _fill(registers: list[int], start: int, words: dict[int, int]) -> None:
    """Put in what belongs to this block, of what the device has."""
    for register, word in words.items():
        if 0 <= register - start < len(registers):
            registers[register - start] = word


def device(port: str, device_id: int = 1, answer_ms: int = 200) -> DeviceAddress:
    """Address a device with little patience."""
    return DeviceAddress(
        port=port,
        device_id=device_id,
        pause=timedelta(milliseconds=2),
        answer_timeout=timedelta(milliseconds=answer_ms),
    )


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
