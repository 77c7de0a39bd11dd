"""Controllers on one line, in virtual time: it stands in for the library's client."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

from tests.drivers.modbus.evse import SimpleEvse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from drivers.modbus.address import DeviceAddress

ANSWER_S = 0.05


@dataclass
class Answer:
    """What a device has said; `exception_code` 0 is no refusal."""

    registers: list[int] = field(default_factory=list)
    bits: list[bool] = field(default_factory=list)
    exception_code: int = 0

    def isError(self) -> bool:  # noqa: N802 - the library's own
        """Say whether it is a refusal."""
        return bool(self.exception_code)


class Bus:
    """One line with controllers 1 to `count`; those in `mute` say nothing."""

    def __init__(self, count: int) -> None:
        self.evses = {number: SimpleEvse() for number in range(1, count + 1)}
        self.mute: set[int] = set()
        #: Refused with these exceptions, one after the other, and not obeyed.
        self.refusals: list[int] = []
        #: And the next question for each of these registers.
        self.refusals_at: dict[int, int] = {}
        #: The library loses a cancellation and gives the answer.
        self.swallows = False
        #: It raises this in its place.
        self.fails_with: Exception | None = None
        #: Opening takes so long, and loses a cancellation, too, if `swallows`.
        self.opens_in_s = 0.0
        #: Coils say nothing in their answers.
        self.is_short = False
        self.requests: list[int] = []
        self.connected = False
        self.ctx = SimpleNamespace(comm_params=SimpleNamespace(timeout_connect=0.0))

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be every line of the drivers."""

        def make(device: DeviceAddress) -> Bus:
            del device
            return self

        monkeypatch.setattr("drivers.modbus.line.make_client", make)

    async def connect(self) -> bool:
        """Stand in for the library's client, as all that follows."""
        if self.opens_in_s:
            await self._pause(self.opens_in_s)
        self.connected = True
        return True

    def close(self) -> None:
        """Let go."""
        self.connected = False

    async def read_holding_registers(
        self, address: int, *, count: int, device_id: int
    ) -> Answer:
        """Read words."""

        def read(evse: SimpleEvse) -> Answer:
            registers = evse.holding()
            return Answer([registers[address + offset] for offset in range(count)])

        return await self._request(device_id, address, read)

    async def read_coils(self, address: int, *, count: int, device_id: int) -> Answer:
        """Read bits."""
        bits = [False] * (0 if self.is_short else count)
        return await self._request(device_id, address, lambda _: Answer(bits=bits))

    read_input_registers = read_holding_registers
    read_discrete_inputs = read_coils

    async def write_registers(
        self, address: int, words: Sequence[int], *, device_id: int
    ) -> Answer:
        """Write words."""

        def write(evse: SimpleEvse) -> Answer:
            evse.write(address, words[0])
            return Answer()

        return await self._request(device_id, address, write)

    async def _pause(self, length_s: float) -> None:
        try:
            await asyncio.sleep(length_s)
        except asyncio.CancelledError:
            if self.fails_with is not None:
                raise self.fails_with from None
            if not self.swallows:
                raise

    async def _request(
        self, device_id: int, address: int, act: Callable[[SimpleEvse], Answer]
    ) -> Answer:
        self.requests.append(device_id)
        if device_id in self.mute:
            await asyncio.sleep(self.ctx.comm_params.timeout_connect)
            raise OSError("no response")
        await self._pause(ANSWER_S)
        if self.refusals:
            return Answer(exception_code=self.refusals.pop(0))
        if address in self.refusals_at:
            return Answer(exception_code=self.refusals_at.pop(address))
        return act(self.evses[device_id])
