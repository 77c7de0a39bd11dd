"""What the daemon does to its disk: per session, per hour charging, and when idle.

Counted are the fsyncs, and the bytes handed over to be written, of the whole process;
only the simulated charger's own log, which no real charger has, is left out.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from agent.cli.client import ask
from agent.demo.backend import make_app
from agent.demo.cards import ADA
from agent.demo.memory import Memory
from agent.demo.server import Server
from benchmarks.observed import TOKEN, RequestCounter, Station
from benchmarks.tracing import Wear, counts_pages, io_bytes, why_not
from benchmarks.verdicts import Verdict
from tests.pages_server import PagesServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SESSIONS: Final = 20
# A durable step changes some pages of 4 KiB, a frame's header each: tables and indexes.
_STEP_KIB: Final = 8 * 4.1
_READINGS, _UPDATES = 60, 12  # Of an hour's charging by the default times
_METER_MOVES: Final = 120
_METER_MOVES_EVERY_S: Final = 0.1
_LAST_UPDATE_WITHIN_S: Final = 1.5
_SYNCS_A_DAY: Final = 24
_SYNCS_AFTER_START: Final = 5
_LIST: Final = 10_000
_NOTING_KIB: Final = 16  # When the list was swept, and nothing of the list


def measure(directory: Path) -> Iterator[Verdict]:
    """Observe a daemon in each of its states, if that can be done here."""
    if problem := why_not():
        print(f"wear of the disk: skipped: {problem}")
        return
    directory.mkdir()
    memory = Memory(filter(None, [ADA.token(datetime.now(UTC))]), {}, ["LOC-1"])
    app = make_app(memory, TOKEN)
    requests: list[str] = []
    app.add_middleware(RequestCounter, seen=requests)
    with Server(app) as server:
        url = server.versions_url
        yield from _measure_sessions(directory / "sessions", url, memory)
        yield from _measure_charging(directory / "charging", url, memory)
        yield from _measure_idle(directory / "idle", url, requests)
    yield from _measure_sweep(directory / "sweep")


def _measure_sessions(directory: Path, url: str, memory: Memory) -> Iterator[Verdict]:
    """Start and stop; each is reported before the next step is taken."""
    starts, stops = Wear(), Wear()
    with Station(directory, url) as station:
        station.trace.take()
        for number in range(1, _SESSIONS + 1):
            station.write("e1.ctl", "plug")
            station.write("cards", ADA.uid)
            _wait(station, memory, "ACTIVE", number)
            starts += station.trace.take()
            station.write("e1.ctl", "unplug")
            _wait(station, memory, "COMPLETED", number)
            stops += station.trace.take()
    # The start and its report; the log begins anew after the session before it.
    yield from _describe("starting a session", starts / _SESSIONS, syncs=3, steps=2)
    # The stop, the end and its report; then the log, which knows the card, is emptied:
    # its pages are written once more, and both files synced.
    yield from _describe("stopping a session", stops / _SESSIONS, syncs=5, steps=5)


def _measure_charging(directory: Path, url: str, memory: Memory) -> Iterator[Verdict]:
    """An hour of charging made shorter, in which the meter moves all the time."""
    with Station(directory, url, meter_every="0.2s", update_every="1s") as station:
        already = _count(memory, "ACTIVE")
        station.write("e1.ctl", "plug")
        station.write("cards", ADA.uid)
        _wait(station, memory, "ACTIVE", already + 1)
        station.trace.take()
        readings, told = station.count_readings(), _count_told(memory)
        for number in range(_METER_MOVES):
            station.write("e1.ctl", f"draw {7_000_000 + number}")
            time.sleep(_METER_MOVES_EVERY_S)
        station.write("e1.ctl", "draw 0")
        time.sleep(_LAST_UPDATE_WITHIN_S)
        station.wait(station.is_told)
        wear = station.trace.take()
        readings = station.count_readings() - readings
        told = _count_told(memory) - told
    # Each reading is a step, some with a report; that it is delivered is another one.
    # The log is full after some hours, and then both files are synced.
    steps = _READINGS + _UPDATES
    yield from _describe(
        "an hour charging",
        wear / (readings / _READINGS),
        syncs=steps + 3,
        steps=steps,
        note=f"seen: {readings} readings, {told} of them reported",
    )


def _measure_idle(directory: Path, url: str, requests: list[str]) -> Iterator[Verdict]:
    """A day in which nobody comes, and every synchronisation finds what was known.

    The full one of each day is measured apart.
    """
    with Station(directory, url, sync_every="0.2s") as station:
        begin = len(requests) + _SYNCS_AFTER_START
        station.wait(lambda: len(requests) >= begin)
        station.trace.take()
        pages = io_bytes(station.pid)
        station.wait(lambda: len(requests) >= begin + _SYNCS_A_DAY + 1)
        wear = station.trace.take()
        pages = io_bytes(station.pid) - pages
    what = f"an idle day, {_SYNCS_A_DAY} synchronisations"
    yield Verdict(f"fsyncs: {what}", wear.syncs, 0, "")
    yield Verdict(f"written: {what}", wear.kib, 0, "KiB")
    yield Verdict(f"renames, truncations: {what}", wear.changes, 0, "")
    yield from _describe_pages(directory, what, pages, 0)


def _measure_sweep(directory: Path) -> Iterator[Verdict]:
    """The daily full synchronisation, when it finds the list that is in force."""
    with (
        PagesServer(_LIST) as server,
        Station(directory, server.versions_url) as station,
    ):
        # The first one after a start begins a log of changes.
        ask(station.state, "sync", full=True)
        station.trace.take()
        pages = io_bytes(station.pid)
        ask(station.state, "sync", full=True)
        wear = station.trace.take()
        pages = io_bytes(station.pid) - pages
    what = f"the same {_LIST:,} tokens once more"
    yield Verdict(f"fsyncs: {what}", wear.syncs, 0, "")
    note = f"{wear.kib:,.0f} KiB staged, and deleted before they get to the disk"
    yield from _describe_pages(directory, what, pages, _NOTING_KIB, note)


def _describe(
    what: str, wear: Wear, *, syncs: int, steps: int, note: str = ""
) -> Iterator[Verdict]:
    yield Verdict(f"fsyncs: {what}", wear.syncs, syncs, "", note=note)
    yield Verdict(f"written: {what}", wear.kib, steps * _STEP_KIB, "KiB")


def _describe_pages(
    directory: Path, what: str, pages: int, budget: int, note: str = ""
) -> Iterator[Verdict]:
    """Show what `io_bytes` said, if it says anything about this directory."""
    if counts_pages(directory):
        yield Verdict(f"pages changed: {what}", pages / 1024, budget, "KiB", note=note)
    else:
        print(f"pages changed: {what}: skipped: not on a disk; set TMPDIR")


def _wait(station: Station, memory: Memory, status: str, sessions: int) -> None:
    """Wait until so many sessions are known to be so, on both sides."""
    station.wait(lambda: _count(memory, status) == sessions)
    station.wait(station.is_told)


def _count(memory: Memory, status: str) -> int:
    """Count the sessions that were ever told to be so."""
    told = memory.sessions.copy().values()
    return sum(any(state.status == status for state in history) for history in told)


def _count_told(memory: Memory) -> int:
    """Count all that was told of sessions."""
    return sum(len(history) for history in memory.sessions.copy().values())
