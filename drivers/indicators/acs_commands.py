"""What ACS readers are told about their LEDs and buzzer; pure but for the exchange.

ACR122U API 2.04, §6.2 and §6.7; ACM1252U-Y3 reference manual 1.03, §5.3 and §5.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, StrEnum
from math import ceil
from typing import TYPE_CHECKING, Final, Protocol

from drivers.errors import TransientDeviceError, UnsupportedDeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Sends a command and gives the answer; no bytes at all: the card was torn away.
    Exchange = Callable[[bytes], bytes]

LEDS_AND_BUZZER: Final = bytes.fromhex("FF 00 40")  # Then P2, 04, T1, T2, N, buzzer
UPDATE_BOTH: Final = 0b1100  # The masks of P2; blinking is not left to the reader
BUZZER_ONLY: Final = 0
BUZZER_IN_T1: Final = 0x01
TICK_S: Final = 0.1  # Unit of T1 and T2
LONGEST_TICKS: Final = 2  # The reader does nothing else meanwhile, not even read

CARD_BUZZER: Final = bytes.fromhex("FF 00 52")  # Then FF for on, and 00
SW1_OK: Final = 0x90  # SW2 is the state of the LEDs
SW_FAILED: Final = bytes.fromhex("63 00")

BUZZER: Final = bytes.fromhex("E0 00 00 28 01")  # Then the time
LEDS: Final = bytes.fromhex("E0 00 00 29 01")
READ_BEHAVIOR: Final = bytes.fromhex("E0 00 00 21 00")
WRITE_BEHAVIOR: Final = bytes.fromhex("E0 00 00 21 01")
DONE: Final = bytes.fromhex("E1 00 00 00 01")  # Then the value as it is now
BUZZER_UNIT_S: Final = 0.01
LONGEST_UNITS: Final = 0xFE  # FF is "until told otherwise" on some of the family
CARD_EVENTS_BUZZER: Final = 1 << 3


class Model(StrEnum):
    """Which commands a reader understands."""

    ACR122U = "acr122u"
    ACR1252U = "acr1252u"


class Led(Flag):
    """The two LEDs; the bits are those of all commands here."""

    NONE = 0
    RED = 0b01
    GREEN = 0b10


@dataclass(frozen=True, slots=True)
class Light:
    """What is seen from now on, None for no change, and for how long it is heard."""

    leds: Led | None
    beep_s: float = 0.0


class Dialect(Protocol):
    """How one kind of reader is told; both raise DriverError at a wrong answer."""

    def show(self, exchange: Exchange, light: Light) -> None:
        """Show the light; the buzzer may hold up the answer."""

    def set_card_beep(self, exchange: Exchange, *, on: bool) -> None:
        """Let the reader beep by itself at a card, or not."""


class NoCardError(TransientDeviceError):
    """No answer at all: through a card it means that the card was torn away."""


class CommandDialect:
    """`FF 00 40`: the ACR122U, and its like through a card."""

    def __init__(self, *, has_card_buzzer: bool) -> None:
        self._has_card_buzzer = has_card_buzzer

    def show(self, exchange: Exchange, light: Light) -> None:
        """Show the LEDs at once, then beep for at most LONGEST_TICKS."""
        if light.leds is not None:
            leds = bytes([UPDATE_BOTH | light.leds.value, 4, 0, 0, 0, 0])
            _expect_90(exchange, LEDS_AND_BUZZER + leds)
        if light.beep_s > 0:
            ticks = min(ceil(light.beep_s / TICK_S), LONGEST_TICKS)
            buzzer = bytes([BUZZER_ONLY, 4, ticks, 0, 1, BUZZER_IN_T1])
            _expect_90(exchange, LEDS_AND_BUZZER + buzzer)

    def set_card_beep(self, exchange: Exchange, *, on: bool) -> None:
        """Say it until the reader loses power; without effect if it has no command."""
        if self._has_card_buzzer:
            _expect_90(exchange, CARD_BUZZER + bytes([0xFF if on else 0x00, 0]))


class EscapeDialect:
    """`E0 00 00`: the ACR1252U, through its driver."""

    def show(self, exchange: Exchange, light: Light) -> None:
        """Show the LEDs; the buzzer ends by itself and holds up nothing."""
        if light.leds is not None:
            _expect_done(exchange, LEDS + bytes([light.leds.value]))
        if light.beep_s > 0:
            units = min(ceil(light.beep_s / BUZZER_UNIT_S), LONGEST_UNITS)
            _expect_done(exchange, BUZZER + bytes([units]))

    def set_card_beep(self, exchange: Exchange, *, on: bool) -> None:
        """Say it for good: the reader keeps it, so it is written only if it differs."""
        behavior = _expect_done(exchange, READ_BEHAVIOR)
        wanted = behavior & ~CARD_EVENTS_BUZZER | (CARD_EVENTS_BUZZER if on else 0)
        if wanted != behavior:
            _expect_done(exchange, WRITE_BEHAVIOR + bytes([wanted]))


def dialect_of(model: Model, *, escape: bool) -> Dialect:
    """Choose the commands: only an escape takes the ACR1252U's own."""
    if model is Model.ACR122U:
        return CommandDialect(has_card_buzzer=True)
    return EscapeDialect() if escape else CommandDialect(has_card_buzzer=False)


def _expect_90(exchange: Exchange, command: bytes) -> None:
    answer = exchange(command)
    if len(answer) == len(SW_FAILED) and answer[0] == SW1_OK:
        return
    if not answer:
        raise NoCardError(f"the reader does not answer {_hex(command)}")
    if answer == SW_FAILED:
        raise TransientDeviceError(f"the reader failed at {_hex(command)}: 63 00")
    raise _not_understood(command, "90 and the state of the LEDs", answer)


def _expect_done(exchange: Exchange, command: bytes) -> int:
    answer = exchange(command)
    if not answer:
        raise TransientDeviceError(f"the reader does not answer {_hex(command)}")
    if len(answer) != len(DONE) + 1 or not answer.startswith(DONE):
        raise _not_understood(command, f"{_hex(DONE)} and a byte", answer)
    return answer[-1]


def _not_understood(
    command: bytes, expected: str, answer: bytes
) -> UnsupportedDeviceError:
    # A longer answer could be anything, a card number included.
    short = len(answer) <= len(SW_FAILED)
    got = _hex(answer) if short else f"{len(answer)} bytes"
    return UnsupportedDeviceError(
        f"expected {expected} as answer to {_hex(command)}, got {got}: "
        "set model to what the reader is, or match to the reader that is meant"
    )


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()
