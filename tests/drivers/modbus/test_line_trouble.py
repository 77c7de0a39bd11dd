"""Lines on which answers are late, damaged, torn, or somebody else's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pymodbus.framer import FramerRTU

from drivers.modbus.line import ModbusLine, NoAnswerError, RefusedError
from drivers.modbus.values import Table
from tests.drivers.modbus.bus import Bus
from tests.drivers.modbus.evse import AMPS, STATE, TOTAL
from tests.drivers.modbus.server import METER_ID, Station, device, serve
from tests.drivers.pipes import run
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable


def test_an_answer_may_come_byte_by_byte() -> None:
    """As adapters give it that pass on what they have."""

    async def main() -> None:
        station = Station()
        async with station.serve_pty():
            evse = device(station.address, answer_ms=2000)
            line = ModbusLine(evse)
            station.wire.trickles = True
            assert await line.read(evse, Table.HOLDING, AMPS, 3) == [32, 0, 1]
            await line.write(evse, Table.HOLDING, AMPS, [13])
            assert await line.read(evse, Table.HOLDING, AMPS, 1) == [13]
            await line.close()

    run(main())


def flip(frame: bytes) -> bytes:
    """Damage a register."""
    return frame[:-3] + bytes([frame[-3] ^ 1]) + frame[-2:]


def of_another_device(frame: bytes) -> bytes:
    """Give an RTU frame the number of another device, checksum and all."""
    body = bytes([frame[0] + 1]) + frame[1:-2]
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def of_another_request(frame: bytes) -> bytes:
    """Give a TCP frame another transaction's number."""
    return bytes([frame[0], frame[1] + 1]) + frame[2:]


@pytest.mark.parametrize(
    ("kind", "mangle"),
    [
        ("rtu", flip),
        ("rtu over tcp", flip),
        ("rtu", of_another_device),
        ("rtu over tcp", of_another_device),
        ("tcp", of_another_request),
        ("rtu", lambda frame: frame[:-1]),
        ("tcp", lambda frame: frame[:-1]),
        ("rtu", lambda _: bytes(range(256))),
    ],
)
def test_what_is_no_answer(kind: str, mangle: Callable[[bytes], bytes]) -> None:
    """Damaged, cut, of somebody else: it is asked again, and read when it is right."""

    async def main() -> None:
        station = Station()
        async with serve(station, kind) as port:
            evse = device(port)
            line = ModbusLine(evse)
            station.mangle = mangle
            with pytest.raises(NoAnswerError, match="does not answer"):
                await line.read(evse, Table.HOLDING, STATE, 1)
            answers = iter([mangle, bytes])

            def mangle_the_first(frame: bytes) -> bytes:
                return next(answers)(frame)

            station.mangle = mangle_the_first
            assert await line.read(evse, Table.HOLDING, STATE, 1) == [1]
            await line.close()

    run(main())


@pytest.mark.parametrize(("first_ms", "second_ms"), [(100, 5000), (5000, 100)])
def test_each_device_has_its_own_patience(first_ms: int, second_ms: int) -> None:
    """Whichever has opened the line that they share."""

    async def main() -> None:
        station = Station()
        async with station.serve_pty():
            first = device(station.address, answer_ms=first_ms)
            second = device(station.address, METER_ID, second_ms)
            line = ModbusLine(first)
            station.delay_s = 0.25
            for one, table, address in (
                (first, Table.HOLDING, AMPS),
                (second, Table.INPUT, TOTAL),
            ):
                if one.answer_timeout < timedelta(seconds=1):
                    with pytest.raises(NoAnswerError):
                        await line.read(one, table, address, 1)
                else:
                    assert len(await line.read(one, table, address, 1)) == 1
            await line.close()

    run(main())


@pytest.mark.parametrize("code", [5, 6, 11])
def test_who_has_no_time_now_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """It is as if nothing had come; the error says what came all the same."""

    async def main() -> None:
        bus, evse = Bus(1), device("/dev/x")
        bus.install(monkeypatch)
        line = ModbusLine(evse)
        bus.refusals = [code]
        assert await line.read(evse, Table.HOLDING, STATE, 1) == [1]
        bus.refusals = [code]
        with pytest.raises(NoAnswerError, match=f"exception {code}, "):
            await line.write(evse, Table.HOLDING, AMPS, [6])
        bus.refusals = [2, 2]
        with pytest.raises(RefusedError):
            await line.read(evse, Table.HOLDING, STATE, 1)
        assert bus.refusals == [2]

    run_virtual(main())


def test_a_cancellation_that_the_library_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end is one, also when it comes in the moment of an answer."""

    async def main() -> None:
        bus, evse = Bus(1), device("/dev/x")
        bus.install(monkeypatch)
        bus.swallows = True
        line = ModbusLine(evse)
        asking = asyncio.create_task(line.read(evse, Table.HOLDING, STATE, 1))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await line.read(evse, Table.HOLDING, STATE, 1)

    run_virtual(main())


def test_a_cancellation_that_the_library_loses_in_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An end is one, also when the line is lost in the same moment."""

    async def main() -> None:
        bus, evse = Bus(1), device("/dev/x")
        bus.install(monkeypatch)
        bus.fails_with = ConnectionError("the line is gone")
        asking = asyncio.create_task(
            ModbusLine(evse).read(evse, Table.HOLDING, STATE, 1)
        )
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()

    run_virtual(main())


@pytest.mark.parametrize("error", [None, OSError("no such port")])
def test_a_cancellation_that_the_library_loses_while_it_opens(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    """An end is one, whether it opens or fails meanwhile; it is closed again."""

    async def main() -> None:
        bus, evse = Bus(1), device("/dev/x")
        bus.install(monkeypatch)
        bus.swallows, bus.fails_with, bus.opens_in_s = True, error, 0.1
        asking = asyncio.create_task(
            ModbusLine(evse).read(evse, Table.HOLDING, STATE, 1)
        )
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        assert not bus.connected
        assert bus.requests == []

    run_virtual(main())


def test_bits_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to another question has none, and is none."""

    async def main() -> None:
        bus, evse = Bus(1), device("/dev/x")
        bus.install(monkeypatch)
        line = ModbusLine(evse)
        assert await line.read(evse, Table.COIL, 7, 1) == [0]
        bus.is_short = True
        with pytest.raises(NoAnswerError, match="expected 1 words from coil 7"):
            await line.read(evse, Table.COIL, 7, 1)

    run_virtual(main())
