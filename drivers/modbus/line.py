"""Lines to Modbus devices: one request at a time, shared by whoever is on them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from drivers.errors import TransientDeviceError, UnsupportedDeviceError
from drivers.loop_clock import now_s
from drivers.modbus.client import explain_closed, make_client, suspects
from drivers.modbus.turns import Turns
from drivers.modbus.values import Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from drivers.modbus.address import DeviceAddress, Endpoint

_LOGGER = logging.getLogger(__name__)

_READS: Final = 2  # One lost answer is daily life on a long cable
_WORDS: Final = {
    1: "illegal function",
    2: "illegal address: check address and table",
    3: "illegal value: check type and address",
    4: "device failure",
    5: "device needs long",
    6: "device busy",
    10: "gateway without a path: check device_id",
    11: "gateway got no answer: check device_id and the wiring behind it",
}


_WITHOUT_PATH: Final = 11
#: What may be different in a moment, and says nothing about the request.
_NOT_NOW: Final = frozenset([5, 6, _WITHOUT_PATH])


class NoAnswerError(TransientDeviceError):
    """Nothing came back, or nothing that is an answer: it may have been obeyed."""


class RefusedError(TransientDeviceError):
    """The device, or the gateway before it, answered with an exception."""


class Line(Protocol):
    """What a driver asks of a line."""

    async def read(
        self, device: DeviceAddress, table: Table, address: int, count: int
    ) -> list[int]:
        """Read words or bits; asks twice if nothing comes back."""

    async def write(
        self, device: DeviceAddress, table: Table, address: int, words: Sequence[int]
    ) -> None:
        """Write words, or one bit, once; after a NoAnswerError, read back."""


class LineOffice(Protocol):
    """Where drivers get the lines that they share."""

    def take(self, device: DeviceAddress) -> Line:
        """Share the line to this device until it is given back."""

    async def give_back(self, device: DeviceAddress) -> None:
        """Stop using the line."""


class ModbusLine:
    """One tty or one connection, opened by the first request and after each loss.

    Frames that were answered too late cannot be told from the next answer on RTU: after
    a silence the line rests for as long as an answer may take.
    """

    def __init__(self, device: DeviceAddress) -> None:
        self.settings = _settings(device)
        self._device = device
        self._client: Any = None
        self._turns = Turns()
        self._free_at = 0.0

    async def read(
        self, device: DeviceAddress, table: Table, address: int, count: int
    ) -> list[int]:
        """Read words or bits; asks twice if nothing comes back."""

        def ask(client: Any) -> Awaitable[Any]:  # noqa: ANN401 - the library's
            read = {
                Table.HOLDING: client.read_holding_registers,
                Table.INPUT: client.read_input_registers,
                Table.COIL: client.read_coils,
                Table.DISCRETE: client.read_discrete_inputs,
            }[table]
            answer: Awaitable[Any] = read(
                address, count=count, device_id=device.device_id
            )
            return answer

        what = f"{table.value} {address}"
        for attempt in range(1, _READS + 1):
            try:
                answer = await self._request(device, what, ask)
            except NoAnswerError:
                if attempt == _READS:
                    raise
                continue
            values = answer.bits[:count] if table.is_of_bits else answer.registers
            if len(values) == count:
                return [int(value) for value in values]
        raise NoAnswerError(f"{device.name}: expected {count} words from {what}")

    async def write(
        self, device: DeviceAddress, table: Table, address: int, words: Sequence[int]
    ) -> None:
        """Write words, or one bit, once; after a NoAnswerError, read back."""

        def ask(client: Any) -> Awaitable[Any]:  # noqa: ANN401 - the library's
            to = {"device_id": device.device_id}
            answer: Awaitable[Any]
            if table.is_of_bits:
                answer = client.write_coil(address, bool(words[0]), **to)
            else:
                # Not the function for a single register: some controllers lack it.
                answer = client.write_registers(address, list(words), **to)
            return answer

        await self._request(device, f"{table.value} {address}", ask)

    async def close(self) -> None:
        """Let go of the line; the next request opens it again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
            # A socket is closed by the loop's next turn.
            await asyncio.sleep(0)

    async def _request(
        self,
        device: DeviceAddress,
        what: str,
        ask: Callable[[Any], Awaitable[Any]],
    ) -> Any:  # noqa: ANN401 - the library's
        async with self._turns.take(device.device_id):
            await self._rest()
            client = await self._opened()
            # Each device has its own patience, whoever has opened the line.
            patience_s = device.answer_timeout.total_seconds()
            client.ctx.comm_params.timeout_connect = patience_s
            was_answered = False
            try:
                answer = await _unless_cancelled(ask(client))
                was_answered = True
            except Exception as err:
                # The library raises its own, struct.error and IndexError for garbage.
                self._turns.note(device.device_id, was_answered=False)
                raise NoAnswerError(
                    f"{device.name} does not answer ({what}): check {suspects(device)}"
                ) from err
            finally:
                rest = device.pause if was_answered else device.answer_timeout
                if device.endpoint.is_rtu:
                    self._free_at = now_s() + rest.total_seconds()
            code = getattr(answer, "exception_code", 0) if answer.isError() else None
            self._turns.note(device.device_id, was_answered=code != _WITHOUT_PATH)
        if code is not None:
            refusal = NoAnswerError if code in _NOT_NOW else RefusedError
            raise refusal(
                f"{device.name} refuses {what}: exception {code}"
                + (f", {_WORDS[code]}" if code in _WORDS else "")
            )
        return answer

    async def _rest(self) -> None:
        wait_s = self._free_at - now_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _opened(self) -> Any:  # noqa: ANN401 - the library's
        if self._client is not None and not self._client.connected:
            _LOGGER.info("lost the line %s", self._device.port)
            await self.close()
        if self._client is None:
            client = make_client(self._device)
            is_connected = False
            try:
                is_connected = await _unless_cancelled(client.connect())
            except Exception as err:
                raise explain_closed(self._device) from err
            finally:
                if not is_connected:
                    client.close()
            if not is_connected:
                raise explain_closed(self._device)
            self._client = client
        return self._client


