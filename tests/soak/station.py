"""The station of a soak: every kind of driver that can be emulated, and a backend."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.e2e.station import AgentProcess
from tests.e2e.tables import evse, pipe_reader
from tests.interop.environment import PROJECT_ROOT
from tests.interop.samples import make_token
from tests.soak.chargers import Command, Modbus, OpenEvse
from tests.soak.readers import (
    LineReader,
    ModuleReader,
    NfcReader,
    PcscReader,
    PipeReader,
    SocketReader,
)
from tests.stack.pcscd import run_pcscd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.extrawest import ExtrawestServer
    from tests.soak.chargers import SoakCharger
    from tests.soak.readers import SoakReader
    from tests.stack.pcscd import Pcscd

E1, E2, E3, E4 = (f"SE*ABC*E{number}" for number in range(1, 5))
SIDE: Final = "side"
_TICK_S: Final = 0.05

#: Whitelist types by card; what is in no list is asked about.
CARDS: Final = {
    "04C1A5E7D21B80": "ALWAYS",
    "04D39B12F6C481": "ALWAYS",
    "04E86F3AC57D82": "ALLOWED_OFFLINE",
    "049D84E20F7A85": "ALLOWED",
    "04F4520DB9EE83": "NEVER",
}
LOW_FREQUENCY: Final = {"1362E3086C": "ALWAYS", "1A90B74D25": "ALLOWED"}
UNKNOWN: Final = "04B2D61C83FA87"


class World(threading.Thread):
    """Lets registers run, and notes when energy flows."""

    def __init__(self, chargers: list[SoakCharger]) -> None:
        super().__init__(daemon=True)
        self._chargers = chargers
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look at all chargers, again and again."""
        while not self._stopping.wait(_TICK_S):
            for charger in self._chargers:
                charger.note()

    def stop(self) -> None:
        """Let no more time pass; AssertionError if it had ended by itself."""
        assert self.is_alive(), "the world has ended"
        self.end()

    def end(self) -> None:
        """Let no more time pass; harmless when none does."""
        self._stopping.set()
        if self.is_alive():
            self.join()


class SoakStation:
    """A daemon that is not started yet, and everything around it."""

    def __init__(self, agent: AgentProcess, pcscd: Pcscd, stack: ExitStack) -> None:
        folder, slots = agent.directory, pcscd.slots
        self.agent = agent
        self.pcscd = pcscd
        self.counts = folder / "counts"
        command = Command(E3, folder / "command")
        self.chargers = [OpenEvse(E1, folder / "openevse"), Modbus(E2), command]
        self.pcsc_readers = [
            PcscReader("pcsc-1", [E1], slots[0]),
            PcscReader("pcsc-3", [E3, E2], slots[1]),
        ]
        self.readers: list[SoakReader] = [
            NfcReader("nfc", [E1], folder),
            *self.pcsc_readers,
            ModuleReader("twn4", [E2], folder, "twn4"),
            LineReader("rdm6300", [E2], folder),
            ModuleReader("sl032", [E3], folder, "sl032"),
            SocketReader("socket", [E3]),
            PipeReader("pipe", [E1, E2, E3], agent.state),
        ]
        self.world = World(self.chargers)
        for charger in self.chargers:
            stack.callback(charger.close)
        for reader in self.readers:
            stack.callback(reader.close)
        stack.callback(self.world.end)
        self.configure(has_side_reader=False, has_fourth=False)
        agent.tables["authorization"]["connection_timeout"] = "20s"
        agent.tables["reporting"] = {"update_every": "5s", "meter_every": "2s"}
        agent.environment = {
            "PYTHONPATH": str(PROJECT_ROOT / "tests" / "soak" / "inside"),
            "SOAK_COUNTS": str(self.counts),
        }
        agent.cards |= {*CARDS, *LOW_FREQUENCY, UNKNOWN}

    def configure(self, *, has_side_reader: bool, has_fourth: bool) -> None:
        """Fill the tables; the file is written at the next start or reload."""
        tables = self.agent.tables
        tables["evse"] = [charger.table() for charger in self.chargers]
        tables["reader"] = [reader.table() for reader in self.readers]
        if has_fourth:
            tables["evse"].append(evse(E4, "e4"))
        if has_side_reader:
            tables["reader"].append(pipe_reader(SIDE))

    def drain(self) -> None:
        """Read what was said to systemd, whose socket takes only so much."""
        with suppress(AssertionError):
            self.agent.manager.expect("(nothing)", self.agent.is_alive, within_s=0)

    def trouble(self) -> list[str]:
        """Name the parts that are not up, with what is wrong."""
        parts = self.agent.ask("status")["parts"]
        return [f"{one['part']}: {one['detail']}" for one in parts if not one["ok"]]

    def open_sessions(self) -> list[str]:
        """Name the EVSEs with a session."""
        rows = self.agent.ask("status")["evses"]
        return [row["uid"] for row in rows if row["session_id"]]


@contextmanager
def soak_station(emsp: ExtrawestServer) -> Iterator[SoakStation]:
    """Set everything up, start the daemon, and end all of it."""
    listed = CARDS | LOW_FREQUENCY
    emsp.set_tokens(
        [make_token(uid, whitelist=kind) for uid, kind in listed.items()],
        authorize={UNKNOWN: {"allowed": "BLOCKED"}},
    )
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="soak-"))
        pcscd = stack.enter_context(run_pcscd(Path(folder) / "pcscd"))
        agent = stack.enter_context(AgentProcess(emsp, start=False))
        station = SoakStation(agent, pcscd, stack)
        station.world.start()
        agent.start()
        yield station
