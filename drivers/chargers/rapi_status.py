"""What an OpenEVSE controller says of itself: state, flags, energy, heartbeat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, Self

from drivers.errors import FrameError

_HEX_BYTE: Final = re.compile(r"[0-9A-Fa-f]{2}")
_HEX_WORD: Final = re.compile(r"[0-9A-Fa-f]{4}")
_NATURAL: Final = re.compile(r"[0-9]{1,10}")  # 32 bits

WS_PER_WH: Final = 3600


class State(IntEnum):
    """EVSE_STATE_… of the firmware that are no faults; others are."""

    UNKNOWN = 0x00  # For a moment, on the way to another
    NOT_CONNECTED = 0x01
    CONNECTED = 0x02
    CHARGING = 0x03
    SLEEPING = 0xFE
    DISABLED = 0xFF


class Flag(IntFlag):
    """ECVF_… of the firmware, those that matter here."""

    HARD_FAULT = 0x0002  # Until the vehicle leaves, or the power
    AUTH_LOCKED = 0x0008
    RELAY_CLOSED = 0x0040
    EV_CONNECTED = 0x0100  # Frozen while the pilot is at -12 V (DISABLED)
    BOOT_LOCKED = 0x4000  # Until SB it sees no vehicle, and its state stays UNKNOWN


FAULTS: Final = {
    0x04: "VentilationRequired",
    0x05: "DiodeCheckFailed",
    0x06: "GfciFault",
    0x07: "NoGround",
    0x08: "StuckRelay",
    0x09: "GfiSelfTestFailed",
    0x0A: "OverTemperature",
    0x0B: "OverCurrent",
    0x0E: "RelayClosureFault",
    0x0F: "ProximityShorted",
    0x10: "ProximityMissing",
    0x11: "EepromFailure",
}
HARD_FAULT: Final = "HardFault"
_NO_FAULTS: Final = frozenset(int(state) for state in State)


@dataclass(frozen=True, slots=True)
class Status:
    """The answer to GS, or what AT says; `amps` is known from AT only."""

    state: int
    flags: Flag
    amps: int | None = None

    @classmethod
    def from_reply(cls, words: tuple[str, ...]) -> Self:
        """Read `state elapsed pilot vflags`."""
        match words:
            case (state, elapsed, pilot, flags) if _NATURAL.fullmatch(elapsed):
                _parse_byte(pilot)
                return cls(_parse_byte(state), _parse_flags(flags))
        raise FrameError(
            f"expected state, seconds, pilot and flags from GS, got {words}; RAPI 5 "
            "or newer is needed"
        )

    @classmethod
    def from_notice(cls, words: tuple[str, ...]) -> Self:
        """Read `state pilot amps vflags`."""
        match words:
            case (state, pilot, amps, flags) if _NATURAL.fullmatch(amps):
                _parse_byte(pilot)
                return cls(_parse_byte(state), _parse_flags(flags), int(amps))
        raise FrameError(f"expected state, pilot, amps and flags in AT, got {words}")

    @property
    def fault(self) -> str | None:
        """Its name, None without one."""
        if self.state in _NO_FAULTS:
            # Sent to sleep, the controller keeps the flag and forgets the reason.
            return HARD_FAULT if Flag.HARD_FAULT in self.flags else None
        return FAULTS.get(self.state, f"State{self.state:02X}")

    @property
    def is_relay_closed(self) -> bool:
        """Whether energy can reach the vehicle."""
        return Flag.RELAY_CLOSED in self.flags

    @property
    def is_ev_connected(self) -> bool:
        """Whether a vehicle is plugged in, or was when the pilot went to -12 V."""
        return Flag.EV_CONNECTED in self.flags

    @property
    def is_auth_locked(self) -> bool:
        """Whether the authorization lock keeps the relay open."""
        return Flag.AUTH_LOCKED in self.flags

    @property
    def waits_for_clearance(self) -> bool:
        """Whether it has booted and does nothing until SB; in a fault SB is of no use.

        Not in a notice: the first one comes before it has booted, and AB follows.
        """
        is_locked = Flag.BOOT_LOCKED in self.flags
        return is_locked and self.amps is None and self.fault is None

    @property
    def is_resting(self) -> bool:
        """Whether it sleeps or is disabled."""
        return self.state in (State.SLEEPING, State.DISABLED)


@dataclass(frozen=True, slots=True)
class Energy:
    """The answer to GU.

    `total_wh` survives a reboot, and grows only when a vehicle is unplugged, by
    `session_ws`. That one starts from 0 when a vehicle is plugged in, and a reboot
    loses it.
    """

    session_ws: int
    total_wh: int

    @classmethod
    def from_reply(cls, words: tuple[str, ...]) -> Self:
        """Read `session_ws total_wh`."""
        return cls(*_parse_naturals(words, 2, "GU"))

    def register_wh(self, *, ev_connected: bool) -> int:
        """Add up what has flowed, so that it counts on through plug and unplug."""
        running_wh = self.session_ws // WS_PER_WH if ev_connected else 0
        return self.total_wh + running_wh


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The answer to GY and SY: supervision of pulses, `interval_s` 0 for none."""

    interval_s: int
    amps: int
    trigger: int

    @classmethod
    def from_reply(cls, words: tuple[str, ...]) -> Self:
        """Read `interval amps trigger`."""
        return cls(*_parse_naturals(words, 3, "GY"))

    @property
    def has_missed(self) -> bool:
        """Whether a pulse was missed and the current is still lowered for it."""
        return self.trigger == 2  # noqa: PLR2004 - HS_MISSEDPULSE_NOACK


def parse_amps(words: tuple[str, ...]) -> int:
    """Read the answer to SC: the amps that are set now."""
    (amps,) = _parse_naturals(words, 1, "SC")
    return amps


def parse_configured_amps(words: tuple[str, ...]) -> int:
    """Read the answer to GC: the most that may be asked for.

    The fourth word is what the installer allowed. Before RAPI 5.1 there are two or
    three, of which the second is the hardware's limit; the controller takes no more
    than the installer allowed when it is told that.
    """
    count = min(max(len(words), 2), 4)
    amps = _parse_naturals(words, count, "GC")
    return amps[3] if count == 4 else amps[1]  # noqa: PLR2004 - what GC says


def _parse_naturals(words: tuple[str, ...], count: int, command: str) -> list[int]:
    if len(words) != count or not all(map(_NATURAL.fullmatch, words)):
        raise FrameError(f"expected {count} numbers from {command}, got {words}")
    return [int(word) for word in words]


def _parse_byte(word: str) -> int:
    if not _HEX_BYTE.fullmatch(word):
        raise FrameError(f"expected two hex digits, got {word!r}")
    return int(word, 16)


def _parse_flags(word: str) -> Flag:
    if not _HEX_WORD.fullmatch(word):
        raise FrameError(f"expected four hex digits, got {word!r}")
    return Flag(int(word, 16))
