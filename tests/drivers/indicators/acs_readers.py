"""ACS readers for tests: they keep what their LEDs and buzzer did.

Written from the manuals, bit by bit, not from the driver.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RED, GREEN = 1, 2
FAILED = bytes.fromhex("6300")
UNKNOWN = bytes.fromhex("6D00")


@dataclass
class AcsReader:
    """What every reader has: two LEDs, a buzzer and a habit of beeping at cards."""

    leds: int = 0
    #: Every state that the LEDs were set to, equal ones in a row once.
    states: list[int] = field(default_factory=list)
    #: Milliseconds of each beep.
    beeps: list[int] = field(default_factory=list)
    card_beep: bool = True
    #: The longest time that one command held up the reader.
    deaf_ms: int = 0

    def answer(self, command: bytes) -> bytes:
        """Do what a command says."""
        raise NotImplementedError

    def light(self, leds: int) -> None:
        """Set the LEDs."""
        if not self.states or self.states[-1] != leds:
            self.states.append(leds)
        self.leds = leds

    def led_and_buzzer(self, command: bytes) -> bytes:
        """Do `FF 00 40 P2 04 T1 T2 N buzzer`."""
        if len(command) != 9 or command[4] != 4:
            return FAILED
        p2, (t1, t2, repetitions, buzzer) = command[3], command[5:]
        held_up = (t1 + t2) * repetitions * 100
        self.deaf_ms = max(self.deaf_ms, held_up)
        if buzzer & 1:
            self.beeps.extend([t1 * 100] * repetitions)
        if buzzer & 2:
            self.beeps.extend([t2 * 100] * repetitions)
        mask = p2 >> 2 & 0b11
        if mask:
            self.light(self.leds & ~mask | p2 & mask)
        return bytes([0x90, self.leds])


@dataclass
class Acr122u(AcsReader):
    """Takes the same commands as APDU and as escape."""

    def answer(self, command: bytes) -> bytes:
        """Know the LEDs, the buzzer, and the buzzer at cards."""
        if command.startswith(bytes.fromhex("FF0040")):
            return self.led_and_buzzer(command)
        if command.startswith(bytes.fromhex("FF0052")) and len(command) == 5:
            self.card_beep = command[3] == 0xFF
            return bytes([0x90, self.leds])
        return UNKNOWN


@dataclass
class Acr1252u(AcsReader):
    """Has commands of its own, which only come as escape."""

    behavior: int = 0x7F
    written: int = 0

    def answer(self, command: bytes) -> bytes:
        """Know the LEDs, the buzzer and the behavior."""
        if command.startswith(bytes.fromhex("FF0040")):
            return self.led_and_buzzer(command)
        head, value = command[:5], command[5:]
        if head == bytes.fromhex("E000002901") and len(value) == 1:
            self.light(value[0])
            return bytes.fromhex("E100000001") + value
        if head == bytes.fromhex("E000002801") and len(value) == 1:
            self.beeps.append(value[0] * 10)
            return bytes.fromhex("E100000001") + value
        if head == bytes.fromhex("E000002100"):
            return bytes([0xE1, 0, 0, 0, 1, self.behavior])
        if head == bytes.fromhex("E000002101") and len(value) == 1:
            self.behavior = value[0]
            self.written += 1
            return bytes.fromhex("E100000001") + value
        return UNKNOWN
