"""One soak, from an empty station to the verdict."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from tests.e2e.waiting import until
from tests.interop.environment import ensure_environment
from tests.interop.extrawest import ExtrawestServer
from tests.soak.books import count_lines, count_sessions, find_bad_lines, find_wrong
from tests.soak.crowd import Crowd
from tests.soak.samples import (
    FIT_S,
    LIMITS,
    SHOWN,
    Sampler,
    slope_per_hour,
    warm_time_s,
)
from tests.soak.station import soak_station

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from tests.soak.samples import Sample
    from tests.soak.station import SoakStation

#: When the daemon is killed, as parts of the whole; the last part is undisturbed.
KILLS: Final = (0.55, 0.60, 0.66, 0.71)
SETTLES_IN_S: Final = 60.0
_SAMPLE_EVERY_S: Final = 3.0
#: By so much a level may differ from the first one: a connection kept, a cache filled.
_LEEWAY: Final = {"threads": 2, "fds": 6, "tasks": 2}


@dataclass
class Verdict:
    """What a soak has shown; nothing is `wrong` if it went well."""

    wrong: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add a line to the report."""
        self.lines.append(text)


class Soak:
    """One run; `folder` gets the log and the samples."""

    def __init__(self, folder: Path, *, mix: str, seed: int, length: timedelta) -> None:
        self._folder = folder
        self._mix = mix
        self._seed = seed
        self._length_s = length.total_seconds()
        self._levels: dict[str, dict[str, float]] = {}
        self._verdict = Verdict()

    def run(self) -> Verdict:
        """Soak, and judge."""
        with ExtrawestServer(ensure_environment()) as emsp:
            with soak_station(emsp) as station:
                sampler = Sampler(station.agent, station.counts)
                crowd = Crowd(station, emsp, sampler, self._mix, self._seed)
                try:
                    self._live(station, crowd, sampler)
                except BaseException:
                    stacks = sampler.show_stacks()
                    (self._folder / "stacks").write_text(stacks)
                    raise
                finally:
                    shutil.copy(station.agent.directory / "log", self._folder / "log")
                    sampler.save(self._folder / "samples.jsonl")
                self._judge_books(station, emsp, crowd)
            self._judge_samples(sampler.samples)
        return self._verdict

    # ---- its course -----------------------------------------------------------------

    def _live(self, station: SoakStation, crowd: Crowd, sampler: Sampler) -> None:
        self._rest("start", station, crowd, sampler)
        kills = [self._length_s * part for part in KILLS]
        began = sampled = time.monotonic()
        is_first_half = True
        while (lived_s := time.monotonic() - began) < self._length_s:
            crowd.act()
            if is_first_half and lived_s > self._length_s / 2:
                is_first_half = False
                self._rest("half", station, crowd, sampler)
            if kills and lived_s > kills[0]:
                kills.pop(0)
                crowd.kill_daemon()
            if time.monotonic() - sampled > _SAMPLE_EVERY_S:
                sampled = time.monotonic()
                station.drain()
                sampler.take()
        self._rest("end", station, crowd, sampler)
        station.world.stop()
        station.agent.terminate()

    def _rest(
        self, name: str, station: SoakStation, crowd: Crowd, sampler: Sampler
    ) -> None:
        """Mend everything, wait until all is well, and note what it costs then."""
        crowd.settle()
        self._wait(f"{name}: the end of every session", station.open_sessions)
        station.agent.ask("sync")  # The backend is there again: nothing rests.
        self._wait(f"{name}: all parts to work", station.trouble)
        self._wait(f"{name}: an empty outbox", lambda: _untold(station))
        self._levels[name] = sampler.level()

    def _wait(self, what: str, find: Callable[[], list[str]]) -> None:
        """Wait until nothing is found; what still is found then, is wrong."""
        try:
            until(lambda: not find(), what, within_s=SETTLES_IN_S)
        except AssertionError:
            self._verdict.wrong.append(f"waited for {what}: {find()}")

    # ---- the verdict ----------------------------------------------------------------

    def _judge_books(
        self, station: SoakStation, emsp: ExtrawestServer, crowd: Crowd
    ) -> None:
        verdict, log = self._verdict, station.agent.log()
        verdict.wrong += find_wrong(
            station.agent.state, station.chargers, emsp.sessions()
        )
        verdict.wrong += find_bad_lines(log)
        verdict.wrong += [
            f"{one.evse}: energy is on" for one in station.chargers if one.look().is_on
        ]
        verdict.say(f"done: {crowd.done}")
        verdict.say(f"sessions: {dict(count_sessions(station.agent.state))}")
        for number, kind in count_lines(log):
            verdict.say(f"log {number:6d} {kind}")

    def _judge_samples(self, samples: list[Sample]) -> None:
        verdict = self._verdict
        fitted_s = warm_time_s(samples)
        verdict.say(f"slopes over {fitted_s:.0f} s, judged from {FIT_S:.0f} s on")
        for name in SHOWN:
            slope = slope_per_hour(samples, attrgetter(name))
            levels = {rest: level[name] for rest, level in self._levels.items()}
            verdict.say(f"{name:14s} {slope:+12.1f} an hour; at rest {levels}")
            if fitted_s >= FIT_S and slope > LIMITS.get(name, slope):
                verdict.wrong.append(f"{name} grows by {slope:.1f} an hour")
            grown = max(levels.values()) - levels["start"]
            if grown > _LEEWAY.get(name, grown):
                verdict.wrong.append(f"{name} at rest: {levels}")
        verdict.say(f"descriptors at the start: {samples[0].kinds}")
        verdict.say(f"descriptors at the end: {samples[-1].kinds}")


def _untold(station: SoakStation) -> list[str]:
    outbox = station.agent.ask("status")["outbox"]
    return [f"{number} {kind}" for kind, number in outbox.items() if number]
