"""Chargers on real lines, whatever their driver: a vehicle, energy, a plug to pull."""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from drivers.chargers.command import CommandCharger, CommandConfig
from drivers.chargers.command_follower import Timings as CommandTimings
from drivers.chargers.modbus import ModbusCharger, ModbusConfig
from drivers.chargers.openevse import OpenEvseCharger, OpenEvseConfig
from drivers.chargers.openevse_switch import Timings
from drivers.modbus.line import Lines
from tests.drivers.chargers.rapi_emulator import Build
from tests.drivers.chargers.rapi_emulator_lines import PtyLine, TcpLine, make_line
from tests.drivers.modbus.server import Station, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from drivers.chargers.base import Charger

KINDS = [
    "openevse on a pty",
    "openevse behind a serial server",
    "modbus on a pty",
    "modbus on tcp",
    "modbus behind a serial server",
    "a program",
]
# It does what it is asked, and remembers in files what its charger is: a program that
# starts in no time, because it starts a hundred times.
PROGRAM = """#!/bin/sh
echo $$ > "$1/pid"
while read -r line; do
    case $line in
    *'"enable"'*) echo true > "$1/on" ;;
    *'"disable"'*) echo false > "$1/on" ;;
    esac
    id=${line#*:}
    read -r on < "$1/on"
    vehicle=connected
    test $on = true && vehicle=charging
    printf '{"id":%s,"ok":true,"vehicle":"%s","enabled":%s}\\n' \\
        "${id%%,*}" $vehicle $on
done
echo false > "$1/on"
"""


class Rig(ABC):
    """A charger, and a vehicle at it that wants energy."""

    charger: Charger

    @abstractmethod
    def delivers(self) -> bool:
        """Whether energy flows."""

    @abstractmethod
    async def lose(self) -> None:
        """Pull the plug between agent and charger, or kill what is between them."""

    @abstractmethod
    async def restore(self) -> None:
        """Put it back."""


class OpenEvseRig(Rig):
    """An OpenEVSE controller without a lock."""

    def __init__(self, line: PtyLine | TcpLine) -> None:
        self._line = line
        self.charger = OpenEvseCharger(
            OpenEvseConfig(port=line.url), timings=Timings(check_every_s=0.01)
        )
        line.emulator.plug(watts=7200)

    def delivers(self) -> bool:
        """Look at the relay."""
        return self._line.emulator.relay

    async def lose(self) -> None:
        """Unplug the line."""
        self._line.unplug()

    async def restore(self) -> None:
        """Plug it in."""
        self._line.plug_in()


class ModbusRig(Rig):
    """A SimpleEVSE."""

    def __init__(self, station: Station, port: str) -> None:
        self._station = station
        station.evse.plugged = station.evse.wants = True
        config = ModbusConfig(
            port=port,
            limit_amps=16,
            pause=timedelta(milliseconds=1),
            answer_timeout=timedelta(milliseconds=50),
            poll_every=timedelta(milliseconds=10),
            comm_timeout=timedelta(milliseconds=30),
        )
        self.charger = ModbusCharger(config, lines=Lines())

    def delivers(self) -> bool:
        """Look at the state."""
        return self._station.evse.delivers

    async def lose(self) -> None:
        """Unplug the port, or stop the server."""
        await self._station.go_away()

    async def restore(self) -> None:
        """Plug it in, or start the server on its old port."""
        await self._station.come_back()


class ProgramRig(Rig):
    """A program in the shell."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "program"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        (folder / "on").write_text("false\n")
        self.charger = CommandCharger(
            CommandConfig(
                command=[str(program), str(folder)], comm_timeout=timedelta(seconds=3)
            ),
            timings=CommandTimings(leave_s=1.0, grace_s=1.0),
        )

    def delivers(self) -> bool:
        """Look at the file."""
        return (self._folder / "on").read_text() == "true\n"

    async def lose(self) -> None:
        """Kill it, without a warning."""
        os.kill(int((self._folder / "pid").read_text()), signal.SIGKILL)

    async def restore(self) -> None:
        """Do nothing: the driver starts it."""


@asynccontextmanager
async def rig_of(kind: str, folder: Path) -> AsyncIterator[Rig]:
    """Set up a charger of a kind."""
    if kind == "a program":
        yield ProgramRig(folder)
    elif kind.startswith("modbus"):
        station = Station()
        wires = {"modbus on a pty": "rtu", "modbus on tcp": "tcp"}
        async with serve(station, wires.get(kind, "rtu over tcp")) as port:
            yield ModbusRig(station, port)
    else:
        build = Build(auth_lock=False, settle_s=0.01)
        line = await make_line(kind.rpartition(" ")[2], folder, build)
        try:
            yield OpenEvseRig(line)
        finally:
            await line.close()
