"""From a tap to the charger's command, against the one commit it has to contain."""

from __future__ import annotations

import asyncio
import sqlite3
from itertools import count
from time import perf_counter_ns
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.clock import SystemClock
from agent.domain.messages import (
    CardTapped,
    ChargerFound,
    EnableEnergy,
    EnergyDisabled,
    EnergyEnabled,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.domain.settings import Settings
from agent.domain.tokens import WhitelistType
from agent.domain.uid import Technology, Uid
from agent.health import Health
from agent.station_runner import StationRunner
from agent.store.journal import Journal
from agent.store.journal_thread import JournalThread
from agent.store.reserve import Reserve
from benchmarks.lists import domain_tokens
from benchmarks.verdicts import Verdict, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.domain.messages import DisableEnergy
    from agent.domain.tokens import Reply

_EVSE = "E1"
_ROUNDS = 300


class _Charger:
    """Notes when it is told to enable, and confirms everything at once."""

    def __init__(self) -> None:
        self.runner: StationRunner | None = None
        self.enabled = asyncio.Event()
        self.enabled_ns = 0

    def command(self, effect: EnableEnergy | DisableEnergy) -> None:
        if self.runner is None:
            return
        if isinstance(effect, EnableEnergy):
            self.enabled_ns = perf_counter_ns()
            self.enabled.set()
            self.runner.post(EnergyEnabled(_EVSE, effect.session_id))
        else:
            self.runner.post(EnergyDisabled(_EVSE, effect.session_id, 0))


def measure(directory: Path) -> Iterator[Verdict]:
    """Start sessions one after another, a bare commit before each."""
    directory.mkdir()
    taps, commits = asyncio.run(_run(directory))
    tap, commit = percentile(taps, 0.5), percentile(commits, 0.5)
    yield Verdict(
        "tap -> charger told, beyond one fsync'ed commit, p50",
        (tap - commit) / 1e6,
        1.0,
        "ms",
        note=f"{tap / 1e6:.2f} ms / {commit / 1e6:.2f} ms",
    )


async def _run(directory: Path) -> tuple[list[float], list[float]]:
    clock, charger, ids = SystemClock(), _Charger(), count()
    journal = JournalThread(Journal(directory / "journal.db"))
    runner = StationRunner(
        settings=Settings(readers={"front": (_EVSE,)}),
        clock=clock,
        journal=journal,
        room=Reserve(directory),
        chargers={_EVSE: charger},
        ask=_never_asked,
        show=lambda _: None,
        publish=lambda _: None,
        on_recorded=lambda: None,
        new_id=lambda: f"id-{next(ids)}",
        health=Health(clock),
    )
    await runner.restore([])
    charger.runner = runner
    task = asyncio.create_task(runner.run())
    runner.post(
        ChargerFound(evse_uid=_EVSE, connected=False, enabled=False, wh=0, fault=None)
    )
    bare = _open_bare(directory / "bare.db")
    taps: list[float] = []
    commits: list[float] = []
    token = replace(domain_tokens(0, 1)[0], whitelist=WhitelistType.ALWAYS, valid=True)
    for number in range(_ROUNDS):
        commits.append(_commit(bare, number))
        runner.post(VehicleConnected(_EVSE))
        await runner.drain()
        charger.enabled.clear()
        begin = perf_counter_ns()
        runner.post(
            CardTapped(
                tap_id=f"tap-{number}",
                reader="front",
                slot="",
                uid=Uid(f"04{number:012X}"),
                technology=Technology.ISO14443,
                token=token,
            )
        )
        await charger.enabled.wait()
        taps.append(charger.enabled_ns - begin)
        runner.post(VehicleDisconnected(_EVSE))
        while runner.station.evses[_EVSE].session is not None:
            await runner.drain()
    task.cancel()
    await asyncio.wait({task})
    await journal.close()
    bare.close()
    return taps, commits


async def _never_asked(*_: object, **__: object) -> Reply:
    raise RuntimeError("a card that may always charge was asked about")


def _open_bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, data TEXT)")
    return connection


def _commit(connection: sqlite3.Connection, number: int) -> float:
    """One durable row of a session's size."""
    begin = perf_counter_ns()
    connection.execute("INSERT INTO bare VALUES (?, ?)", (number, "x" * 700))
    return perf_counter_ns() - begin
