"""A SimpleEVSE as its documentation describes it, with a car and an energy meter."""

from __future__ import annotations

import struct

READY, CONNECTED, CHARGING, FAILURE = 1, 2, 3, 5
AMPS, OFFERED, STATE = 1000, 1001, 1002
TOTAL = 0x0156


class SimpleEvse:
    """Registers 1000 to 1002 of a controller, and 0x0156 of an SDM630 beside it."""

    def __init__(self, boot_amps: int = 32) -> None:
        self._boot_amps = boot_amps
        #: The amps that the master has wanted, as they stand in 1000.
        self.amps = boot_amps
        #: More than this it does not take.
        self.max_amps = 80
        self.plugged = False
        self.wants = False
        self.failure = False
        #: A state that is told whatever is the case.
        self.odd_state: int | None = None
        #: A relay that does not open any more.
        self.is_welded = False
        #: What was written to 1000, in order.
        self.written: list[int] = []
        self.kwh: float = 1.0

    def boot(self) -> None:
        """Lose the memory: it offers by itself what it is set up for."""
        self.amps = self._boot_amps

    @property
    def state(self) -> int:
        """What stands in 1002."""
        if self.odd_state is not None:
            return self.odd_state
        if self.failure:
            return FAILURE
        if not self.plugged:
            return READY
        return CHARGING if self.wants and (self.amps or self.is_welded) else CONNECTED

    @property
    def delivers(self) -> bool:
        """Whether energy flows."""
        return self.state == CHARGING

    def holding(self) -> dict[int, int]:
        """The holding registers."""
        offered = self.amps if self.plugged else 0
        return {AMPS: self.amps, OFFERED: offered, STATE: self.state}

    def input(self) -> dict[int, int]:
        """The meter's input registers."""
        high, low = struct.unpack(">HH", struct.pack(">f", self.kwh))
        return {TOTAL: high, TOTAL + 1: low}

    def write(self, address: int, value: int) -> None:
        """Take what a master writes."""
        if address == AMPS:
            self.written.append(value)
            self.amps = min(value, self.max_amps)
