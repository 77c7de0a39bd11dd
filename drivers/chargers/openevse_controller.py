"""One OpenEVSE controller on an open line: what it says, in the order it says it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from drivers.chargers.rapi_client import NoAnswerError, RapiClient
from drivers.chargers.rapi_status import Energy, State, Status
from drivers.errors import FrameError, TransientDeviceError
from drivers.loop_clock import now_s

if TYPE_CHECKING:
    from drivers.chargers.rapi import Notice, Reply
    from drivers.chargers.rapi_client import Port

_LOGGER = logging.getLogger(__name__)

_REMEMBERED: Final = 64  # Far more statuses than come between two looks at them
_READINGS: Final = 3


class Controller:
    """Asks, and keeps every status until somebody looks at it.

    `woken` is set when something has come unasked, or an answer to another task.
    """

    def __init__(
        self, port: Port, *, name: str, answer_s: float, check_every_s: float
    ) -> None:
        #: What it is called in the log.
        self.name = name
        self.client = RapiClient(port, self._on_notice, answer_s=answer_s)
        self.woken = asyncio.Event()
        #: The latest, None before the first.
        self.status: Status | None = None
        #: All that nobody has looked at, oldest first.
        self.seen: deque[Status] = deque(maxlen=_REMEMBERED)
        #: It said that it booted, so it has forgotten all but its EEPROM.
        self.has_rebooted = False
        self._check_every_s = check_every_s
        self._has_meter = True
        self._register_wh = 0

    async def run(self) -> None:
        """Listen until the line is gone."""
        try:
            await self.client.run()
        finally:
            self.woken.set()

    async def command(self, *words: str) -> None:
        """Tell it something; TransientDeviceError if it refuses."""
        reply = await self.client.ask(*words)
        if not reply.ok:
            raise TransientDeviceError(f"the controller refused {' '.join(words)}")

    async def read_status(self) -> Status:
        """Ask how things stand."""
        reply = await self.client.ask("GS", on_reply=self._on_status_reply)
        # The callback could not raise what may be wrong with it.
        return Status.from_reply(reply.words)

    async def read_settled_status(self, within_s: float) -> Status:
        """Ask until it has made up its mind, as long as that takes at most."""
        deadline = now_s() + within_s
        while (status := await self.read_status()).state == State.UNKNOWN:
            if now_s() >= deadline:
                break
            await asyncio.sleep(self._check_every_s)
        return status

    async def read_register(self) -> int | None:
        """Read the energy register in Wh; None without a meter.

        What GU means depends on whether a vehicle is plugged in, so that must be the
        same before and after.
        """
        wh, is_certain = 0, False
        for _ in range(_READINGS):
            before = self.status or await self.read_status()
            energy = await self._read_energy()
            if energy is None:
                return None
            wh = energy.register_wh(ev_connected=before.is_ev_connected)
            after = await self.read_status()
            is_certain = after.is_ev_connected is before.is_ev_connected
            if is_certain and wh >= self._register_wh:
                break
            # It fell: a vehicle that left may be counted in a moment.
            await asyncio.sleep(self._check_every_s)
        if not is_certain:
            raise NoAnswerError("the vehicle comes and goes too fast to read the meter")
        self._register_wh = wh
        return wh

    async def _read_energy(self) -> Energy | None:
        if not self._has_meter:
            return None
        reply = await self.client.ask("GU")
        if not reply.ok:
            _LOGGER.warning("%s: the controller has no energy meter", self.name)
            self._has_meter = False
            return None
        return Energy.from_reply(reply.words)

    def _on_status_reply(self, reply: Reply) -> None:
        try:
            self._see(Status.from_reply(reply.words))
        except FrameError as err:
            _LOGGER.debug("%s: passed over a status: %s", self.name, err)

    def _on_notice(self, notice: Notice) -> None:
        if notice.kind == "AB":
            self.has_rebooted = True
            self._register_wh = 0
        elif notice.kind == "AT":
            try:
                self._see(Status.from_notice(notice.words))
            except FrameError as err:
                _LOGGER.debug("%s: passed over a notice: %s", self.name, err)
        self.woken.set()

    def _see(self, status: Status) -> None:
        self.status = status
        self.seen.append(status)