async def _unless_cancelled(answer: Awaitable[Any]) -> Any:  # noqa: ANN401 - the library's
    """Wait for it; CancelledError if cancelled meanwhile, whatever came of it.

    Before Python 3.12 `wait_for`, which the library uses, loses a cancellation in the
    moment of a result, or of an error.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        return await answer
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


@dataclass(slots=True)
class _Entry:
    line: ModbusLine
    loop: asyncio.AbstractEventLoop
    users: int = 0


class Lines:
    """The open lines of this process: a tty, or a gateway, can have one master only."""

    def __init__(self) -> None:
        self._open: dict[Endpoint, _Entry] = {}

    def take(self, device: DeviceAddress) -> ModbusLine:
        """Share the line to this device until it is given back; does not open it."""
        loop = asyncio.get_running_loop()
        entry = self._open.get(device.endpoint)
        if entry is None or entry.loop is not loop:
            entry = self._open[device.endpoint] = _Entry(ModbusLine(device), loop)
        if entry.line.settings != _settings(device):
            raise UnsupportedDeviceError(
                f"{device.port} is used with {entry.line.settings} already, and cannot "
                f"be with {_settings(device)}"
            )
        entry.users += 1
        return entry.line

    async def give_back(self, device: DeviceAddress) -> None:
        """Stop using the line; whoever is the last closes it."""
        entry = self._open.get(device.endpoint)
        if entry is None:
            return
        entry.users -= 1
        if entry.users == 0:
            del self._open[device.endpoint]
            await entry.line.close()


#: What drivers share unless they are told otherwise.
LINES: Final = Lines()


def _settings(device: DeviceAddress) -> str:
    """Say what all devices of a line must agree in; nothing, if it is no tty."""
    if not device.endpoint.path:
        return ""
    return f"{device.baudrate} baud, parity {device.parity}, {device.stop_bits} stop"
