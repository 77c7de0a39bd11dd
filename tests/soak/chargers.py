"""Chargers of a station in a soak, whose registers move only while energy is on."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.drivers.chargers.command_example import ExampleCharger
from tests.drivers.chargers.rapi_emulator import Build
from tests.drivers.chargers.rapi_emulator_lines import EmulatorThread, make_line
from tests.drivers.modbus.evse import MIN_AMPS
from tests.drivers.modbus.server import METER_ID, Station, serve

if TYPE_CHECKING:
    from collections.abc import Coroutine

#: Fast, so that seconds are worth measuring.
WATTS: Final = 180_000
MAX_POWER_W: Final = 10**9
_REGISTER_WH: Final = 1000
_PATIENCE_S: Final = 10.0


@dataclass(slots=True)
class Flow:
    """A time in which energy could flow.

    `doubtful_wh` may have come after energy was off, by the world's own doing.
    """

    on_at: datetime
    on_wh: int
    off_wh: int | None = None
    doubtful_wh: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What a charger is like at a moment."""

    is_on: bool
    register_wh: int
    doubtful_wh: int = 0


class SoakCharger(ABC):
    """One charger with its vehicle; `look` is asked often, by one thread."""

    def __init__(self, evse: str) -> None:
        self.evse = evse
        self.flows: list[Flow] = []
        self.is_plugged = False
        self.is_there = True
        self._register_wh = _REGISTER_WH
        self._moved_at = time.monotonic()
        self._owed_wh = 0.0

    def table(self) -> dict[str, Any]:
        """Build its [[evse]]."""
        return {"uid": self.evse, "max_power_w": MAX_POWER_W} | self._keys()

    @abstractmethod
    def _keys(self) -> dict[str, Any]:
        """Say which driver it has, and how."""

    @abstractmethod
    def plug(self) -> None:
        """Plug a vehicle in that wants energy."""

    @abstractmethod
    def unplug(self) -> None:
        """Let it leave."""

    @abstractmethod
    def lose(self) -> None:
        """Cut the line."""

    @abstractmethod
    def mend(self) -> None:
        """Mend it; harmless when it is whole."""

    @abstractmethod
    def look(self) -> Look:
        """Let the register run up to now."""

    @abstractmethod
    def close(self) -> None:
        """Take it away for good."""

    def note(self) -> None:
        """Look, and note when energy came and went."""
        now = self.look()
        open_flow = next((f for f in self.flows[-1:] if f.off_wh is None), None)
        if now.is_on and open_flow is None:
            self.flows.append(Flow(datetime.now(UTC), self._register_wh))
        elif open_flow is not None:
            open_flow.doubtful_wh += now.doubtful_wh
            if not now.is_on:
                open_flow.off_wh = now.register_wh
        elif now.register_wh != self._register_wh:
            # It came and went between two looks.
            brief = Flow(datetime.now(UTC), self._register_wh, now.register_wh)
            self.flows.append(brief)
        self._register_wh = now.register_wh

    def _due_wh(self, *, flows: bool) -> int:
        """Tell how many whole Wh have flowed since it was asked last."""
        now = time.monotonic()
        if flows:
            self._owed_wh += WATTS * (now - self._moved_at) / 3600
        self._moved_at = now
        due, self._owed_wh = int(self._owed_wh), self._owed_wh % 1
        return due


class OpenEvse(SoakCharger):
    """An OpenEVSE on a pty; its own meter counts."""

    def __init__(self, evse: str, folder: Path) -> None:
        super().__init__(evse)
        folder.mkdir()
        build = Build(settle_s=0.05)
        self._thread = EmulatorThread(lambda: make_line("pty", folder, build))
        self._thread.__enter__()

    def _keys(self) -> dict[str, Any]:
        driver = {"driver": "openevse", "port": self._thread.url}
        return {"charger": driver | {"limit_amps": 16, "comm_timeout": "3s"}}

    def plug(self) -> None:
        """Plug a vehicle in."""
        self.is_plugged = True
        self._thread.do(lambda emulator: emulator.plug(WATTS))

    def unplug(self) -> None:
        """Let it leave."""
        self.is_plugged = False
        self._thread.do(lambda emulator: emulator.unplug())
        self._thread.do(lambda emulator: emulator.commands.clear())

    def lose(self) -> None:
        """Pull the adapter out."""
        self.is_there = False
        self._thread.unplug()

    def mend(self) -> None:
        """Put it back."""
        if not self.is_there:
            self._thread.plug_in()
        self.is_there = True

    def look(self) -> Look:
        """Ask the emulator."""
        return self._thread.do(lambda it: Look(it.relay, it.register_wh()))

    def close(self) -> None:
        """End its thread."""
        self._thread.__exit__(None, None, None)


