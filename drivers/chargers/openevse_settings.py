"""What an OpenEVSE controller is told besides on and off: current and heartbeat."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from drivers.chargers.rapi_status import Heartbeat, parse_amps, parse_configured_amps
from drivers.errors import TransientDeviceError
from drivers.loop_clock import now_s

if TYPE_CHECKING:
    from drivers.chargers.openevse_controller import Controller

_LOGGER = logging.getLogger(__name__)

_ACKNOWLEDGE: Final = ("SY", "165")  # HS_ACK_COOKIE
_PULSES_PER_INTERVAL: Final = 3  # So two may be lost


class Settings:
    """The current limit and the heartbeat of one controller on an open line.

    The limit is set volatile, never in the EEPROM, so a reboot forgets it. The
    heartbeat stands in the EEPROM and is set only when it is another.
    """

    def __init__(
        self,
        controller: Controller,
        *,
        limit_amps: int | None,
        heartbeat_s: int | None,
        heartbeat_amps: int,
    ) -> None:
        self._client = controller.client
        self._name = controller.name
        self._limit_amps = limit_amps
        self._is_limited = False
        self._heartbeat_s = heartbeat_s
        self._heartbeat_amps = heartbeat_amps
        self._pulse_at: float | None = None

    async def apply(self) -> None:
        """Tell it all: at the start, and after a reboot."""
        await self._set_heartbeat()
        await self.limit(self._limit_amps)

    async def limit(self, amps: int | None) -> None:
        """Set the limit, None for what the installer allowed."""
        self._limit_amps = amps
        if amps is None:
            if not self._is_limited:
                return
            reply = await self._client.ask("GC")
            amps = parse_configured_amps(reply.words)
        # NK means another value than asked for: a lower one is as good.
        reply = await self._client.ask("SC", str(amps), "V")
        if (result := parse_amps(reply.words)) > amps:
            raise TransientDeviceError(
                f"expected a limit of {amps} A, the controller set {result} A"
            )
        self._is_limited = self._limit_amps is not None

    async def keep_limit(self, amps: int | None) -> None:
        """Set the limit again when the controller says it has raised its current."""
        limit = self._limit_amps
        if limit is not None and amps is not None and amps > limit:
            _LOGGER.info(
                "%s: the controller went to %d A; limiting it again", self._name, amps
            )
            await self.limit(limit)

    @property
    def pulse_at(self) -> float | None:
        """When the next pulse is due, on the loop's clock; None without a heartbeat."""
        return self._pulse_at

    async def pulse(self) -> None:
        """Send a pulse, and mend what a missed one has done."""
        self._plan_pulse()
        reply = await self._client.ask("SY")
        if not reply.ok:
            await self._acknowledge()

    async def _set_heartbeat(self) -> None:
        self._pulse_at = None
        if self._heartbeat_s is None:
            return
        reply = await self._client.ask("GY")
        if not reply.ok:
            _LOGGER.warning(
                "%s: the controller knows no heartbeat; it runs without", self._name
            )
            return
        heartbeat = Heartbeat.from_reply(reply.words)
        if heartbeat.has_missed:
            # Setting it anew would forget the miss, and leave the current lowered.
            await self._acknowledge()
        wanted = (self._heartbeat_s, self._heartbeat_amps)
        if (heartbeat.interval_s, heartbeat.amps) != wanted:
            await self._client.ask("SY", *map(str, wanted))
        if self._heartbeat_s:
            await self.pulse()

    async def _acknowledge(self) -> None:
        """Lift the lowered current; that goes to the installer's limit, not to ours."""
        reply = await self._client.ask(*_ACKNOWLEDGE)
        if reply.ok:
            _LOGGER.warning(
                "%s: a heartbeat was missed; the current was lowered till now",
                self._name,
            )
        await self.limit(self._limit_amps)

    def _plan_pulse(self) -> None:
        if self._heartbeat_s:
            self._pulse_at = now_s() + self._heartbeat_s / _PULSES_PER_INTERVAL
