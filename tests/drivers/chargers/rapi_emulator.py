"""An OpenEVSE controller for tests: what its firmware answers, says and forgets.

Written from the protocol's description, apart from the driver: nothing of the driver is
used here. Time is what the given loop says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.drivers.chargers.rapi_emulator_supply import Build, Car, Clock, Supply
from tests.drivers.chargers.rapi_emulator_words import (
    NAK_OF_DAMAGE,
    Words,
    boot_line,
    read_words,
    reply_line,
    sealed,
    state_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Build", "Emulator"]

HARD_FAULT, LOCKED, RELAY, EV, BOOT = 0x0002, 0x0008, 0x0040, 0x0100, 0x4000
TOLD_FLAGS = HARD_FAULT | LOCKED | EV
A, B, C, SLEEP, DISABLED = 0x01, 0x02, 0x03, 0xFE, 0xFF


class Emulator(Supply):
    """One controller; `send` takes what it says, line by line."""

    def __init__(
        self, clock: Clock, send: Callable[[bytes], object], build: Build
    ) -> None:
        super().__init__(clock, build)
        self.send = send
        #: Everything that was asked, in order, without ids.
        self.commands: list[str] = []
        #: Not obeyed and not answered until so many commands more have come.
        self.deaf = 0
        self.locked = self.build.auth_lock and self.build.locked_at_boot
        #: Until SB it only listens: the pilot is not looked at, the state is unknown.
        self.boot_locked = self.build.boot_lock
        self.state = 0 if self.boot_locked else A
        self.relay = False
        self.car: Car | None = None
        self.fault: int | None = None
        self.hard_fault = False
        #: Commands that do not open the relay any more.
        self.stuck: set[str] = set()
        self.total_wh = 1000
        self.session_ws = 0.0
        #: What has really flowed, since the start.
        self.energy_ws = 0.0
        self._in_session = False
        self._counted_at = self.clock.time()
        self._boots = 0
        self._is_up = True
        self._line = bytearray()
        self._told: tuple[object, ...] = ()

    # ---- the world ------------------------------------------------------------------

    def plug(self, watts: int = 0, reacts_s: float | None = 0.01) -> None:
        """Plug a car in."""
        self._count()
        self.car = Car(watts, reacts_s)
        self._read_pilot()
        self._settle()

    def draw(self, watts: int) -> None:
        """Let the car want this much."""
        assert self.car is not None
        self._count()
        self.car.watts = watts
        self._settle()

    def unplug(self) -> None:
        """Let the car leave; its energy joins the total."""
        self._count()
        self.car = None
        self._read_pilot()
        if self.hard_fault:
            # The controller leaves its fault, and forgets that it was asleep.
            self.hard_fault, self.fault, self.state = False, None, A
        self._settle()

    def trip(self, code: int, *, hard: bool = False) -> None:
        """Have a fault: the relay opens at once."""
        self._count()
        self.fault, self.hard_fault = code, hard
        self._settle()

    def mend(self) -> None:
        """Let the fault be gone."""
        self.fault = None
        if self.state not in (SLEEP, DISABLED):
            self._forget_state()

    def reboot(self, *, silent: bool = False) -> None:
        """Lose the memory, be away for a while, then say so."""
        self._count()
        self._boots += 1
        self._is_up, self.relay = False, False
        self.session_ws, self._in_session = 0.0, False
        self.state, self.fault, self.hard_fault = 0, None, False
        self.locked = self.build.auth_lock and self.build.locked_at_boot
        self.boot_locked = self.build.boot_lock
        self.amps, self.trigger = self.build.max_amps, 0
        if not silent:
            self._say_state(force=True)
        self.clock.call_later(self.build.boot_s, self._boot, self._boots, silent)

    def press_button(self) -> None:
        """Send it to sleep, or wake it, at the charger."""
        self._wake() if self.state in (SLEEP, DISABLED) else self._sleep()
        self.send(sealed("$AN 0"))
        self._say_state()

    def delivers(self) -> bool:
        """Tell whether energy can flow."""
        return self.relay

    def register_wh(self) -> int:
        """Give what the driver's register should read."""
        self._count()
        return self.total_wh + int(self.session_ws // 3600) * self._in_session

    # ---- the line -------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes as the firmware does."""
        for byte in data:
            if byte == ord("$"):
                self._line[:] = b"$"
            elif not self._line:
                continue
            elif byte == ord("\r"):
                line, self._line = bytes(self._line), bytearray()
                if self._is_up:
                    self._obey(line)
            elif len(self._line) < 31:
                self._line.append(byte)
            else:
                self._line.clear()

    def _obey(self, line: bytes) -> None:
        words = read_words(line)
        if words is None:
            self.send(NAK_OF_DAMAGE)
            return
        self._count()
        self.commands.append(" ".join(words.command))
        if self.deaf:
            self.deaf -= 1
            return
        ok, text = self._answer(words)
        self.send(reply_line(text, words.sequence_id, ok=ok))
        self._say_state()

    def _answer(self, words: Words) -> tuple[bool, str]:  # noqa: C901, PLR0911, PLR0912 - one case per command
        build = self.build
        match words.command:
            case ["GS"]:
                return True, f"{self.state:02x} 0 {self.state:02x} {self._flags():04x}"
            case ["GU"] if build.meter:
                return True, f"{int(self.session_ws)} {self.total_wh}"
            case ["GC"]:
                amps = ["6", "80", str(self.amps), str(build.max_amps)]
                return True, " ".join(amps[: build.gc_words])
            case ["G0"]:
                return True, "2" if self.state == DISABLED else str(int(bool(self.car)))
            case ["G4"] if build.auth_lock:
                return True, str(int(self.locked))
            case ["S4", lock] if build.auth_lock:
                self.locked = lock != "0"
                self._settle()
                return True, ""
            case ["FE"]:
                self._wake()
                return True, ""
            case ["FS"]:
                self._sleep()
                return True, ""
            case ["FD"]:
                self.state = DISABLED
                if "FD" not in self.stuck:
                    self._open_relay()
                return True, ""
            case ["SB"] if build.boot_lock:
                return True, self._clear_boot_lock()
            case ["SC", amps, "V"]:
                return self._set_amps(int(amps))
            case ["SC", amps]:
                self.eeprom_writes += 1
                return self._set_amps(int(amps))
            case ["GY"] if build.heartbeat:
                return True, self._heartbeat_text()
            case ["SY", *parameters] if build.heartbeat:
                return self._supervise(parameters), self._heartbeat_text()
        return False, ""

    # ---- the firmware ---------------------------------------------------------------

    def _boot(self, number: int, silent: bool) -> None:  # noqa: FBT001 - call_later passes it on
        if number != self._boots:
            return
        self._is_up = True
        if not silent:
            self.send(boot_line())
        self.clock.call_later(self.build.settle_s, self._leave_unknown)

    def _clear_boot_lock(self) -> str:
        if self.fault is not None:
            return "1"
        if self.boot_locked:
            self.boot_locked = False
            self._read_pilot()
            if self.state == 0:
                self._forget_state()
        return "0"

    def _wake(self) -> None:
        if self.state in (SLEEP, DISABLED):
            self._forget_state()

    def _forget_state(self) -> None:
        self.state = 0
        self.clock.call_later(self.build.settle_s, self._leave_unknown)

    def _leave_unknown(self) -> None:
        if self.state == 0 and self._is_up and not self.boot_locked:
            self.state = A
            self._read_pilot()
            if self.car is None:
                self.locked = self.locked or self.build.auth_lock
            self._settle()

    def _sleep(self) -> None:
        if self.state == SLEEP:
            return
        self.state = SLEEP
        self._read_pilot()
        reacts_s = self.car.reacts_s if self.car else 0.0
        wait_s = 3.0 if reacts_s is None else min(reacts_s, 3.0)
        self.clock.call_later(wait_s, self._open_relay_asleep)

    def _open_relay_asleep(self) -> None:
        if self.state == SLEEP and "FS" not in self.stuck:
            self._open_relay()

    def _settle(self) -> None:
        """Take the state that follows from everything else, and say so."""
        if self.boot_locked and self.fault is not None:
            self.state = self.fault  # It has not passed its first test.
        if self.boot_locked or not self._is_up or self.state in (0, SLEEP, DISABLED):
            self._say_state()
            return
        before = self.state
        if self.fault is not None:
            self.state = self.fault
        elif self.car is None:
            self.state = A
        elif self.car.watts and not self.locked:
            # Only in B the car hears that it may.
            self.state = C if before in (B, C) else B
            if before not in (B, C):
                self.clock.call_later(self.build.settle_s, self._settle)
        else:
            self.state = B
        if self.state == A and before != A and self.build.auth_lock:
            self.locked = True
        if self.state == C:
            self._count()
            self.relay = True
        elif not (self.locked and "S4" in self.stuck):
            self._open_relay()
        self._say_state()

    def _open_relay(self) -> None:
        self._count()
        self.relay = False

    def _read_pilot(self) -> None:
        """See whether a car is there, and begin or end its count.

        Blind at -12 V, and until the boot lock is cleared.
        """
        if self.boot_locked or self.state == DISABLED or not self._is_up:
            return
        if self.car is not None and not self._in_session:
            self.session_ws = 0.0
        elif self.car is None and self._in_session:
            self.total_wh += int(self.session_ws // 3600)
        self._in_session = self.car is not None

    def _count(self) -> None:
        """Let the meter run up to now."""
        now = self.clock.time()
        if self.relay and self.car is not None:
            self.energy_ws += self.car.watts * (now - self._counted_at)
            self.session_ws += self.car.watts * (now - self._counted_at)
        self._counted_at = now
        self._look_for_pulse()

    def _flags(self) -> int:
        return (
            HARD_FAULT * self.hard_fault
            | LOCKED * self.locked
            | RELAY * self.relay
            | EV * self._in_session
            | BOOT * self.boot_locked
        )

    def _say_state(self, *, force: bool = False) -> None:
        flags = self._flags()
        now = (self.state, self.amps, flags & TOLD_FLAGS)
        if force or (self._is_up and self.state and now != self._told):
            self._told = now
            self.send(state_line(self.state, self.amps, flags))