class Modbus(SoakCharger):
    """A SimpleEVSE on an RTU line with a meter beside it."""

    def __init__(self, evse: str) -> None:
        super().__init__(evse)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._station = Station()
        entering = self._stack.enter_async_context(serve(self._station, "rtu"))
        self._port = self._run(entering)

    def _keys(self) -> dict[str, Any]:
        line = {"driver": "modbus", "port": self._port, "pause": "2ms"}
        line |= {"poll_every": "200ms"}
        return {
            "charger": line | {"limit_amps": 16, "comm_timeout": "2s"},
            "meter": line | {"profile": "sdm72", "device_id": METER_ID},
        }

    def plug(self) -> None:
        """Plug a vehicle in."""
        self._wire_vehicle(plugged=True)

    def unplug(self) -> None:
        """Let it leave."""
        self._wire_vehicle(plugged=False)

    def lose(self) -> None:
        """Cut the line."""
        if self.is_there:
            self._run(self._station.go_away())
        self.is_there = False

    def mend(self) -> None:
        """Mend it."""
        if not self.is_there:
            self._run(self._station.come_back())
        self.is_there = True

    def look(self) -> Look:
        """Let the meter count, between two requests."""

        async def main() -> Look:
            evse = self._station.evse
            wh = round(evse.kwh * 1000) + self._due_wh(flows=evse.delivers)
            evse.kwh = wh / 1000
            return Look(evse.amps >= MIN_AMPS and evse.plugged, wh)

        look: Look = self._run(main())
        return look

    def close(self) -> None:
        """End its thread."""
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wire_vehicle(self, *, plugged: bool) -> None:
        async def main() -> None:
            self._station.evse.plugged = self._station.evse.wants = plugged
            self._station.evse.written.clear()

        self.is_plugged = plugged
        self._run(main())

    def _run(self, main: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - its result
        done = asyncio.run_coroutine_threadsafe(main, self._loop)
        return done.result(_PATIENCE_S)


class Command(SoakCharger):
    """The example program of the documentation, with its charger of files."""

    def __init__(self, evse: str, folder: Path) -> None:
        super().__init__(evse)
        folder.mkdir()
        self._example = ExampleCharger(folder)
        self._example.put("wh", _REGISTER_WH)
        self._example.put("vehicle", "absent")

    def _keys(self) -> dict[str, Any]:
        return {"charger": {"driver": "command", "command": self._example.command}}

    def plug(self) -> None:
        """Plug a vehicle in."""
        self.is_plugged = True
        self._example.put("vehicle", "charging")

    def unplug(self) -> None:
        """Let it leave."""
        self.is_plugged = False
        self._example.put("vehicle", "absent")

    def lose(self) -> None:
        """Kill the program; the daemon starts it anew."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().decode().split("\0")
                if words[:-1] == self._example.command:
                    os.kill(int(process.name), signal.SIGKILL)

    def mend(self) -> None:
        """Leave it to the daemon."""

    def look(self) -> Look:
        """Move the register while the relay is on.

        It is the program's file, not ours: the relay may open in between.
        """
        moves = self._relay() and self.is_plugged
        due = self._due_wh(flows=moves) if moves else self._due_wh(flows=False)
        wh = self._register_wh + due
        if due:
            self._example.put("wh", wh)
        is_on = self._relay()
        return Look(is_on, wh, 0 if is_on else due)

    def close(self) -> None:
        """Leave the files to the folder."""

    def _relay(self) -> bool:
        """Read it; it is empty while it is written."""
        while not (text := self._example.relay):
            if not self.flows:
                return False  # The program has not run yet.
            time.sleep(0.001)
        return text == "1"
