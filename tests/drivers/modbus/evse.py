"""A SimpleEVSE as its documentation describes it, with a car and an energy meter."""

from __future__ import annotations

import struct

READY, CONNECTED, CHARGING, FAILURE = 1, 2, 3, 5
STEADY, PWM, OFF = 1, 2, 3
AMPS, OFFERED, STATE, OUTPUT, CONFIG = 1000, 1001, 1002, 1006, 2005
PRECISE = 0x0080
MIN_AMPS = 6
TOTAL = 0x0156


class SimpleEvse:
    """Registers 1000 to 1006 and 2005 of a controller, and 0x0156 of an SDM630.

    1002 is the vehicle's side of the pilot: a vehicle may ask for energy, 3, though
    none is offered. Whether it is, stands in 1006.
    """

    def __init__(self, boot_amps: int = 32) -> None:
        self._boot_amps = boot_amps
        #: The amps that the master has wanted; they stand in 1000.
        self.amps: float = boot_amps
        #: Bit 7 of 2005: 1000 counts hundredths of an amp.
        self.is_precise = False
        #: More than this it does not take.
        self.max_amps = 80
        self.plugged = False
        self.wants = False
        #: The vehicle goes on asking when nothing is offered any more.
        self.is_stubborn = False
        self.failure = False
        #: A state that is told whatever is the case.
        self.odd_state: int | None = None
        #: It offers energy whatever stands in 1000.
        self.is_stuck = False
        #: What was written to 1000, in order.
        self.written: list[int] = []
        self.kwh: float = 1.0

    def boot(self) -> None:
        """Lose the memory: it offers by itself what it is set up for."""
        self.amps = self._boot_amps

    @property
    def output(self) -> int:
        """What stands in 1006."""
        if not self.is_stuck and self.amps < MIN_AMPS:
            return OFF
        return PWM if self.plugged else STEADY

    @property
    def state(self) -> int:
        """What stands in 1002."""
        if self.odd_state is not None:
            return self.odd_state
        if self.failure:
            return FAILURE
        if not self.plugged:
            return READY
        asks = self.wants and (self.output == PWM or self.is_stubborn)
        return CHARGING if asks else CONNECTED

    @property
    def delivers(self) -> bool:
        """Whether energy flows."""
        return self.state == CHARGING and self.output == PWM

    def holding(self) -> dict[int, int]:
        """The holding registers."""
        unit = 100 if self.is_precise else 1
        registers = dict.fromkeys(range(AMPS, OUTPUT), 0)
        offered = self.amps if self.output == PWM else 0
        return registers | {
            AMPS: round(self.amps * unit),
            OFFERED: round(offered * unit),
            STATE: self.state,
            OUTPUT: self.output,
            CONFIG: PRECISE if self.is_precise else 0,
        }

    def input(self) -> dict[int, int]:
        """The meter's input registers."""
        high, low = struct.unpack(">HH", struct.pack(">f", self.kwh))
        return {TOTAL: high, TOTAL + 1: low}

    def write(self, address: int, value: int) -> None:
        """Take what a master writes."""
        if address == AMPS:
            self.written.append(value)
            amps = value / 100 if self.is_precise else value
            self.amps = min(amps, self.max_amps)
