"""A station whose power is cut in the middle of a charge, and what must be left."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.torture.checks import check_dead, check_told, copied_journal
from tests.torture.daemons import DiedError
from tests.torture.load import READERS, Crowd
from tests.torture.lossy_disk import Names
from tests.torture.station import facts_of, uid_of
from tests.torture.story import Driver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.torture.bench import Bench
    from tests.torture.load import Death
    from tests.torture.lossy_mount import LossyMount
    from tests.torture.orders import Passage
    from tests.torture.station import Station
    from tests.torture.story import Story

_POLL_S: Final = 0.002
# Long enough for the daemon to do what it must not do before the disk has answered.
_GRACE_S: Final = 0.02
_MANY: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Blow:
    """A power cut while a story is told: where, and what survives of the unsynced.

    In a passage of the daemon, or `at_step` of the disk from the daemon's start on.
    """

    rule: Names
    seed: int | None
    passage: Passage | None = None
    at_step: int | None = None

    def __str__(self) -> str:
        where = self.passage or f"step {self.at_step}"
        return f"{where} ({self.rule.value}, seed {self.seed})"


def tell_story(
    bench: Bench, disk: LossyMount, story: Story, blow: Blow, *, honest: bool = True
) -> None:
    """Tell a story that is cut by a power failure; then tell it to its end."""
    disk.format(blow.rule, honest=honest)
    with _station_of(bench, disk, story) as station:
        sync_all(station.state)
        station.launch(blow.passage)
        with power_fails(disk, station, blow.at_step), suppress(DiedError):
            _live(station, story)
        station.kill()
        disk.cut(blow.seed)
        check_kept(station)
        station.backend.is_away |= story.lists_anew
        is_ending = _is_ending(station)
        station.launch()
        _live(station, story, is_ending=is_ending)
        assert station.daemon.status == 0, station.log()
        check_told(station)


def rehearse(bench: Bench, disk: LossyMount, story: Story) -> tuple[list[Passage], int]:
    """Tell a story without a cut; return what it passes, and the disk's steps."""
    disk.format(Names.STRICT)
    with _station_of(bench, disk, story) as station:
        before = disk.step()
        station.launch()
        _live(station, story)
        return station.daemon.passages(), disk.step() - before


@contextmanager
def _station_of(bench: Bench, disk: LossyMount, story: Story) -> Iterator[Station]:
    with bench.station(is_fresh=story.is_fresh, state=disk.directory) as station:
        station.update_every = story.update_every
        station.backend.is_away = story.told_late
        yield station


def _is_ending(station: Station) -> bool:
    """Whether it was decided to stop a session that is still open; nobody is alive."""
    with copied_journal(station.state) as journal:
        return any(one.stop_reason for one in journal.open_sessions())


def _live(station: Station, story: Story, *, is_ending: bool = False) -> None:
    """Do what is left to do of the story; the daemon has been started."""
    station.daemon.expect("ready:")
    station.daemon.expect("synchronisation")
    if story.lists_anew and not station.backend.is_away:
        station.ask("sync", full=True)
    station.wait_for_whitelist()
    if is_ending:
        # That was decided, and needs nobody to decide it again.
        station.until(lambda: station.session_of() is None, "the end of the session")
    Driver(station, story).charge()
    if station.backend.is_away:
        station.backend.is_away = False
        station.ask("sync")
        station.wait_until_told()
    station.daemon.terminate()


@contextmanager
def power_fails(
    disk: LossyMount, station: Station, at_step: int | None
) -> Iterator[None]:
    """Kill the station's daemon when it wants to make this step of the disk.

    It is given a moment to do what it must not do before the disk has answered.
    """
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_POLL_S):
            if disk.is_frozen():
                time.sleep(_GRACE_S)
                station.daemon.send(signal.SIGKILL)
                disk.release()
                return

    watching = threading.Thread(target=watch)
    if at_step is not None:
        disk.stop_at(disk.step() + at_step)
        watching.start()
    try:
        yield
    finally:
        is_over.set()
        if at_step is not None:
            watching.join()


def sync_all(directory: Path) -> None:
    """Make everything there durable."""
    for path in (*directory.iterdir(), directory):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def check_kept(station: Station) -> None:
    """What people, chargers and backends relied on is in the books; nobody is alive."""
    check_dead(station)
    with copied_journal(station.state) as journal:
        books = {session.id: session for session, _ in journal.sessions(_MANY)}
    events = [facts_of(line) for run in station.runs for line in run.lines]
    shown = {facts["session_id"] for facts in events if "session_id" in facts}
    told = station.backend.sessions()
    assert shown <= books.keys(), "a session that was shown is lost"
    assert told.keys() <= books.keys(), "a session that was told is lost"
    ended = {
        facts_of(line)["session_id"]
        for run in station.runs
        for line in run.lines
        if "session.stopped" in line
    }
    ended |= {name for name, puts in told.items() if puts[-1].status != "ACTIVE"}
    assert not any(books[name].is_open for name in ended), "an end is lost"
    for evse, charger in station.chargers.items():
        here = [one for one in books.values() if one.evse_uid == uid_of(evse)]
        flows = charger.flows()
        assert len(flows) <= len(here), "energy for nobody"
        for session in here:
            was_stopped = flows and (
                flows[-1].off_wh is not None
                and flows[-1].on_at >= session.started_at.wall
            )
            if session.is_open and was_stopped:
                assert session.stop_reason is not None, "a decision to stop is lost"


class UnpoweredCrowd(Crowd):
    """A crowd at a station whose power fails whenever its daemon dies."""

    def __init__(self, station: Station, power: LossyMount, seed: int) -> None:
        super().__init__(station, seed, disk=None)
        self._power = power

    def _live(self, death: Death) -> None:
        super()._live(death)
        seed = None if self._random.random() < 0.5 else self._random.getrandbits(32)
        self._power.cut(seed)
        check_kept(self._station)


def torture(bench: Bench, disk: LossyMount, rule: Names, seed: int, cuts: int) -> None:
    """Let a crowd live through power cuts, and see what became of it."""
    disk.format(rule)
    with bench.station(readers=READERS, state=disk.directory) as station:
        sync_all(station.state)
        station.update_every = "20ms"
        station.meter_every = "5ms"
        crowd = UnpoweredCrowd(station, disk, seed)
        crowd.live_through(cuts)
        crowd.settle()
