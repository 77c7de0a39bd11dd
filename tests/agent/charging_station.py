"""A station whose charger is a real driver on a controller in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from drivers.errors import DeviceGoneError
from tests.drivers.chargers import command_bench, modbus_bench, openevse_bench
from tests.drivers.chargers.rapi_emulator import Build
from tests.fakes.station import Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from drivers.chargers.base import Charger
    from tests.fakes.hardware import FakeCharger

WATTS = 7200


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A controller, a vehicle that wants energy, and the line to them."""

    charger: Charger
    plug: Callable[[], object]
    unplug: Callable[[], object]
    #: Whether energy flows.
    delivers: Callable[[], bool]
    #: Let energy flow by itself, as a controller may that has just booted.
    boot: Callable[[], object]
    #: Cut the line, or kill what is on it.
    lose: Callable[[], object]
    #: Have no answer come any more; what is said is obeyed.
    hush: Callable[[], object]
    #: Undo either.
    restore: Callable[[], object]
    #: How much was tried so far.
    asked: Callable[[], int]


def openevse(*, auth_lock: bool) -> Hardware:
    """Make an OpenEVSE; if it has a lock, it boots unlocked."""
    bench = openevse_bench.Bench(Build(auth_lock=auth_lock, locked_at_boot=False))
    line, evse = bench.line, bench.evse

    def hush() -> None:
        line.mangle = lambda _: []

    def restore() -> None:
        line.mend()
        line.mangle = lambda text: [text]

    return Hardware(
        charger=bench.charger,
        plug=lambda: evse.plug(WATTS),
        unplug=evse.unplug,
        delivers=lambda: evse.relay,
        boot=evse.reboot,
        lose=line.cut,
        hush=hush,
        restore=restore,
        asked=lambda: line.tries + len(evse.commands),
    )


def modbus() -> Hardware:
    """Make a SimpleEVSE; cut off, it does not answer."""
    bench = modbus_bench.Bench()
    line, evse = bench.line, bench.evse

    def plug(*, is_there: bool) -> None:
        evse.plugged = evse.wants = is_there

    def be_silent(*, is_silent: bool, is_heard: bool) -> None:
        line.is_silent, line.is_heard = is_silent, is_heard

    return Hardware(
        charger=bench.charger,
        plug=lambda: plug(is_there=True),
        unplug=lambda: plug(is_there=False),
        delivers=lambda: evse.delivers,
        boot=evse.boot,
        lose=lambda: be_silent(is_silent=True, is_heard=False),
        hush=lambda: be_silent(is_silent=True, is_heard=True),
        restore=lambda: be_silent(is_silent=False, is_heard=True),
        asked=lambda: line.requests,
    )


def command(bench: command_bench.Bench) -> Hardware:
    """Take a program; killed, it leaves its charger as it is, and is not there."""
    program = bench.program

    def obey_silently(request: dict[str, Any]) -> dict[str, Any]:
        program.obey(request)
        return {"event": "meter", "wh": program.state["wh"]}

    def lose() -> None:
        program.missing = DeviceGoneError("there is no such program")
        if program.is_running:
            program.die()

    def hush() -> None:
        program.answer = obey_silently

    def restore() -> None:
        program.missing, program.answer = None, program.obey

    def boot() -> None:
        program.state["enabled"] = True

    def plug(*, is_there: bool) -> None:
        program.state["vehicle"] = "connected" if is_there else "absent"
        program.tell(event="connected" if is_there else "disconnected")

    return Hardware(
        charger=bench.charger,
        plug=lambda: plug(is_there=True),
        unplug=lambda: plug(is_there=False),
        delivers=lambda: program.is_on() and program.state["vehicle"] != "absent",
        boot=boot,
        lose=lose,
        hush=hush,
        restore=restore,
        asked=lambda: len(program.started) + len(program.asked),
    )


KINDS: dict[str, Callable[[], Hardware]] = {
    "openevse with a lock": lambda: openevse(auth_lock=True),
    "openevse without": lambda: openevse(auth_lock=False),
    "modbus": modbus,
    "command": lambda: command(command_bench.Bench()),
}


@asynccontextmanager
async def station(folder: Path, hardware: Hardware) -> AsyncIterator[Bench]:
    """Run a station with such a charger, from when it is found."""
    bench = Bench(folder)
    bench.hardware["E1"] = cast("FakeCharger", hardware.charger)
    async with bench.running():
        yield bench


async def start(bench: Bench, hardware: Hardware, card: str = "A") -> None:
    """Plug in, tap, and return when energy flows."""
    hardware.plug()
    await asyncio.sleep(6)
    assert not hardware.delivers()
    await bench.tap(card)
    await asyncio.sleep(1)
    assert hardware.delivers()
