"""Lines to the library's own server: real frames on TCP and on a serial line."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse

from drivers.errors import (
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.modbus.address import DeviceAddress
from drivers.modbus.line import Lines, ModbusLine, NoAnswerError, RefusedError
from drivers.modbus.values import Table
from tests.drivers.modbus.evse import AMPS, STATE, TOTAL
from tests.drivers.modbus.server import METER_ID, Station, device, serve
from tests.drivers.pipes import open_files, run

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ["tcp", "rtu over tcp", "rtu"]


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_read_and_written(kind: str) -> None:
    """Words, bits and the two devices of one line."""

    async def main() -> None:
        station = Station()
        async with serve(station, kind) as port:
            evse, meter = device(port, answer_ms=2000), device(port, METER_ID, 2000)
            line = ModbusLine(evse)
            await line.write(evse, Table.HOLDING, AMPS, [13])
            assert station.evse.amps == 13
            assert await line.read(evse, Table.HOLDING, AMPS, 3) == [13, 0, 1]
            assert await line.read(meter, Table.INPUT, TOTAL, 2) == [0x3F80, 0]
            await line.write(evse, Table.COIL, 7, [1])
            assert station.coil
            assert await line.read(evse, Table.COIL, 7, 1) == [1]
            assert await line.read(evse, Table.DISCRETE, 7, 2) == [0, 0]
            await line.close()

    run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_names_its_reason(kind: str) -> None:
    """An address and a device that there are not."""

    async def main() -> None:
        async with serve(Station(), kind) as port:
            evse, nobody = device(port, 1, 2000), device(port, 9, 2000)
            line = ModbusLine(evse)
            with pytest.raises(RefusedError, match=r"holding 77.*2, illegal address"):
                await line.read(evse, Table.HOLDING, 77, 1)
            with pytest.raises(RefusedError, match=r"device 9 .*4, device failure"):
                await line.read(nobody, Table.HOLDING, STATE, 1)
            assert await line.read(evse, Table.HOLDING, STATE, 1) == [1]
            await line.close()

    run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_no_answer(kind: str) -> None:
    """A reading is asked for twice, a write is sent once."""

    async def main() -> None:
        station = Station()
        async with serve(station, kind) as port:
            evse = device(port)
            line = ModbusLine(evse)
            station.lose = 1
            assert await line.read(evse, Table.HOLDING, STATE, 1) == [1]
            station.is_silent, station.requests = True, 0
            with pytest.raises(NoAnswerError, match=r"device 1 on .* \(holding 1002\)"):
                await line.read(evse, Table.HOLDING, STATE, 1)
            assert station.requests == 2
            with pytest.raises(NoAnswerError):
                await line.write(evse, Table.HOLDING, AMPS, [6])
            assert station.evse.written == [6]
            station.is_silent = False
            assert await line.read(evse, Table.HOLDING, AMPS, 1) == [6]
            await line.close()

    run(main())


def test_a_late_answer_is_nobody_elses() -> None:
    """On a serial line the answer to a given-up request is not taken for the next."""

    async def main() -> None:
        station = Station()
        async with station.serve_pty():
            evse = device(station.address, answer_ms=500)
            line = ModbusLine(evse)
            await line.read(evse, Table.HOLDING, STATE, 1)
            station.delay_s = 0.1
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await line.read(evse, Table.HOLDING, AMPS, 1)
            assert await line.read(evse, Table.HOLDING, STATE, 1) == [1]
            await line.close()

    run(main())


def test_a_cut_connection_is_opened_again() -> None:
    """The request after the loss finds a new connection."""

    async def main() -> None:
        station = Station()
        async with station.serve_tcp():
            evse = device(station.address, answer_ms=2000)
            line = ModbusLine(evse)
            await line.read(evse, Table.HOLDING, STATE, 1)
            for _ in range(3):
                station.hang_up()
                await asyncio.sleep(0.02)
                assert await line.read(evse, Table.HOLDING, STATE, 1) == [1]
            await line.close()

    run(main())


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_a_hundred_times_open_and_closed(kind: str) -> None:
    """Nothing is left of a line, neither a file nor a task."""

    async def main() -> None:
        station = Station()
        async with serve(station, kind) as port:
            evse, lines = device(port, answer_ms=2000), Lines()
            await lines.take(evse).read(evse, Table.HOLDING, STATE, 1)
            await lines.give_back(evse)
            await asyncio.sleep(0.05)
            files, tasks = open_files(), len(asyncio.all_tasks())
            for _ in range(100):
                line = lines.take(evse)
                assert await line.read(evse, Table.HOLDING, STATE, 1) == [1]
                await lines.give_back(evse)
            await asyncio.sleep(0.05)
            assert (open_files(), len(asyncio.all_tasks())) == (files, tasks)

    run(main())


def test_a_hundred_failures_to_connect() -> None:
    """Nothing is left of them either, and each says where there is nobody."""

    async def main() -> None:
        station = Station()
        async with station.serve_tcp():
            evse = device(station.address, answer_ms=2000)
        line = ModbusLine(evse)
        files, tasks = open_files(), len(asyncio.all_tasks())
        for _ in range(100):
            with pytest.raises(TransientDeviceError, match=r"127.*: check its address"):
                await line.read(evse, Table.HOLDING, STATE, 1)
        assert (open_files(), len(asyncio.all_tasks())) == (files, tasks)

    run(main())


def test_why_a_serial_port_cannot_be_opened(tmp_path: Path) -> None:
    """A port that is not there, and a file that is none."""
    file = tmp_path / "file"
    file.touch()
    cases: list[tuple[Path, type[DriverError], str]] = [
        (tmp_path / "gone", DeviceGoneError, "there is no serial port at"),
        (file, TransientDeviceError, "no serial port"),
    ]

    async def main() -> None:
        for path, error, words in cases:
            evse = device(str(path))
            with pytest.raises(error, match=words):
                await ModbusLine(evse).read(evse, Table.HOLDING, STATE, 1)

    run(main())


def test_an_unplugged_port_is_gone_and_comes_back() -> None:
    """The line says so, without spinning, and works with the next port."""

    async def main() -> None:
        station = Station()
        async with station.serve_pty():
            evse = device(station.address)
            line = ModbusLine(evse)
            await line.read(evse, Table.HOLDING, STATE, 1)
        with pytest.raises(DriverError):
            await line.read(evse, Table.HOLDING, STATE, 1)
        with pytest.raises(DeviceGoneError):
            await line.read(evse, Table.HOLDING, STATE, 1)
        await line.close()

    run(main())


def test_one_line_is_shared() -> None:
    """Two drivers ask at once, one connection answers, the last one closes it."""

    async def main() -> None:
        station, lines = Station(), Lines()
        async with station.serve_pty():
            evse = device(station.address, answer_ms=2000)
            meter = device(station.address, METER_ID, 2000)
            files = open_files()
            line = lines.take(evse)
            assert lines.take(meter) is line
            answers = await asyncio.gather(
                *(line.read(evse, Table.HOLDING, STATE, 1) for _ in range(5)),
                *(line.read(meter, Table.INPUT, TOTAL, 2) for _ in range(5)),
            )
            assert answers == [[1]] * 5 + [[0x3F80, 0]] * 5
            await lines.give_back(evse)
            assert await line.read(meter, Table.INPUT, TOTAL, 2) == [0x3F80, 0]
            assert open_files() > files
            await lines.give_back(meter)
            assert open_files() == files

    run(main())


def test_a_line_may_be_spelled_in_two_ways() -> None:
    """A gateway takes one connection, however its default port is written."""

    async def main() -> None:
        lines = Lines()
        ports = ["192.0.2.1", "192.0.2.1:502", "tcp://192.0.2.1"]
        one, *others = [lines.take(DeviceAddress(port=port)) for port in ports]
        assert all(other is one for other in others)
        for port in ports:
            await lines.give_back(DeviceAddress(port=port))
        assert lines.take(DeviceAddress(port=ports[0])) is not one

    run(main())


def test_one_line_has_one_speed() -> None:
    """Two drivers that disagree cannot share a serial line."""

    async def main() -> None:
        lines = Lines()
        lines.take(DeviceAddress(port="/dev/x", baudrate=9600))
        with pytest.raises(UnsupportedDeviceError, match=r"9600 baud.*19200 baud"):
            lines.take(DeviceAddress(port="/dev/x", baudrate=19200, device_id=2))

    run(main())


def test_a_line_belongs_to_its_loop() -> None:
    """What a loop left behind is not used by the next one."""
    lines, evse = Lines(), DeviceAddress(port="/dev/x")

    async def take() -> ModbusLine:
        return lines.take(evse)

    assert asyncio.run(take()) is not asyncio.run(take())


class ShortClient:
    """Answers with a word less than it was asked for."""

    connected = True
    ctx = SimpleNamespace(comm_params=SimpleNamespace())

    async def read_holding_registers(
        self, address: int, *, count: int, device_id: int
    ) -> ReadHoldingRegistersResponse:
        """Answer."""
        del address, device_id
        return ReadHoldingRegistersResponse(registers=[1] * (count - 1))

    read_input_registers = read_coils = read_discrete_inputs = read_holding_registers


def test_an_answer_of_another_length_is_none() -> None:
    """It belongs to another question."""

    async def main() -> None:
        evse = device("127.0.0.1:9")
        line = ModbusLine(evse)
        line._client = ShortClient()
        with pytest.raises(NoAnswerError, match="expected 2 words from holding 1000"):
            await line.read(evse, Table.HOLDING, AMPS, 2)

    run(main())


def test_no_frames_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong, the library keeps it to itself."""
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        station = Station()
        async with station.serve_tcp():
            evse = device(station.address, answer_ms=30)
            line = ModbusLine(evse)
            station.is_silent = True
            for _ in range(4):
                with pytest.raises(DriverError):
                    await line.read(evse, Table.HOLDING, STATE, 1)
            await line.close()

    run(main())
    assert [r for r in caplog.records if r.name.startswith("pymodbus")] == []
