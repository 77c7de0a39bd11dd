"""The emulated controller's build, its current, and who supervises it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """What the emulator needs of an event loop."""

    def time(self) -> float:
        """Seconds."""
        ...

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: object
    ) -> Any:  # noqa: ANN401 - a handle that nobody looks at
        """Call it then."""
        ...


@dataclass
class Build:
    """What differs between controllers."""

    auth_lock: bool = True
    locked_at_boot: bool = True
    boot_lock: bool = False
    meter: bool = True
    heartbeat: bool = True
    max_amps: int = 32
    #: RAPI 5.0 tells one less: not what is configured.
    gc_words: int = 4
    boot_s: float = 0.05
    #: Every state is looked at for so long before it counts.
    settle_s: float = 0.25


@dataclass
class Car:
    """A vehicle; it obeys the pilot after `reacts_s`, None for never."""

    watts: int = 0
    reacts_s: float | None = 0.01


class Supply:
    """How much it offers, and what a heartbeat does to that."""

    def __init__(self, clock: Clock, build: Build) -> None:
        self.clock = clock
        self.build = build
        self.amps = build.max_amps
        self.heartbeat = (0, 0)
        self.trigger = 0
        self.pulses = 0
        self.eeprom_writes = 0
        self._pulse_at = 0.0

    def _look_for_pulse(self) -> None:
        """Lower the current when none has come for too long."""
        now = self.clock.time()
        interval_s, amps = self.heartbeat
        if interval_s and now - self._pulse_at > interval_s:
            self.trigger, self._pulse_at = 2, now
            self.amps = min(self.amps, max(amps, 6))

    def _set_amps(self, amps: int) -> tuple[bool, str]:
        self.amps = min(max(amps, 6), self.build.max_amps)
        return self.amps == amps, str(self.amps)

    def _supervise(self, parameters: list[str]) -> bool:
        self._pulse_at = self.clock.time()
        match parameters:
            case []:
                self.pulses += 1
                return self.trigger != 2
            case ["165"]:
                if self.trigger == 2:
                    self.trigger, self.amps = 1, self.build.max_amps
                return True
            case [interval_s, amps]:
                self.eeprom_writes += self.heartbeat != (int(interval_s), int(amps))
                self.heartbeat, self.trigger = (int(interval_s), int(amps)), 0
                return True
        return False

    def _heartbeat_text(self) -> str:
        return f"{self.heartbeat[0]} {self.heartbeat[1]} {self.trigger}"
